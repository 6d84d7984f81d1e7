//! Accepting, leasing, committing and cancelling on a real database, as the services' own roles.

use std::time::Duration;

use devstack::postgres::TestDatabase;
use serde_json::json;
use shared::credits::Credits;
use shared::generation::lease::{self, LEASE, Leased};
use shared::generation::store::{Committed, StoredOutput, commit};
use shared::generation::webhook_url::WebhookRef;
use shared::generation::{
    AcceptError, Accepted, Event, Generation, NewGeneration, Noted, Stage, Status, accept, attempt, find, lifecycle,
    list, note_webhook, request_cancel, wake,
};
use shared::ids::{GenerationId, UserId};
use shared::jobs::{self, Queue};
use shared::ledger;
use shared::workflow::Request;
use sqlx::PgPool;

use crate::people::sign_up;

struct World {
    database: TestDatabase,
    api: PgPool,
    worker: PgPool,
    user: UserId,
}

impl World {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let user = UserId(sign_up(database.pool(), "ada@example.com").await);
        Self { api: database.api_pool(), worker: database.worker_pool(), user, database }
    }

    async fn with_credits(credits: i32) -> Self {
        let world = Self::new().await;
        let spend = credits - ledger::balance(&world.api, world.user).await.unwrap().get();
        sqlx::query(
            "insert into credit_transactions (user_id, amount, transaction_type) values ($1, $2, 'adjustment')",
        )
        .bind(world.user.0)
        .bind(spend)
        .execute(world.database.pool())
        .await
        .unwrap();
        sqlx::query("update credits set balance = $2 where user_id = $1")
            .bind(world.user.0)
            .bind(credits)
            .execute(world.database.pool())
            .await
            .unwrap();
        world
    }

    async fn accept(&self) -> GenerationId {
        let id = GenerationId::generate();
        assert_eq!(self.ask(id, None, &request(2)).await.unwrap(), Accepted::New);
        id
    }

    async fn ask(&self, id: GenerationId, key: Option<&str>, request: &Request) -> Result<Accepted, AcceptError> {
        let response = format!("answer for {id}");
        let new = NewGeneration {
            id,
            user_id: self.user,
            request,
            seed: 7,
            request_id: "request-1",
            key,
            response: &response,
            rate_per_minute: 60,
            endpoint: "ep",
        };
        accept(&self.api, &new).await
    }

    async fn seen(&self, id: GenerationId) -> Generation {
        find(&self.api, self.user, id).await.unwrap().expect("hers")
    }

    async fn submit(&self, id: GenerationId) -> Leased {
        lease::for_submission(&self.worker, id).await.unwrap().expect("queued and due")
    }

    async fn commit(&self, leased: &Leased, event: Event) -> Committed {
        let transition = lifecycle::next(&leased.run, event, leased.now()).unwrap();
        commit(&self.worker, leased, &transition, &[]).await.unwrap()
    }

    /// Brings a fresh generation into the provider's hands.
    async fn running(&self) -> GenerationId {
        let id = self.accept().await;
        let leased = self.submit(id).await;
        self.commit(&leased, Event::Submitted { provider_job_id: format!("job-{id}"), webhooks: true }).await;
        id
    }

    async fn balance(&self) -> i32 {
        ledger::balance(&self.api, self.user).await.unwrap().get()
    }

    async fn reconcile(self) {
        assert_eq!(ledger::reconcile(&self.worker).await.unwrap(), vec![]);
    }
}

fn request(outputs: u8) -> Request {
    Request::parse(&json!({
        "workflow_type": "model",
        "input_data": {"gender": "female", "pose": "standing", "age_range": "25-35", "ethnicity": "mixed"},
        "settings": {"output_count": outputs},
    }))
    .unwrap()
}

fn output(n: i16) -> StoredOutput {
    let link = None;
    StoredOutput { n, path: format!("u/g/{n}.webp"), format: "webp".into(), width: 8, height: 8, size_bytes: 64, link }
}

