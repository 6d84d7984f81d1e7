//! How many connections there are, in all and from one network, and which ends when there is no room for another.

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
/// This part of all connections is for trusted proxies and this machine alone, whose health checks have to get through.
const RESERVED_PART: usize = 16;
/// This part may be told to end and not be gone yet, beside those that have a place.
const LEAVING_PART: usize = 8;
/// A connection that has been busy with one request for this long may be ended for want of room, too: it has sent too
/// little for too long, or its work is long.
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
    /// Those that were told to end and are not gone yet.
    leaving: usize,
}

#[derive(Debug)]
struct Connection {
    /// None of trusted proxies and where no address is known.
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

    /// A place for a connection from `address`, where one is known. Where there is none, another connection is ended for
    /// it: one of the same network's if that has its part, else one of the network that has most, the longest idle first.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Result<Place, NoPlace> {
        let address = address.map(|address| address.to_canonical());
        let network = address.filter(|address| !is_trusted(*address, &self.0.trusted)).map(site);
        let is_favoured = network.is_none() || address.is_some_and(|address| address.is_loopback());
        let reserved = if is_favoured { 0 } else { self.0.max / RESERVED_PART };
        let mut held = self.held();
        let of_network = held.of_network(network);
        if network.is_some() && of_network >= (self.0.max / NETWORK_PART).max(1) {
            let own = held.first_to_go(|connection, _| connection.network == network);
            held.evict(own.ok_or(NoPlace::NetworkFull)?, self.0.max, NoPlace::NetworkFull.as_str())?;
        } else if held.connections.len() >= self.0.max - reserved {
            let first = held.first_to_go(|connection, of_its_network| {
                connection.network.is_some() && (connection.network == network || of_its_network > of_network)
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

    /// The connection to end among those that `may_go`, who are told how many its network has: of the network that has
    /// most, an idle one before a busy one, and that for longest.
    fn first_to_go(&self, may_go: impl Fn(&Connection, usize) -> bool) -> Option<u64> {
        let order = |(number, connection): (&u64, &Connection)| {
            let of_its_network = self.of_network(connection.network);
            let (is_idle, lasted) = match connection.activity.phase() {
                Phase::Idle(lasted) => (true, lasted),
                Phase::Busy(lasted) => (false, lasted),
            };
            let goes = (is_idle || lasted >= BUSY_MAX) && may_go(connection, of_its_network);
            goes.then_some((of_its_network, is_idle, lasted, Reverse(*number)))
        };
        self.connections.iter().filter_map(order).max().map(|(.., Reverse(number))| number)
    }

    /// Takes a connection's place and tells it to end. While too many are still about to, nobody takes theirs.
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
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use tokio::time::advance;

    use super::{BUSY_MAX, NoPlace, Place, Room};

    fn enter(room: &Room, address: &str) -> Result<Place, NoPlace> {
        room.enter(Some(address.parse::<IpAddr>().expect("an address")))
    }

    fn is_evicted(place: &Place) -> bool {
        place.activity().is_evicted(&std::task::Context::from_waker(futures::task::noop_waker_ref()))
    }

    /// A connection whose request is worked on.
    fn busy(room: &Room, address: &str) -> Place {
        let place = enter(room, address).expect("a place");
        place.activity().note_read();
        place
    }

    #[test]
    fn a_network_takes_its_part_and_no_more_and_places_come_back() {
        let room = Room::of(8, &["10.0.0.0/8".parse().expect("a network")]);
        let held = [busy(&room, "1.1.1.1"), busy(&room, "::ffff:1.1.1.1")];
        assert_eq!(enter(&room, "1.1.1.1").err(), Some(NoPlace::NetworkFull));
        let others: Vec<_> = (2..6).map(|n| busy(&room, &format!("1.1.1.{n}"))).collect();
        let proxies: Vec<_> = (0..2).map(|_| busy(&room, "10.0.0.1")).collect();
        assert_eq!(enter(&room, "9.9.9.9").err(), Some(NoPlace::Full));
        assert_eq!(room.enter(None).err(), Some(NoPlace::Full));
        drop((held, others, proxies));
        assert!(enter(&room, "1.1.1.1").is_ok());
        assert!(room.held().by_network.is_empty() && room.held().connections.is_empty());
    }

    #[test]
    fn a_site_of_version_6_is_one_network() {
        let room = Room::of(8, &[]);
        let held = [busy(&room, "2001:db8:1:1::1"), busy(&room, "2001:db8:1:ffff::1")];
        assert_eq!(enter(&room, "2001:db8:1:2::1").err(), Some(NoPlace::NetworkFull));
        assert!(enter(&room, "2001:db8:2:1::1").is_ok());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn four_networks_that_hold_all_they_may_keep_nobody_out() {
        const MAX: usize = 64;
        let room = Room::of(MAX, &["10.0.0.0/8".parse().expect("a network")]);
        let mut attackers = Vec::new();
        for n in 0..MAX * 2 {
            // As fast as they may, and one after the other.
            attackers.extend(enter(&room, &format!("203.0.113.{}", n % 4)));
            advance(Duration::from_millis(10)).await;
            attackers.retain(|place| !is_evicted(place));
        }
        assert!(room.held().connections.len() <= MAX, "{}", room.held().connections.len());
        let longest_idle = attackers.iter().map(|place| place.number).min();
        let health_check = enter(&room, "127.0.0.1").expect("a health check gets through");
        let customers: Vec<_> = (1..=8)
            .map(|n| {
                let customer = enter(&room, &format!("198.51.100.{n}")).expect("a customer gets through");
                attackers.retain(|place| !is_evicted(place));
                customer
            })
            .collect();
        assert!(attackers.iter().all(|place| Some(place.number) != longest_idle), "the longest idle goes first");
        assert!(customers.iter().chain([&health_check]).all(|place| !is_evicted(place)));
        let proxies: Vec<_> = (0..MAX / 2)
            .map(|_| {
                let proxy = enter(&room, "10.0.0.1").expect("a proxy gets through");
                attackers.retain(|place| !is_evicted(place));
                proxy
            })
            .collect();
        assert!(customers.iter().chain(&proxies).all(|place| !is_evicted(place)));
        assert!(room.held().connections.len() <= MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_worked_on_goes_last_and_only_after_a_while() {
        let room = Room::of(4, &[]);
        let working: Vec<_> = (1..=4).map(|n| busy(&room, &format!("203.0.113.{n}"))).collect();
        assert_eq!(enter(&room, "198.51.100.1").err(), Some(NoPlace::Full));
        advance(BUSY_MAX).await;
        let newcomer = enter(&room, "198.51.100.1").expect("a place");
        assert_eq!(working.iter().filter(|place| is_evicted(place)).count(), 1);
        // One that is told to end and does not is waited for.
        assert_eq!(enter(&room, "198.51.100.2").err(), Some(NoPlace::Full));
        drop(working);
        assert!(enter(&room, "198.51.100.2").is_ok() && !is_evicted(&newcomer));
    }

    #[test]
    fn the_last_places_are_for_proxies_and_this_machine() {
        let room = Room::of(16, &["10.0.0.0/8".parse().expect("a network")]);
        let others: Vec<_> = (0..15).map(|n| busy(&room, &format!("203.0.113.{n}"))).collect();
        assert_eq!(enter(&room, "198.51.100.1").err(), Some(NoPlace::Full));
        let favoured = enter(&room, "127.0.0.1").or_else(|_| enter(&room, "10.0.0.1"));
        assert!(favoured.is_ok());
        drop(others);
    }
}
