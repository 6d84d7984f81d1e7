//! SIGTERM under load loses no request: whoever was let in is answered, and what was answered is in the database.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use devstack::builders::model;
use futures::future::join_all;
use shootx_api::STOP_GRACE;
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;

use crate::harness::{Stack, User, Wire, request};

/// Clients that keep their connection, and that make one for each request.
const KEEPING: usize = 8;
const CONNECTING: usize = 8;
/// Answers of all clients before the signal, and after the end of the process.
const ANSWERS_EACH: usize = 300;
const PATIENCE: Duration = Duration::from_secs(90);
/// What a process may do while clients of this test come as fast as they can.
const UNBOUNDED: [(&str, &str); 5] = [
    ("GENERATE_RATE_PER_MINUTE", "6000"),
    ("GENERATIONS_OPEN_MAX", "10000"),
    ("QUEUE_MAX", "1000000"),
    ("DATABASE_POOL_MAX", "5"),
    ("STOP_NOTICE_SECONDS", "2"),
];

/// What the clients share.
struct Load {
    /// The process that is stopped, and the one that stays.
    bases: [Url; 2],
    is_over: AtomicBool,
    answers: AtomicUsize,
    /// Answers that ended their connection.
    farewells: AtomicUsize,
}

/// What one client saw.
#[derive(Default)]
struct Diary {
    accepted: Vec<Uuid>,
    lost: Vec<String>,
}

/// One user with one connection at a time, who changes to the other process only where a connection is refused.
struct Caller {
    load: Arc<Load>,
    token: String,
    keeps: bool,
    at: usize,
    wire: Option<Wire>,
    diary: Diary,
}

impl Caller {
    /// Starts generations and looks at them, until the load is over.
    async fn call(mut self) -> Diary {
        let body = model().outputs(1).build().to_string();
        while !self.load.is_over.load(Ordering::Relaxed) {
            let key = format!("idempotency-key: {}\r\n", Uuid::new_v4());
            let Some(answer) = self.ask(&request("POST", "/api/v1/generate", &self.token, &key, &body), 202).await
            else {
                continue;
            };
            let id: Uuid = answer["generation_id"].as_str().unwrap().parse().unwrap();
            self.diary.accepted.push(id);
            let seen = self.ask(&request("GET", &format!("/api/v1/status/{id}"), &self.token, "", ""), 200).await;
            assert!(seen.is_none_or(|seen| seen["stage"] == "queued"));
        }
        self.diary
    }

    /// The body of the answer; what has none is written down.
    async fn ask(&mut self, request: &[u8], status: u16) -> Option<serde_json::Value> {
        let mut wire = match self.wire.take() {
            Some(kept) => kept,
            None => self.connect().await,
        };
        let heard = async {
            wire.send(request).await?;
            wire.answer().await
        };
        let answer = match heard.await {
            Ok(answer) => answer,
            Err(error) => {
                self.diary.lost.push(format!("from {}: {error}", self.at));
                return None;
            }
        };
        assert_eq!(answer.status, status, "{}", answer.body);
        self.load.answers.fetch_add(1, Ordering::Relaxed);
        self.load.farewells.fetch_add(usize::from(answer.is_last), Ordering::Relaxed);
        self.wire = (self.keeps && !answer.is_last).then_some(wire);
        Some(answer.body)
    }

    async fn connect(&mut self) -> Wire {
        loop {
            match Wire::connect(&self.load.bases[self.at]).await {
                Ok(wire) => return wire,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "the only reason to go elsewhere");
                    assert_eq!(self.at, 0, "the other process stays");
                    self.at = 1;
                }
            }
        }
    }
}

