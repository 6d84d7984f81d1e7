//! How many connections there are, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use ipnet::IpNet;
use metrics::gauge;
use shared::config::ApiLimits;
use shared::telemetry::names;

use crate::limits::{is_trusted, network};

/// One address may hold this part of all connections. Trusted proxies, which speak for many, may hold all.
const ADDRESS_PART: usize = 4;

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
    all: usize,
    /// Of addresses that hold any: never more entries than connections.
    by_address: HashMap<IpAddr, usize>,
}

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Room,
    address: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    Full,
    AddressFull,
}

impl NoPlace {
    /// The reason as a label.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::AddressFull => "address",
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

    /// A place for a connection from `address`, where one is known.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Result<Place, NoPlace> {
        let address = address.map(|address| address.to_canonical());
        let address = address.filter(|address| !is_trusted(*address, &self.0.trusted)).map(network);
        let mut held = self.held();
        if held.all >= self.0.max {
            return Err(NoPlace::Full);
        }
        if let Some(address) = address {
            let of_address = held.by_address.entry(address).or_default();
            if *of_address >= (self.0.max / ADDRESS_PART).max(1) {
                return Err(NoPlace::AddressFull);
            }
            *of_address += 1;
        }
        held.all += 1;
        gauge!(names::HTTP_CONNECTIONS).increment(1.0);
        Ok(Place { room: self.clone(), address })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().expect("nothing panics while it holds this lock")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.room.held();
        held.all -= 1;
        gauge!(names::HTTP_CONNECTIONS).decrement(1.0);
        let Some(address) = self.address else { return };
        if let Some(of_address) = held.by_address.get_mut(&address) {
            *of_address -= 1;
            if *of_address == 0 {
                held.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{NoPlace, Room};

    #[test]
    fn an_address_takes_its_part_and_no_more_and_places_come_back() {
        let room = Room::of(8, &["10.0.0.0/8".parse().expect("a network")]);
        let enter = |address: &str| room.enter(Some(address.parse::<IpAddr>().expect("an address")));
        let (one, two) = (enter("1.1.1.1").ok(), enter("::ffff:1.1.1.1").ok());
        assert!(one.is_some() && two.is_some());
        assert_eq!(enter("1.1.1.1").err(), Some(NoPlace::AddressFull));
        let others: Vec<_> = (2..6).map(|n| enter(&format!("1.1.1.{n}")).expect("a place")).collect();
        let proxies: Vec<_> = (0..2).map(|_| enter("10.0.0.1").expect("a place")).collect();
        assert_eq!(enter("9.9.9.9").err(), Some(NoPlace::Full));
        assert_eq!(room.enter(None).err(), Some(NoPlace::Full));
        drop((one, others, proxies));
        assert!(enter("1.1.1.1").is_ok());
        drop(two);
        assert!(room.held().by_address.is_empty() && room.held().all == 0);
    }
}
