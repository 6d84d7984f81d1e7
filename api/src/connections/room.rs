//! Limits the number of connections, in total and per network, and chooses which one to end when all places are taken.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ipnet::IpNet;
use metrics::{counter, gauge};
use shared::config::ApiLimits;
use shared::telemetry::names;

use super::activity::{Activity, Phase};
use crate::limits::{is_trusted, site};

/// One network may hold this part of all connections. Trusted proxies, which speak for many, may hold all.
const NETWORK_PART: usize = 4;
/// This part of all connections is reserved for trusted proxies and for this machine, so that health checks get
/// through.
const RESERVED_PART: usize = 16;
/// At most this part of all connections, in addition to those that have a place, may be told to end and not be closed
/// yet.
const LEAVING_PART: usize = 8;
/// A network with more than this part of all connections loses busy ones, too, to networks with less. Otherwise
/// requests that are begun and never completed would keep everybody else out.
const FAIR_PART: usize = 16;
/// A connection of any network that has been busy with one request for this long may be ended to make room.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// Room for connections. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    trusted: Vec<IpNet>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Those that have a place, by number.
    connections: HashMap<u64, Connection>,
    /// How many of them each network has: never more entries than connections.
    by_network: HashMap<IpAddr, usize>,
    next: u64,
    /// Those that were told to end and are not closed yet.
    leaving: usize,
}

#[derive(Debug)]
struct Connection {
    /// `None` for trusted proxies, and if the IP address is unknown.
    network: Option<IpAddr>,
    activity: Arc<Activity>,
}

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Room,
    number: u64,
    activity: Arc<Activity>,
}

/// A connection that may be ended for another one; the greatest goes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    of_network: usize,
    is_idle: bool,
    lasted: Duration,
    number: Reverse<u64>,
    network: Option<IpAddr>,
}

impl Candidate {
    /// Whether it may be ended for a newcomer: it is idle, or has been busy for long.
    fn is_spare(&self) -> bool {
        self.is_idle || self.lasted >= BUSY_MAX
    }
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    Full,
    NetworkFull,
}

impl NoPlace {
    /// The reason as a label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NetworkFull => "address",
        }
    }
}

impl Room {
    pub(crate) fn new(limits: &ApiLimits) -> Self {
        Self::of(limits.connections_max, &limits.trusted_proxies)
    }

    /// Room for `max`, of which `trusted` may hold all.
    pub(super) fn of(max: usize, trusted: &[IpNet]) -> Self {
        Self(Arc::new(Inner { max, trusted: trusted.to_vec(), held: Mutex::default() }))
    }

    /// Gives a connection a place; `address` is its peer's IP address, if known. If no place is free, another
    /// connection is ended: one of the same network if that has its full part, else one of the network with the most
    /// connections, the longest idle first.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Result<Place, NoPlace> {
        let address = address.map(|address| address.to_canonical());
        let network = address.filter(|address| !is_trusted(*address, &self.0.trusted)).map(site);
        let is_favoured = network.is_none() || address.is_some_and(|address| address.is_loopback());
        let reserved = if is_favoured { 0 } else { self.0.max / RESERVED_PART };
        let mut held = self.held();
        let of_network = held.of_network(network);
        if network.is_some() && of_network >= (self.0.max / NETWORK_PART).max(1) {
            let own = held.first_to_go(|candidate| candidate.network == network && candidate.is_spare());
            held.evict(own.ok_or(NoPlace::NetworkFull)?, self.0.max, NoPlace::NetworkFull.as_str())?;
        } else if held.connections.len() >= self.0.max - reserved {
            let first = held.first_to_go(|candidate| {
                let has_more = candidate.of_network > of_network;
                let is_unfair = has_more && candidate.of_network > (self.0.max / FAIR_PART).max(2);
                let may_go = is_unfair || candidate.is_spare() && (has_more || candidate.network == network);
                candidate.network.is_some() && may_go
            });
            held.evict(first.ok_or(NoPlace::Full)?, self.0.max, "evicted")?;
        }
        Ok(self.place(held, network))
    }

    fn place(&self, mut held: MutexGuard<'_, Held>, network: Option<IpAddr>) -> Place {
        let (number, activity) = (held.next, Arc::new(Activity::new()));
        held.next += 1;
        held.connections.insert(number, Connection { network, activity: Arc::clone(&activity) });
        if let Some(network) = network {
            *held.by_network.entry(network).or_default() += 1;
        }
        gauge!(names::HTTP_CONNECTIONS).increment(1.0);
        Place { room: self.clone(), number, activity }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().expect("nothing panics while it holds this lock")
    }
}

impl Held {
    fn of_network(&self, network: Option<IpAddr>) -> usize {
        network.and_then(|network| self.by_network.get(&network)).copied().unwrap_or(0)
    }

    /// Chooses the connection to end among those that `may_go`: of the network with the most connections, idle before
    /// busy, and the one that has been so for longest.
    fn first_to_go(&self, may_go: impl Fn(&Candidate) -> bool) -> Option<u64> {
        let candidates = self.connections.iter().map(|(number, connection)| {
            let of_network = self.of_network(connection.network);
            let (is_idle, lasted) = match connection.activity.phase() {
                Phase::Idle(lasted) => (true, lasted),
                Phase::Busy(lasted) => (false, lasted),
            };
            Candidate { of_network, is_idle, lasted, number: Reverse(*number), network: connection.network }
        });
        candidates.filter(may_go).max().map(|candidate| candidate.number.0)
    }

    /// Frees a connection's place and tells it to end; refuses while too many are still ending.
    fn evict(&mut self, number: u64, max: usize, reason: &'static str) -> Result<(), NoPlace> {
        if self.leaving >= (max / LEAVING_PART).max(1) {
            return Err(NoPlace::Full);
        }
        if let Some(connection) = self.remove(number) {
            self.leaving += 1;
            connection.activity.evict();
            counter!(names::HTTP_CONNECTIONS_ENDED_TOTAL, "reason" => reason).increment(1);
        }
        Ok(())
    }

    fn remove(&mut self, number: u64) -> Option<Connection> {
        let connection = self.connections.remove(&number)?;
        if let Some(network) = connection.network
            && let Some(of_network) = self.by_network.get_mut(&network)
        {
            *of_network -= 1;
            if *of_network == 0 {
                self.by_network.remove(&network);
            }
        }
        Some(connection)
    }
}

impl Place {
    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.room.held();
        if held.remove(self.number).is_none() {
            held.leaving -= 1;
        }
        gauge!(names::HTTP_CONNECTIONS).decrement(1.0);
    }
}

#[cfg(test)]
mod tests;
