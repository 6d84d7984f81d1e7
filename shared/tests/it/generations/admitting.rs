//! Admitting: the cheap questions before pictures are worked on. It charges the limit and writes nothing else.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::generation::output::StoredOutput;
use shared::generation::store::commit;
use shared::generation::{AcceptError, Accepted, Event, NewGeneration, accept, admit, lease, lifecycle};
use shared::ids::{GenerationId, UserId};
use shared::notification::Notify;
use shared::workflow::Request;
use uuid::Uuid;

use super::{World, output, request};
use crate::people::{rows, run, sign_up};

/// All that accepting writes, and all that admitting must leave alone. The limit is the exception.
const TABLES: [&str; 9] = [
    "public.generations",
    "public.credits",
    "public.credit_transactions",
    "gateway.run",
    "gateway.output",
    "gateway.attempt",
    "gateway.event",
    "gateway.idempotency_key",
    "apalis.jobs",
];

impl World {
    async fn admit(&self, key: Option<&str>, request: &Request) -> Result<Option<Accepted>, AcceptError> {
        admit(&self.api, &self.wanting(GenerationId::generate(), key, request, "unused")).await
    }

    /// Accepts what has been admitted.
    async fn accept_admitted(&self, key: Option<&str>, request: &Request) -> Result<Accepted, AcceptError> {
        let new = self.wanting(GenerationId::generate(), key, request, "accepted");
        accept(&self.api, &NewGeneration { admitted: true, ..new }).await
    }

    async fn written(&self) -> Vec<Value> {
        let mut written = Vec::new();
        for table in TABLES {
            written.push(rows(self.database.pool(), table).await);
        }
        written
    }

    /// The same, where a request is charged for half a minute: what comes back while a test runs does not count.
    fn slow(self) -> Self {
        Self { rate: 2, ..self }
    }

    /// How much of the minute's allowance is used up, in requests.
    async fn charged(&self) -> i64 {
        let full_at: Option<DateTime<Utc>> =
            sqlx::query_scalar("select full_at from gateway.user_limit where user_id = $1")
                .bind(self.user.0)
                .fetch_optional(self.database.pool())
                .await
                .unwrap();
        let now: DateTime<Utc> =
            sqlx::query_scalar("select gateway.now()").fetch_one(self.database.pool()).await.unwrap();
        let step = 60_000 / i64::from(self.rate);
        full_at.map_or(0, |full_at| ((full_at - now).num_milliseconds() + step - 1).max(0) / step)
    }

    /// A finished generation of hers, and the storage path of its one output.
    async fn delivered(&self) -> (GenerationId, String) {
        let id = self.running().await;
        self.database.advance(Duration::from_secs(60)).await;
        let leased = lease::due_for_poll(&self.worker, 1).await.unwrap().pop().unwrap();
        self.commit(&leased, Event::ProviderCompleted { provider_job_id: format!("job-{id}") }).await;
        let leased = lease::for_collection(&self.worker, id).await.unwrap().unwrap();
        let event = Event::Collected { delivered: 1, code: "no_output" };
        let transition = lifecycle::next(&leased.run, event, leased.now()).unwrap();
        let path = format!("{}/{id}/1.webp", self.user);
        let stored = StoredOutput { path: path.clone(), ..output(self, 1) };
        commit(&self.worker, &leased, &transition, &[stored], Notify::Nobody).await.unwrap();
        (id, path)
    }
}

/// A clip of these storage paths.
fn clip(paths: &[String], user: UserId) -> Request {
    let body = json!({
        "workflow_type": "video",
        "input_data": {"input_images": paths, "duration": 2, "transition": "fade"},
    });
    Request::parse(&body).unwrap().for_user(user).unwrap()
}

#[tokio::test]
async fn the_limit_is_charged_once_and_nothing_else_is_written_before_it_is_accepted() {
    let world = World::new().await.slow();
    let request = clip(&[format!("{}/uploads/a.png", world.user)], world.user);
    let before = world.written().await;
    assert_eq!(world.admit(Some("k"), &request).await.unwrap(), None);
    assert_eq!(world.written().await, before);
    assert_eq!((world.charged().await, world.balance().await), (1, 100));
    assert!(matches!(world.accept_admitted(Some("k"), &request).await.unwrap(), Accepted::New { .. }));
    assert_eq!((world.charged().await, world.balance().await), (1, 95));
    world.reconcile().await;
}

