//! The rate of calls that all workers together may make to one endpoint.

use std::time::{Duration, Instant};

use shared::generation::budget::{RUN_PER_SECOND, SLOT_WAIT_MAX, take_slot};

use super::World;

/// More than can ever be granted at once.
const MANY: usize = 400;
/// What time passing during a test, and a whole slot at either end, may add.
const SLACK: f64 = 5.0;

/// Asks for [`MANY`] slots through two workers' pools; the waits of those that were granted, and the time it took.
async fn granted(world: &World, endpoint: &str) -> (Vec<Duration>, Duration) {
    let other = world.database.worker_pool();
    let begun = Instant::now();
    let mut waits = Vec::new();
    for turn in 0..MANY {
        let pool = if turn % 2 == 0 { &world.worker } else { &other };
        waits.extend(take_slot(pool, endpoint, "run", RUN_PER_SECOND).await.unwrap());
    }
    (waits, begun.elapsed())
}

fn slots(time: Duration) -> f64 {
    time.as_secs_f64() * RUN_PER_SECOND
}

#[tokio::test]
async fn workers_share_one_rate_for_each_endpoint() {
    let world = World::new().await;
    let (waits, took) = granted(&world, "ep").await;
    assert!(waits.iter().all(|wait| *wait <= SLOT_WAIT_MAX + Duration::from_millis(1)), "{waits:?}");
    // Those that need not wait longer than they may; the others come back later.
    let bound = slots(SLOT_WAIT_MAX + took) + SLACK;
    let count = f64::from(u32::try_from(waits.len()).unwrap());
    assert!(count >= slots(SLOT_WAIT_MAX) && count <= bound, "{count} slots, at most {bound}");
    // The budget of one endpoint is not spent by another.
    let free = take_slot(&world.worker, "another", "run", RUN_PER_SECOND).await.unwrap();
    assert_eq!(free, Some(Duration::ZERO));
    world.reconcile().await;
}

#[tokio::test]
async fn a_pause_is_made_up_for_by_a_second_at_most() {
    let world = World::new().await;
    take_slot(&world.worker, "ep", "run", RUN_PER_SECOND).await.unwrap();
    world.database.advance(Duration::from_mins(10)).await;
    let (waits, took) = granted(&world, "ep").await;
    let at_once = waits.iter().filter(|wait| wait.is_zero()).count();
    let bound = slots(Duration::from_secs(1) + took) + SLACK;
    assert!(f64::from(u32::try_from(at_once).unwrap()) <= bound, "{at_once} at once, at most {bound}");
    assert!(at_once >= 40, "{at_once} at once");
    world.reconcile().await;
}
