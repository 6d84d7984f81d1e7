//! Accepting: money, keys and limits under contention.

use std::time::Duration;

use shared::credits::Credits;
use shared::generation::{AcceptError, Accepted, Stage, Status};
use shared::ids::{GenerationId, UserId};
use shared::jobs::{self, Job, Queue};

use super::{World, request};

#[tokio::test]
async fn accepting_takes_the_price_and_leaves_everything_that_follows_from_it() {
    let world = World::new().await;
    let id = world.accept().await;
    let seen = world.seen(id).await;
    assert_eq!((seen.status, seen.stage, seen.progress), (Status::Processing, Some(Stage::Queued), 0));
    assert_eq!((seen.price, seen.refunded), (Some(Credits::new(2)), Credits::ZERO));
    assert_eq!(world.balance().await, 98);
    assert_eq!(jobs::take_due(&world.worker, Queue::Submit, 10).await.unwrap(), [Job::Generation(id)]);
    world.reconcile().await;
}

#[tokio::test]
async fn of_many_requests_for_the_last_credits_exactly_the_affordable_ones_win() {
    let world = World::with_credits(7).await;
    let request = request(2);
    let results = futures::future::join_all((0..12).map(|_| world.ask(GenerationId::generate(), None, &request))).await;
    let won = results.iter().filter(|result| matches!(result, Ok(Accepted::New { .. }))).count();
    let poor = results
        .iter()
        .filter(|result| matches!(result, Err(AcceptError::InsufficientCredits { price, .. }) if price.get() == 2))
        .count();
    assert_eq!((won, poor, world.balance().await), (3, 9, 1));
    world.reconcile().await;
}

#[tokio::test]
async fn a_repeated_key_replays_the_first_answer_and_charges_once() {
    let world = World::new().await;
    let first = GenerationId::generate();
    assert!(matches!(world.ask(first, Some("k1"), &request(2)).await.unwrap(), Accepted::New { .. }));
    let replay = world.ask(GenerationId::generate(), Some("k1"), &request(2)).await.unwrap();
    assert_eq!(replay, Accepted::Replayed { response: format!("answer for {first}") });
    let other = world.ask(GenerationId::generate(), Some("k1"), &request(1)).await;
    assert!(matches!(other, Err(AcceptError::KeyReused)));
    assert_eq!(world.balance().await, 98);
    world.reconcile().await;
}

#[tokio::test]
async fn concurrent_duplicates_of_one_key_charge_once_and_all_get_the_same_answer() {
    let world = World::new().await;
    let request = request(2);
    let results =
        futures::future::join_all((0..16).map(|_| world.ask(GenerationId::generate(), Some("k"), &request))).await;
    let mut answers: Vec<_> = results.iter().map(|result| result.as_ref().unwrap()).collect();
    answers.sort_by_key(|answer| matches!(answer, Accepted::Replayed { .. }));
    assert_eq!(answers.iter().filter(|answer| matches!(**answer, Accepted::New { .. })).count(), 1);
    answers.dedup();
    assert_eq!(answers.len(), 2, "one new, fifteen equal replays: {answers:?}");
    assert_eq!(world.balance().await, 98);
    world.reconcile().await;
}

#[tokio::test]
async fn a_duplicate_that_could_not_be_paid_for_again_still_gets_the_first_answer() {
    let world = World::with_credits(2).await;
    let request = request(2);
    let results =
        futures::future::join_all((0..8).map(|_| world.ask(GenerationId::generate(), Some("k"), &request))).await;
    let new = results.iter().filter(|result| matches!(result, Ok(Accepted::New { .. }))).count();
    let replayed = results.iter().filter(|result| matches!(result, Ok(Accepted::Replayed { .. }))).count();
    assert_eq!((new, replayed, world.balance().await), (1, 7, 0), "{results:?}");
    world.reconcile().await;
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let world = World::new().await;
    world.ask(GenerationId::generate(), Some("k"), &request(2)).await.unwrap();
    world.database.advance(Duration::from_secs(24 * 60 * 60 + 1)).await;
    assert!(matches!(world.ask(GenerationId::generate(), Some("k"), &request(1)).await.unwrap(), Accepted::New { .. }));
    assert_eq!(world.balance().await, 97);
    world.reconcile().await;
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let world = World::with_credits(1).await;
    let refused = world.ask(GenerationId::generate(), Some("k"), &request(2)).await;
    assert!(matches!(refused, Err(AcceptError::InsufficientCredits { .. })));
    assert!(matches!(world.ask(GenerationId::generate(), Some("k"), &request(1)).await.unwrap(), Accepted::New { .. }));
    world.reconcile().await;
}

#[tokio::test]
async fn the_rate_is_exact_and_comes_back_with_time() {
    let world = World::new().await;
    let request = request(1);
    let results = futures::future::join_all((0..70).map(|_| world.ask(GenerationId::generate(), None, &request))).await;
    let won = results.iter().filter(|result| result.is_ok()).count();
    // 60 at once, and one more for every second the burst itself took.
    assert!((60..=63).contains(&won), "{won}");
    let Some(AcceptError::RateLimited { allowance }) = results.into_iter().find_map(Result::err) else {
        panic!("the rest is refused for its rate")
    };
    assert!(allowance.next_in() <= Duration::from_secs(2), "{allowance:?}");
    world.database.advance(Duration::from_secs(10)).await;
    assert!(matches!(world.ask(GenerationId::generate(), None, &request).await.unwrap(), Accepted::New { .. }));
    world.reconcile().await;
}

#[tokio::test]
async fn a_refusal_for_credits_counts_against_the_rate() {
    let world = World::with_credits(0).await;
    let request = request(1);
    let mut limited = false;
    for _ in 0..70 {
        limited |=
            matches!(world.ask(GenerationId::generate(), None, &request).await, Err(AcceptError::RateLimited { .. }));
    }
    assert!(limited);
    world.reconcile().await;
}

#[tokio::test]
async fn a_stranger_s_project_and_a_vanished_user_are_refused() {
    let world = World::new().await;
    let mut foreign = request(1);
    foreign.project_id = Some(uuid::Uuid::new_v4());
    let refused = world.ask(GenerationId::generate(), None, &foreign).await;
    assert!(matches!(refused, Err(AcceptError::ProjectNotFound)));
    let gone = World { user: UserId(uuid::Uuid::new_v4()), ..world };
    assert!(matches!(gone.ask(GenerationId::generate(), None, &request(1)).await, Err(AcceptError::NoProfile)));
    gone.reconcile().await;
}
