//! A thousand repeats at once, over two processes of which one dies: every key is charged once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use devstack::attack::{self, Target};
use devstack::builders::model;
use futures::StreamExt;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::sync::Notify;
use url::Url;

use crate::harness::{Answered, Stack, User, WELCOME};

const KEYS: usize = 50;
const REPEATS: usize = 20;
/// Every so many repeats one asks for something else under the same key.
const CONFLICT_EVERY: usize = 4;
const AT_ONCE: usize = 32;
/// One of the processes is killed after so many answers.
const KILLED_AFTER: usize = 300;
/// How often a request is sent again after its connection broke.
const TRIES_MAX: usize = 50;
/// Longest wait for the database to get where a test wants it.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const SETTINGS: [(&str, &str); 2] = [("GENERATE_RATE_PER_MINUTE", "6000"), ("GENERATIONS_OPEN_MAX", "1000")];

/// What was asked under a key, and what came of it.
struct Told {
    key: usize,
    outputs: i64,
    status: StatusCode,
    body: String,
}

/// Who asks, and where.
struct Asker {
    client: Client,
    token: String,
    processes: [Url; 2],
    answers: AtomicUsize,
    /// Rings when enough was answered for one process to be killed.
    enough: Notify,
}

impl Asker {
    /// Asks the `n`-th time: at one process, and at the other if that breaks off.
    async fn ask(&self, n: usize) -> Told {
        let (key, repeat) = (n % KEYS, n / KEYS);
        let outputs = if repeat % CONFLICT_EVERY == 1 { 2 } else { 1 };
        let request = model().outputs(outputs).build();
        for attempt in 0..TRIES_MAX {
            let url = self.processes[(n + attempt) % 2].join("/api/v1/generate").unwrap();
            let asked = self.client.post(url).bearer_auth(&self.token).header("Idempotency-Key", format!("key-{key}"));
            let Ok(answer) = asked.json(&request).send().await else { continue };
            let status = answer.status();
            let Ok(body) = answer.text().await else { continue };
            if self.answers.fetch_add(1, Ordering::SeqCst) == KILLED_AFTER {
                self.enough.notify_one();
            }
            return Told { key, outputs, status, body };
        }
        panic!("no process answered request {n}");
    }
}

async fn number(stack: &Stack, query: &'static str, user: &User) -> i64 {
    sqlx::query_scalar(query).bind(user.id).fetch_one(stack.database.pool()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_repeats_over_two_processes_are_charged_once_a_key_while_one_is_killed() {
    let stack = Stack::with(&SETTINGS).await;
    let user = stack.sign_up().await;
    let (mut dying, surviving) = (stack.process(&[]).await, stack.process(&[]).await);
    let asker = Arc::new(Asker {
        client: Client::builder().timeout(Duration::from_secs(60)).build().unwrap(),
        token: stack.issuer.token(user.id),
        processes: [dying.base.clone(), surviving.base.clone()],
        answers: AtomicUsize::new(0),
        enough: Notify::new(),
    });
    let asking = futures::stream::iter((0..KEYS * REPEATS).map(|n| {
        let asker = Arc::clone(&asker);
        async move { asker.ask(n).await }
    }));
    let killing = async {
        asker.enough.notified().await;
        dying.kill();
    };
    let (told, ()) = tokio::join!(asking.buffer_unordered(AT_ONCE).collect::<Vec<_>>(), killing);

    let charged = one_answer_a_key(&told);
    let generations = number(&stack, "select count(*) from public.generations where user_id = $1", &user).await;
    let charges =
        "select count(*) from public.credit_transactions where user_id = $1 and transaction_type = 'generation'";
    let seen = format!("{} charges, {generations} generations", number(&stack, charges, &user).await);
    let attack = format!("{} repeats and conflicts under {KEYS} keys, one of two processes killed", told.len());
    attack::is_met(Target::Payment, attack, format!("{KEYS} charges, {KEYS} generations"), seen);
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - charged);
    assert_eq!(stack.count("jobs").await, generations);
    stack.finish().await;
}

/// Holds that each key has one accepted request, answered alike to the byte, and that all others were refused as what they
/// are. Returns what all of it costs.
fn one_answer_a_key(told: &[Told]) -> i64 {
    let mut accepted: BTreeMap<usize, BTreeSet<(i64, &str)>> = BTreeMap::new();
    for told in told.iter().filter(|told| told.status == 202) {
        accepted.entry(told.key).or_default().insert((told.outputs, &told.body));
    }
    let different = accepted.values().filter(|answers| answers.len() != 1).count();
    attack::is_met(
        Target::Payment,
        "answers to repeats of one key, compared by their bytes",
        "0 keys differ",
        format!("{different} keys differ"),
    );
    assert_eq!(accepted.len(), KEYS);
    let winners: BTreeMap<_, _> = accepted.iter().map(|(key, answers)| (*key, answers.first().unwrap().0)).collect();
    let (mut conflicts, mut refused_so) = (0, 0);
    for told in told.iter().filter(|told| told.outputs != winners[&told.key]) {
        let body: Value = serde_json::from_str(&told.body).unwrap();
        conflicts += 1;
        refused_so += usize::from(told.status == 422 && body["code"] == "idempotency-key-reused");
    }
    attack::is_met(
        Target::Payment,
        "another request under a key that is taken",
        format!("{conflicts} times 422"),
        format!("{refused_so} times 422"),
    );
    let like_the_winner = told.iter().filter(|told| told.outputs == winners[&told.key]);
    let unanswered = like_the_winner.filter(|told| told.status != 202).count();
    attack::is_met(Target::Payment, "repeats that are answered otherwise than with 202", 0, unanswered);
    winners.values().sum()
}

/// Waits until a query of the superuser's says yes.
async fn until(stack: &Stack, question: &'static str) {
    let begun = Instant::now();
    while !sqlx::query_scalar::<_, bool>(question).fetch_one(stack.database.pool()).await.unwrap() {
        assert!(begun.elapsed() < PATIENCE, "never: {question}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The database goes on with what it was asked, whether or not there is anybody left to hear of it.
#[tokio::test]
async fn what_was_charged_by_a_process_that_died_before_it_answered_is_answered_by_another() {
    let stack = Stack::start().await;
    let mut dying = stack.process(&[]).await;
    let user = stack.sign_up().await;
    user.client.generate(&model().build()).await.unwrap().answered(202);
    let at_the_dying = devstack::client::Client::new(dying.base.clone(), Some(stack.issuer.token(user.id))).unwrap();

    let mut held = stack.database.pool().begin().await.unwrap();
    sqlx::query("select from gateway.user_limit for update").execute(&mut *held).await.unwrap();
    let asked = tokio::spawn(async move { at_the_dying.generate_once("order-1", &model().build()).await });
    until(
        &stack,
        "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')",
    )
    .await;
    dying.kill();
    assert!(asked.await.unwrap().is_err(), "nobody was answered");
    held.commit().await.unwrap();
    until(&stack, "select exists (select from gateway.idempotency_key)").await;

    let again = user.client.generate_once("order-1", &model().build()).await.unwrap().expecting(202);
    let left = user.client.balance().await.unwrap();
    let seen = format!("replayed {}, {left} left", again.header("idempotent-replayed"));
    let attack = "a repeat after a process was killed between charge and answer";
    attack::is_met(Target::Payment, attack, format!("replayed true, {} left", WELCOME - 4), seen);
    assert_eq!(stack.count("generations").await, 2);
    stack.finish().await;
}