impl Load {
    async fn hears(&self, more: usize) {
        let (begun, wanted) = (Instant::now(), self.answers.load(Ordering::Relaxed) + more);
        while self.answers.load(Ordering::Relaxed) < wanted {
            assert!(begun.elapsed() < PATIENCE, "too few answers");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn callers(stack: &Stack, load: &Arc<Load>) -> Vec<JoinHandle<Diary>> {
    let mut calling = Vec::new();
    for number in 0..KEEPING + CONNECTING {
        let user = rich(stack).await;
        let (load, token) = (Arc::clone(load), stack.issuer.token(user.id));
        let caller = Caller { load, token, keeps: number < KEEPING, at: 0, wire: None, diary: Diary::default() };
        calling.push(tokio::spawn(caller.call()));
    }
    calling
}

/// Somebody who can pay for all that this test asks for.
async fn rich(stack: &Stack) -> User {
    let user = stack.sign_up().await;
    stack.leave_credits(&user, 100_000).await;
    user
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_stopped_under_load_loses_no_request() {
    let stack = Stack::with(&UNBOUNDED).await;
    let (mut leaving, staying) = (stack.process(&[]).await, stack.process(&[]).await);
    let load = Arc::new(Load {
        bases: [leaving.base.clone(), staying.base.clone()],
        is_over: AtomicBool::new(false),
        answers: AtomicUsize::new(0),
        farewells: AtomicUsize::new(0),
    });
    let calling = callers(&stack, &load).await;
    load.hears(ANSWERS_EACH).await;
    assert_eq!(load.farewells.load(Ordering::Relaxed), 0, "connections are kept");

    leaving.terminate();
    let told = Instant::now();
    let status = leaving.ended_within(STOP_GRACE).await;
    assert!(status.success(), "{status}: {}", leaving.log());
    assert!(told.elapsed() > Duration::from_secs(2), "it gave notice");
    load.hears(ANSWERS_EACH).await;
    load.is_over.store(true, Ordering::Relaxed);
    let diaries: Vec<Diary> = join_all(calling).await.into_iter().map(Result::unwrap).collect();

    let lost: Vec<String> = diaries.iter().flat_map(|diary| diary.lost.clone()).collect();
    assert_eq!(lost, Vec::<String>::new());
    assert!(load.farewells.load(Ordering::Relaxed) >= KEEPING, "each kept connection was told to end");
    let accepted: Vec<Uuid> = diaries.into_iter().flat_map(|diary| diary.accepted).collect();
    let found: i64 = sqlx::query_scalar(
        "select count(*) from gateway.run join public.credit_transactions using (generation_id)
         where generation_id = any($1) and transaction_type = 'generation' and amount = -1",
    )
    .bind(&accepted)
    .fetch_one(stack.database.pool())
    .await
    .unwrap();
    assert_eq!(usize::try_from(found).unwrap(), accepted.len(), "each 202 is in the database, and charged once");
    assert_eq!(stack.count("generations").await, found, "and nothing is that was not answered");
    stack.finish().await;
}

#[tokio::test]
async fn a_stopping_process_says_so_and_still_answers_who_comes_and_who_is_slow() {
    let stack = Stack::with(&UNBOUNDED).await;
    let mut process = stack.process(&[]).await;
    let user = rich(&stack).await;
    let token = stack.issuer.token(user.id);
    let body = model().outputs(1).build().to_string();
    let slow = request("POST", "/api/v1/generate", &token, "", &body);
    let (mut uploading, mut idle) =
        (Wire::connect(&process.base).await.unwrap(), Wire::connect(&process.base).await.unwrap());
    uploading.send(&slow[..slow.len() - 9]).await.unwrap();
    idle.send(&request("GET", "/livez", &token, "", "")).await.unwrap();
    assert!(!idle.answer().await.unwrap().is_last);

    process.terminate();
    let begun = Instant::now();
    let mut seen = 200;
    while seen == 200 {
        assert!(begun.elapsed() < PATIENCE);
        let mut late = Wire::connect(&process.base).await.unwrap();
        late.send(&request("GET", "/readyz", &token, "", "")).await.unwrap();
        seen = late.answer().await.unwrap().status;
    }
    assert_eq!(seen, 503, "load balancers are told");
    let mut late = Wire::connect(&process.base).await.unwrap();
    for path in ["/livez", "/api/v1/credits"] {
        late.send(&request("GET", path, &token, "", "")).await.unwrap();
        let answer = late.answer().await.unwrap();
        assert_eq!((answer.status, answer.is_last), (200, true), "{path}");
        assert!(late.is_ended().await);
        late = Wire::connect(&process.base).await.unwrap();
    }

    assert!(idle.is_ended().await, "once nobody is let in any more, idle connections end");
    assert_eq!(
        Wire::connect(&process.base).await.err().map(|error| error.kind()),
        Some(io::ErrorKind::ConnectionRefused)
    );
    uploading.send(&slow[slow.len() - 9..]).await.unwrap();
    let answer = uploading.answer().await.unwrap();
    assert_eq!((answer.status, answer.is_last), (202, true), "{}", answer.body);
    assert!(process.ended_within(STOP_GRACE).await.success());
    assert_eq!(stack.count("generations").await, 1);
    stack.finish().await;
}
