//! How many generations of a user are under way: counted by the database itself, whoever moves them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use devstack::attack::{self, Target};
use shared::generation::{AcceptError, Accepted, Event, admit, request_cancel};
use shared::ids::GenerationId;

use super::{World, request};

impl World {
    /// The counter, and what it must be.
    async fn open(&self) -> (i32, i64) {
        sqlx::query_as(
            "select (select runs_open from gateway.user_limit where user_id = $1),
                    (select count(*) from gateway.run
                     where user_id = $1 and stage not in ('completed', 'failed', 'cancelled'))",
        )
        .bind(self.user.0)
        .fetch_one(self.database.pool())
        .await
        .unwrap()
    }

    async fn full_at(&self) -> DateTime<Utc> {
        sqlx::query_scalar("select full_at from gateway.user_limit where user_id = $1")
            .bind(self.user.0)
            .fetch_one(self.database.pool())
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn no_more_are_under_way_than_may_be_however_many_are_asked_for_at_once() {
    let world = World { runs_open_max: 3, ..World::new().await };
    let request = request(1);
    let asked = (0..16).map(|_| world.ask(GenerationId::generate(), None, &request));
    let results = futures::future::join_all(asked).await;
    let won = results.iter().filter(|result| matches!(result, Ok(Accepted::New { .. }))).count();
    let refused =
        results.iter().filter(|result| matches!(result, Err(AcceptError::TooManyOpen { runs_open_max: 3 }))).count();
    let seen = format!("{won} accepted, {refused} refused");
    let attack = "16 generations at once where 3 may be under way";
    attack::is_met(Target::Limits, attack, "3 accepted, 13 refused", seen);
    assert_eq!(world.open().await, (3, 3));

    // What is refused for that does not count against the rate either, with pictures or without.
    let full_at = world.full_at().await;
    let wanted = world.wanting(GenerationId::generate(), None, &request, "unused");
    assert!(matches!(admit(&world.api, &wanted).await, Err(AcceptError::TooManyOpen { .. })));
    assert_eq!(world.full_at().await, full_at);
    world.reconcile().await;
}

#[tokio::test]
async fn the_count_follows_a_run_to_whatever_its_end_is() {
    let world = World::new().await;
    let (cancelled, failed, kept) = (world.accept().await, world.accept().await, world.accept().await);
    assert_eq!(world.open().await, (3, 3));
    request_cancel(&world.api, world.user, cancelled, 20).await.unwrap();
    assert_eq!(world.open().await, (2, 2));
    let leased = world.submit(failed).await;
    assert_eq!(world.open().await, (2, 2));
    world.commit(&leased, Event::DeadlinePassed).await;
    assert_eq!(world.open().await, (1, 1));
    // A repeat, late news and a cancel that comes too late change nothing.
    world.commit(&leased, Event::DeadlinePassed).await;
    request_cancel(&world.api, world.user, failed, 20).await.unwrap();
    assert_eq!(world.open().await, (1, 1));
    world.database.advance(Duration::from_secs(60)).await;
    request_cancel(&world.api, world.user, kept, 20).await.unwrap();
    assert_eq!(world.open().await, (0, 0));
    world.reconcile().await;
}

#[tokio::test]
async fn what_is_refused_for_credits_is_not_counted() {
    let world = World::with_credits(2).await;
    world.accept().await;
    let refused = world.ask(GenerationId::generate(), None, &request(2)).await;
    assert!(matches!(refused, Err(AcceptError::InsufficientCredits { .. })));
    assert_eq!(world.open().await, (1, 1));
    world.reconcile().await;
}

#[tokio::test]
async fn a_run_that_goes_with_its_user_is_counted_no_more() {
    let world = World::new().await;
    world.accept().await;
    sqlx::query("delete from gateway.run where user_id = $1")
        .bind(world.user.0)
        .execute(world.database.pool())
        .await
        .unwrap();
    assert_eq!(world.open().await, (0, 0));
    sqlx::query("delete from auth.users where id = $1")
        .bind(world.user.0)
        .execute(world.database.pool())
        .await
        .unwrap();
}