#[tokio::test]
async fn each_refusal_is_told_and_takes_nothing() {
    let world = World::with_credits(1).await.slow();
    let before = world.written().await;
    let poor = world.admit(Some("k"), &request(2)).await;
    assert!(
        matches!(poor, Err(AcceptError::InsufficientCredits { price, balance }) if (price.get(), balance.get()) == (2, 1))
    );
    assert_eq!((world.charged().await, world.written().await), (1, before), "it counts, and takes nothing");

    let mut foreign = request(1);
    foreign.project_id = Some(Uuid::new_v4());
    assert!(matches!(world.admit(None, &foreign).await, Err(AcceptError::ProjectNotFound)));
    let other = sign_up(world.database.pool(), "grace@example.com").await;
    run(world.database.pool(), &format!("insert into public.projects (user_id, name) values ('{other}', 'Theirs')"))
        .await;
    let theirs: Uuid = crate::people::value(world.database.pool(), "select id from public.projects").await;
    foreign.project_id = Some(theirs);
    let before = world.written().await;
    assert!(matches!(world.admit(None, &foreign).await, Err(AcceptError::ProjectNotFound)));
    assert_eq!((world.charged().await, world.written().await), (1, before), "what is not there does not count");

    let gone = World { user: UserId(Uuid::new_v4()), ..world };
    assert!(matches!(gone.admit(None, &request(1)).await, Err(AcceptError::NoProfile)));
    assert_eq!(gone.charged().await, 0);
    gone.reconcile().await;
}

#[tokio::test]
async fn her_own_project_is_no_hindrance() {
    let world = World::new().await;
    let statement = format!("insert into public.projects (user_id, name) values ('{}', 'Mine')", world.user);
    run(world.database.pool(), &statement).await;
    let mut mine = request(1);
    mine.project_id = Some(crate::people::value(world.database.pool(), "select id from public.projects").await);
    assert_eq!(world.admit(None, &mine).await.unwrap(), None);
    world.reconcile().await;
}

#[tokio::test]
async fn the_rate_is_the_same_as_that_of_accepting_and_is_shared_with_it() {
    let world = World::new().await;
    let request = request(1);
    for _ in 0..30 {
        world.ask(GenerationId::generate(), None, &request).await.unwrap();
    }
    let results = futures::future::join_all((0..40).map(|_| world.admit(None, &request))).await;
    let admitted = results.iter().filter(|result| matches!(result, Ok(None))).count();
    // As much as is left of 60, and one more for every second that all of it took.
    assert!((30..=36).contains(&admitted), "{admitted}");
    let Some(AcceptError::RateLimited { allowance }) = results.into_iter().find_map(Result::err) else {
        panic!("the rest is refused for its rate")
    };
    assert!(allowance.next_in() <= Duration::from_secs(2), "{allowance:?}");
    let limited = world.ask(GenerationId::generate(), None, &request).await;
    assert!(matches!(limited, Err(AcceptError::RateLimited { .. })));
    world.database.advance(Duration::from_secs(2)).await;
    assert_eq!(world.admit(None, &request).await.unwrap(), None);
    world.reconcile().await;
}

#[tokio::test]
async fn what_was_admitted_is_not_refused_for_its_rate_while_others_use_it_up() {
    let world = World::new().await;
    let request = request(1);
    assert_eq!(world.admit(None, &request).await.unwrap(), None);
    // Two statements at once may see each other's limit a little in the future.
    run(world.database.pool(), "update gateway.user_limit set full_at = gateway.now() + interval '61 seconds'").await;
    assert!(matches!(world.accept_admitted(None, &request).await.unwrap(), Accepted::New { .. }));
    assert!(matches!(world.admit(None, &request).await, Err(AcceptError::RateLimited { .. })));
    world.reconcile().await;
}

