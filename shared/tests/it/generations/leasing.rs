//! Leases, commits, settlements and lost jobs.

use std::time::Duration;

use shared::credits::Credits;
use shared::generation::lease::{self, LEASE};
use shared::generation::store::{Committed, commit};
use shared::generation::{Event, Stage, Status, lifecycle, wake};
use shared::jobs::{self, Job, Queue};
use shared::ledger;
use shared::notification::Notify;

use super::{World, output};

#[tokio::test]
async fn only_one_of_two_workers_gets_the_lease() {
    let world = World::new().await;
    let id = world.accept().await;
    let (one, two) = futures::join!(lease::for_submission(&world.worker, id), lease::for_submission(&world.worker, id));
    assert_eq!([one, two].into_iter().filter(|leased| leased.as_ref().unwrap().is_some()).count(), 1);
    world.reconcile().await;
}

#[tokio::test]
async fn a_commit_under_a_lost_lease_changes_nothing() {
    let world = World::new().await;
    let id = world.accept().await;
    let slow = world.submit(id).await;
    world.database.advance(LEASE * 2).await;
    let [taken] = &lease::stuck(&world.worker, 10).await.unwrap()[..] else { panic!("abandoned") };
    assert_eq!(taken.run.generation_id, id);
    let rejected = Event::SubmitRejected { code: "provider_rejected" };
    assert_eq!(world.commit(&slow, rejected).await, Committed::LeaseLost);
    assert_eq!((world.balance().await, world.seen(id).await.stage), (98, Some(Stage::Submitting)));
    assert_eq!(world.commit(taken, Event::SubmitUnknown).await, Committed::Written);
    world.reconcile().await;
}

#[tokio::test]
async fn a_renewed_lease_holds_and_a_lost_one_cannot_be_renewed() {
    let world = World::new().await;
    let id = world.accept().await;
    let slow = world.submit(id).await;
    let renew = || lease::renew(&world.worker, id, slow.lease_id);
    for _ in 0..4 {
        world.database.advance(LEASE * 3 / 4).await;
        assert!(renew().await.unwrap());
        assert!(lease::stuck(&world.worker, 10).await.unwrap().is_empty(), "its holder is alive");
    }
    world.database.advance(LEASE + Duration::from_secs(1)).await;
    assert_eq!(lease::stuck(&world.worker, 10).await.unwrap().len(), 1);
    assert!(!renew().await.unwrap(), "another one holds it");
    world.reconcile().await;
}

#[tokio::test]
async fn holders_that_vanish_are_counted_until_one_commits() {
    let world = World::new().await;
    let id = world.running().await;
    let mut counted = Vec::new();
    for turn in 0..5 {
        world.database.advance(Duration::from_secs(30)).await;
        let [leased] = &lease::due_for_poll(&world.worker, 10).await.unwrap()[..] else { panic!("due") };
        counted.push(leased.run.leases_lost);
        if turn == 2 {
            world.commit(leased, Event::ProviderPending).await;
        }
    }
    assert_eq!(counted, [0, 1, 2, 0, 1]);
    assert_eq!(world.seen(id).await.stage, Some(Stage::Running));
    world.reconcile().await;
}

#[tokio::test]
async fn settling_stores_outputs_and_refunds_what_is_missing_once() {
    let world = World::new().await;
    let id = world.running().await;
    world.database.advance(Duration::from_secs(30)).await;
    let [polled] = &lease::due_for_poll(&world.worker, 10).await.unwrap()[..] else { panic!("due") };
    world.commit(polled, Event::ProviderCompleted { provider_job_id: format!("job-{id}") }).await;
    let leased = lease::for_collection(&world.worker, id).await.unwrap().expect("collecting");
    let event = Event::Collected { delivered: 1, code: "unusable_output" };
    let transition = lifecycle::next(&leased.run, event, leased.now()).unwrap();
    assert_eq!(
        commit(&world.worker, &leased, &transition, &[output(&world, 1)], Notify::Nobody).await.unwrap(),
        Committed::Written
    );
    assert_eq!(
        commit(&world.worker, &leased, &transition, &[output(&world, 1)], Notify::Nobody).await.unwrap(),
        Committed::LeaseLost
    );
    let seen = world.seen(id).await;
    assert_eq!((seen.status, seen.progress, seen.refunded), (Status::Completed, 100, Credits::new(1)));
    assert_eq!((seen.output_paths, seen.links.len()), (vec![format!("{}/g/1.webp", world.user)], 1));
    assert_eq!(world.balance().await, 99);
    world.reconcile().await;
}

#[tokio::test]
async fn a_refund_happens_once_however_often_it_is_asked_for() {
    let world = World::new().await;
    let id = world.accept().await;
    let leased = world.submit(id).await;
    world.commit(&leased, Event::SubmitRejected { code: "provider_rejected" }).await;
    let mut connection = world.worker.acquire().await.unwrap();
    ledger::refund(&mut connection, world.user, id, Credits::new(2)).await.unwrap();
    assert_eq!(world.balance().await, 100);
    drop(connection);
    world.reconcile().await;
}

#[tokio::test]
async fn a_lost_job_is_replaced_but_a_live_one_is_not_doubled() {
    let world = World::new().await;
    let id = world.accept().await;
    world.database.advance(Duration::from_secs(60)).await;
    assert_eq!(wake::wake_sleeping(&world.worker, 10).await.unwrap(), 0, "its job is alive");
    sqlx::query("delete from apalis.jobs").execute(world.database.pool()).await.unwrap();
    assert_eq!(wake::wake_sleeping(&world.worker, 10).await.unwrap(), 1);
    assert_eq!(wake::wake_sleeping(&world.worker, 10).await.unwrap(), 0, "woken once");
    assert_eq!(jobs::take_due(&world.worker, Queue::Submit, 10).await.unwrap(), [Job::Generation(id)]);
    world.reconcile().await;
}
