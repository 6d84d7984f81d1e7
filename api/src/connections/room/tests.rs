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
    keep_nobody_out(|_| {}).await;
    // Requests that are begun and never sent.
    keep_nobody_out(|place| place.activity().note_read()).await;
}

async fn keep_nobody_out(hold: impl Fn(&Place)) {
    const MAX: usize = 64;
    let room = Room::of(MAX, &["10.0.0.0/8".parse().expect("a network")]);
    let mut attackers = Vec::new();
    for n in 0..MAX * 2 {
        // As fast as they may, and one after the other.
        let attacker = enter(&room, &format!("203.0.113.{}", n % 4));
        attackers.extend(attacker.inspect(&hold));
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