#[tokio::test]
async fn a_key_that_is_known_is_answered_without_any_charge() {
    let world = World::with_credits(2).await.slow();
    let id = GenerationId::generate();
    assert!(matches!(world.ask(id, Some("k"), &request(2)).await.unwrap(), Accepted::New { .. }));
    let before = world.written().await;
    let replay = world.admit(Some("k"), &request(2)).await.unwrap();
    assert_eq!(replay, Some(Accepted::Replayed { response: format!("answer for {id}") }));
    assert!(matches!(world.admit(Some("k"), &request(1)).await, Err(AcceptError::KeyReused)));
    assert_eq!((world.charged().await, world.written().await), (1, before));
    // Somebody else's key of that name, and hers after a day, are none.
    let other = UserId(sign_up(world.database.pool(), "grace@example.com").await);
    let other = World { api: world.api.clone(), worker: world.worker.clone(), user: other, ..world };
    assert_eq!(other.admit(Some("k"), &request(1)).await.unwrap(), None);
    other.reconcile().await;
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let world = World::new().await;
    world.ask(GenerationId::generate(), Some("k"), &request(2)).await.unwrap();
    world.database.advance(Duration::from_secs(24 * 60 * 60 + 1)).await;
    assert_eq!(world.admit(Some("k"), &request(1)).await.unwrap(), None);
    assert!(matches!(world.accept_admitted(Some("k"), &request(1)).await.unwrap(), Accepted::New { .. }));
    world.reconcile().await;
}

#[tokio::test]
async fn of_two_admitted_under_one_key_one_is_accepted_and_the_other_gets_its_answer() {
    let world = World::with_credits(2).await;
    let request = request(2);
    let admitted = futures::join!(world.admit(Some("k"), &request), world.admit(Some("k"), &request));
    assert_eq!((admitted.0.unwrap(), admitted.1.unwrap()), (None, None));
    let accepted =
        futures::join!(world.accept_admitted(Some("k"), &request), world.accept_admitted(Some("k"), &request));
    let mut answers = [accepted.0.unwrap(), accepted.1.unwrap()];
    answers.sort_by_key(|answer| matches!(answer, Accepted::Replayed { .. }));
    assert!(matches!(answers[0], Accepted::New { .. }));
    assert_eq!(answers[1], Accepted::Replayed { response: "accepted".to_owned() });
    assert_eq!(world.balance().await, 0);
    world.reconcile().await;
}

#[tokio::test]
async fn of_two_admitted_for_the_last_credits_one_is_accepted() {
    // Room for a third: of two at once, the one that began first may find the window fuller by the instant between them.
    let world = World { rate: 3, ..World::with_credits(2).await };
    let request = request(2);
    let admitted = futures::join!(world.admit(None, &request), world.admit(None, &request));
    assert_eq!((admitted.0.unwrap(), admitted.1.unwrap(), world.charged().await), (None, None, 2));
    let accepted = futures::join!(world.accept_admitted(None, &request), world.accept_admitted(None, &request));
    let answers = [accepted.0, accepted.1];
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(Accepted::New { .. }))).count(), 1, "{answers:?}");
    let poor = |answer: &&Result<_, _>| matches!(answer, Err(AcceptError::InsufficientCredits { .. }));
    assert_eq!(answers.iter().filter(poor).count(), 1, "{answers:?}");
    assert_eq!((world.balance().await, world.charged().await), (0, 2));
    world.reconcile().await;
}

#[tokio::test]
async fn only_outputs_of_her_own_that_are_there_may_serve_as_pictures() {
    let world = World::new().await;
    let (id, path) = world.delivered().await;
    assert_eq!(world.admit(None, &clip(std::slice::from_ref(&path), world.user)).await.unwrap(), None);

    let absent = [
        format!("{}/{id}/2.webp", world.user),
        format!("{}/{id}/1.png", world.user),
        format!("{}/{}/1.webp", world.user, Uuid::new_v4()),
        // The same generation, spelt as no path of ours is.
        format!("{}/{}/1.webp", world.user, id.0.simple()),
    ];
    let upload = format!("{}/uploads/a.png", world.user);
    let given = [&[path.clone(), upload][..], &absent, &absent[..1]].concat();
    let before = world.written().await;
    let refused = world.admit(None, &clip(&given, world.user)).await;
    let Err(AcceptError::NoSuchOutput { pointers }) = refused else { panic!("{refused:?}") };
    let expected: Vec<_> = (2..7).map(|index| format!("/input_data/input_images/{index}")).collect();
    assert_eq!(pointers, expected);
    assert_eq!(world.written().await, before);

    // Another user who knows the path: it is refused before, by its folder; and here, if it were not.
    let other = UserId(sign_up(world.database.pool(), "grace@example.com").await);
    let stolen = clip(&[path.replace(&world.user.to_string(), &other.to_string())], other);
    let other = World { user: other, ..world };
    assert!(matches!(other.admit(None, &stolen).await, Err(AcceptError::NoSuchOutput { .. })));
    other.reconcile().await;
}