#[tokio::test]
async fn accepting_takes_the_price_and_leaves_everything_that_follows_from_it() {
    let world = World::new().await;
    let id = world.accept().await;
    let seen = world.seen(id).await;
    assert_eq!((seen.status, seen.stage, seen.progress), (Status::Processing, Some(Stage::Queued), 0));
    assert_eq!((seen.price, seen.refunded), (Some(Credits::new(2)), Credits::ZERO));
    assert_eq!(world.balance().await, 98);
    assert_eq!(jobs::take_due(&world.worker, Queue::Submit, 10).await.unwrap(), [id]);
    world.reconcile().await;
}

#[tokio::test]
async fn of_many_requests_for_the_last_credits_exactly_the_affordable_ones_win() {
    let world = World::with_credits(7).await;
    let request = request(2);
    let results = futures::future::join_all((0..12).map(|_| world.ask(GenerationId::generate(), None, &request))).await;
    let won = results.iter().filter(|result| matches!(result, Ok(Accepted::New))).count();
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
    assert_eq!(world.ask(first, Some("k1"), &request(2)).await.unwrap(), Accepted::New);
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
    assert_eq!(answers.iter().filter(|answer| ***answer == Accepted::New).count(), 1);
    answers.dedup();
    assert_eq!(answers.len(), 2, "one new, fifteen equal replays: {answers:?}");
    assert_eq!(world.balance().await, 98);
    world.reconcile().await;
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let world = World::new().await;
    world.ask(GenerationId::generate(), Some("k"), &request(2)).await.unwrap();
    world.database.advance(Duration::from_secs(24 * 60 * 60 + 1)).await;
    assert_eq!(world.ask(GenerationId::generate(), Some("k"), &request(1)).await.unwrap(), Accepted::New);
    assert_eq!(world.balance().await, 97);
    world.reconcile().await;
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let world = World::with_credits(1).await;
    let refused = world.ask(GenerationId::generate(), Some("k"), &request(2)).await;
    assert!(matches!(refused, Err(AcceptError::InsufficientCredits { .. })));
    assert_eq!(world.ask(GenerationId::generate(), Some("k"), &request(1)).await.unwrap(), Accepted::New);
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
    let Some(AcceptError::RateLimited { retry_after }) = results.into_iter().find_map(Result::err) else {
        panic!("the rest is refused for its rate")
    };
    assert!(retry_after <= Duration::from_secs(2), "{retry_after:?}");
    world.database.advance(Duration::from_secs(10)).await;
    assert_eq!(world.ask(GenerationId::generate(), None, &request).await.unwrap(), Accepted::New);
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
async fn settling_stores_outputs_and_refunds_what_is_missing_once() {
    let world = World::new().await;
    let id = world.running().await;
    world.database.advance(Duration::from_secs(30)).await;
    let [polled] = &lease::due_for_poll(&world.worker, 10).await.unwrap()[..] else { panic!("due") };
    world.commit(polled, Event::ProviderCompleted { provider_job_id: format!("job-{id}") }).await;
    let leased = lease::for_collection(&world.worker, id).await.unwrap().expect("collecting");
    let event = Event::Collected { delivered: 1, code: "unusable_output" };
    let transition = lifecycle::next(&leased.run, event, leased.now()).unwrap();
    assert_eq!(commit(&world.worker, &leased, &transition, &[output(1)]).await.unwrap(), Committed::Written);
    assert_eq!(commit(&world.worker, &leased, &transition, &[output(1)]).await.unwrap(), Committed::LeaseLost);
    let seen = world.seen(id).await;
    assert_eq!((seen.status, seen.progress, seen.refunded), (Status::Completed, 100, Credits::new(1)));
    assert_eq!((seen.output_paths, seen.links.len()), (vec!["u/g/1.webp".to_owned()], 1));
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
async fn cancelling_what_is_queued_refunds_at_once_and_may_be_repeated() {
    let world = World::new().await;
    let id = world.accept().await;
    for _ in 0..2 {
        let seen = request_cancel(&world.api, world.user, id).await.unwrap().expect("hers");
        assert_eq!((seen.stage, seen.status), (Some(Stage::Cancelled), Status::Failed));
        assert_eq!(seen.error_code.as_deref(), Some("cancelled"));
    }
    assert_eq!(world.balance().await, 100);
    assert!(lease::for_submission(&world.worker, id).await.unwrap().is_none());
    let stranger = UserId(uuid::Uuid::new_v4());
    assert!(request_cancel(&world.api, stranger, id).await.unwrap().is_none());
    world.reconcile().await;
}

#[tokio::test]
async fn cancelling_what_a_worker_holds_leaves_it_to_the_worker() {
    let world = World::new().await;
    let id = world.accept().await;
    let leased = world.submit(id).await;
    let seen = request_cancel(&world.api, world.user, id).await.unwrap().expect("hers");
    assert_eq!(seen.stage, Some(Stage::Submitting));
    world.commit(&leased, Event::Submitted { provider_job_id: "job".into(), webhooks: true }).await;
    // The wish came while the lease was held; the commit does not overwrite its ring.
    let [rung] = &lease::due_for_poll(&world.worker, 10).await.unwrap()[..] else { panic!("rung for") };
    assert!(rung.run.cancel_requested_at.is_some());
    world.commit(rung, Event::CancelRequested).await;
    assert_eq!((world.seen(id).await.stage, world.balance().await), (Some(Stage::Cancelled), 100));
    world.reconcile().await;
}

#[tokio::test]
async fn a_webhook_brings_the_id_of_a_lost_answer_and_rings() {
    let world = World::new().await;
    let id = world.accept().await;
    let leased = world.submit(id).await;
    world.commit(&leased, Event::SubmitUnknown).await;
    assert!(lease::due_for_poll(&world.worker, 10).await.unwrap().is_empty());
    let link = WebhookRef { generation_id: id, attempt: 1, expires_at: leased.run.deadline_at };
    let noted = note_webhook(&world.api, &link, Some("job-9")).await.unwrap();
    assert_eq!(noted, Noted::Noted { request_id: "request-1".into() });
    assert_eq!(lease::due_for_poll(&world.worker, 10).await.unwrap().len(), 1);
    let open = attempt::list_open(&world.worker, id).await.unwrap();
    assert_eq!(open[0].provider_job_id.as_str(), "job-9");
    // A forged second id does not replace the first.
    note_webhook(&world.api, &link, Some("job-10")).await.unwrap();
    assert_eq!(attempt::list_open(&world.worker, id).await.unwrap(), open);
    world.reconcile().await;
}

#[tokio::test]
async fn an_expired_webhook_or_one_of_an_attempt_never_made_changes_nothing() {
    let world = World::new().await;
    let id = world.running().await;
    let deadline = lease_deadline(&world, id).await;
    for (attempt, expires_at) in [(2, deadline), (1, deadline - chrono::TimeDelta::hours(1))] {
        let link = WebhookRef { generation_id: id, attempt, expires_at };
        assert_eq!(note_webhook(&world.api, &link, Some("job")).await.unwrap(), Noted::Refused);
    }
    assert!(lease::due_for_poll(&world.worker, 10).await.unwrap().is_empty());
    world.reconcile().await;
}

async fn lease_deadline(world: &World, id: GenerationId) -> chrono::DateTime<chrono::Utc> {
    sqlx::query_scalar("select deadline_at from gateway.run where generation_id = $1")
        .bind(id.0)
        .fetch_one(world.database.pool())
        .await
        .unwrap()
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
    assert_eq!(jobs::take_due(&world.worker, Queue::Submit, 10).await.unwrap(), [id]);
    world.reconcile().await;
}

#[tokio::test]
async fn a_page_is_newest_first_and_the_next_one_begins_where_it_ended() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.accept().await);
    }
    ids.reverse();
    let first = list(&world.api, world.user, None, 2).await.unwrap();
    assert_eq!(first.iter().map(|one| one.id).collect::<Vec<_>>(), ids[..2]);
    let last = first.last().unwrap();
    let second = list(&world.api, world.user, Some((last.created_at, last.id.0)), 2).await.unwrap();
    assert_eq!(second.iter().map(|one| one.id).collect::<Vec<_>>(), ids[2..]);
    assert!(list(&world.api, UserId(uuid::Uuid::new_v4()), None, 2).await.unwrap().is_empty());
    world.reconcile().await;
}
