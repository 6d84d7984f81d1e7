//! Real worker processes on one queue: killed, told to stop, and sharing the work. These wait on real time.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use devstack::builders::model;
use devstack::test_stack::{TestStack, TestUser};
use serde_json::Value;
use simulators::runpod::RunPodEffect;
use simulators::{Fault, HttpFault, Operation, RunPodOptions, Time};
use uuid::Uuid;

/// What a killed worker left is taken up within this time.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(30);
/// Time for everything else that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A worker process; killed when dropped.
pub(crate) struct Worker(pub(crate) Child);

impl Worker {
    fn start(stack: &TestStack) -> Self {
        Self::spawn(stack, "127.0.0.1:0", Stdio::null())
    }

    pub(crate) fn spawn(stack: &TestStack, metrics: &str, log: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shootx-worker"));
        command.env_clear().envs(&stack.worker_environment);
        command.env("METRICS_BIND", metrics);
        Self(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) async fn terminate(mut self) -> ExitStatus {
        let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.0.id())]).status().unwrap();
        assert!(told.success());
        let mut status = None;
        until("the worker ends", PATIENCE, async || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks until `seen` is true.
pub(crate) async fn until(what: &str, patience: Duration, mut seen: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !seen().await {
        assert!(begun.elapsed() < patience, "{what}: not within {patience:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn stage(user: &TestUser, id: Uuid) -> String {
    user.status(id).await.unwrap().body["stage"].as_str().unwrap().to_owned()
}

async fn completed(user: &TestUser, id: Uuid) {
    until("the generation is delivered", PATIENCE, async || stage(user, id).await == "completed").await;
}

/// Jobs take no time, and time passes by itself.
async fn stack() -> TestStack {
    let options = RunPodOptions { time: Time::Running, picture_size: (96, 64), ..RunPodOptions::default() };
    TestStack::builder().runpod(options).webhooks().start().await
}

/// An address that nobody listens on.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The next answer of `operation` is that slow; its work is done before.
fn slow(operation: Operation) -> Fault<RunPodEffect> {
    Fault::new(RunPodEffect::from(HttpFault::Latency { ms: 15_000 })).on(operation)
}

#[tokio::test]
async fn a_worker_killed_while_it_submits_is_taken_over_within_half_a_minute_with_one_job() {
    let stack = stack().await;
    let user = stack.user().await;
    stack.runpod.script(slow(Operation::Run));
    let victim = Worker::start(&stack);
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    until("the job is made", PATIENCE, async || stack.runpod.counts().jobs_made == 1).await;
    assert_eq!(stage(&user, id).await, "submitting");
    let _heir = Worker::start(&stack);
    victim.kill();
    until("taken up", TAKEN_UP_WITHIN, async || stage(&user, id).await != "submitting").await;
    completed(&user, id).await;
    assert_eq!((stack.runpod.counts().jobs_made, user.balance().await.unwrap()), (1, 98));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_worker_killed_while_it_collects_is_taken_over_within_half_a_minute() {
    let stack = stack().await;
    let user = stack.user().await;
    // The first look finds the result; the second, by which it is collected, is slow.
    stack.runpod.script(slow(Operation::Status).skip(1));
    let victim = Worker::start(&stack);
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    let leased = async || {
        let held = "select lease_id is not null from gateway.run where stage = 'collecting'";
        sqlx::query_scalar(held).fetch_optional(stack.database.pool()).await.unwrap().unwrap_or(false)
    };
    until("collecting", PATIENCE, leased).await;
    let _heir = Worker::start(&stack);
    victim.kill();
    until("taken up", TAKEN_UP_WITHIN, async || stage(&user, id).await == "completed").await;
    assert_eq!((stack.runpod.counts().jobs_made, user.balance().await.unwrap()), (1, 98));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_worker_told_to_stop_finishes_what_is_in_flight() {
    let stack = stack().await;
    let user = stack.user().await;
    stack.runpod.script(Fault::new(RunPodEffect::from(HttpFault::Latency { ms: 2_000 })).on(Operation::Run));
    let worker = Worker::start(&stack);
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    until("the job is made", PATIENCE, async || stack.runpod.counts().jobs_made == 1).await;
    assert!(worker.terminate().await.success());
    assert_ne!(stage(&user, id).await, "submitting", "the answer was heard and committed before the end");
    let _next = Worker::start(&stack);
    completed(&user, id).await;
    assert_eq!((stack.runpod.counts().jobs_made, user.balance().await.unwrap()), (1, 98));
    stack.reconcile().await;
}

#[tokio::test]
async fn workers_share_the_queue_and_make_one_job_for_each_generation() {
    let stack = stack().await;
    let user = stack.user().await;
    let _workers = [Worker::start(&stack), Worker::start(&stack), Worker::start(&stack)];
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(user.generate(&model().outputs(1).build()).await.unwrap().expecting(202).generation_id());
    }
    for id in ids {
        completed(&user, id).await;
    }
    assert_eq!((stack.runpod.counts().jobs_made, user.balance().await.unwrap()), (20, 80));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_generation_can_be_followed_by_its_request_id_and_is_counted() {
    let stack = stack().await;
    let user = stack.user().await;
    let metrics = free_address();
    let mut worker = Worker::spawn(&stack, &metrics, Stdio::piped());
    let mut stderr = worker.0.stderr.take().unwrap();
    let accepted = user.generate(&model().prompt("a secret garden").build()).await.unwrap().expecting(202);
    let (id, request_id) = (accepted.generation_id(), accepted.header("x-request-id").to_owned());
    completed(&user, id).await;
    let page = format!("http://{metrics}/metrics");
    for line in [
        r#"shootx_steps_total{step="submit",outcome="submitted"} 1"#,
        r#"shootx_steps_total{step="poll",outcome="provider_completed"} 1"#,
        r#"shootx_steps_total{step="collect",outcome="completed"} 1"#,
        r#"shootx_provider_calls_total{operation="run",outcome="ok"} 1"#,
        r#"shootx_queue_oldest_seconds{queue="submit"} 0"#,
    ] {
        until(line, PATIENCE, async || String::from_utf8(user.download(&page).await.unwrap()).unwrap().contains(line))
            .await;
    }
    let mut healthcheck = Command::new(env!("CARGO_BIN_EXE_shootx-worker"));
    healthcheck.arg("healthcheck").env_clear().envs(&stack.worker_environment).env("METRICS_BIND", &metrics);
    assert!(healthcheck.status().unwrap().success());
    assert!(worker.terminate().await.success());
    assert!(!healthcheck.stderr(Stdio::null()).status().unwrap().success());

    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for message in ["submitted", "provider_completed", "completed"] {
        let of_it = |line: &&Value| line["message"] == message && line["request_id"] == request_id.as_str();
        let line = lines.iter().find(of_it).unwrap_or_else(|| panic!("no {message} of {request_id} in\n{log}"));
        assert_eq!(line["generation_id"], id.to_string());
    }
    for step in ["submit", "collect"] {
        let ended = |line: &&Value| line["message"] == "step ended" && line["span"]["step"] == step;
        let line = lines.iter().find(ended).unwrap_or_else(|| panic!("no end of {step} in\n{log}"));
        assert_eq!(line["span"]["request_id"], request_id.as_str(), "{line}");
    }
    let secrets = ["RUNPOD_API_KEY", "SUPABASE_SERVICE_KEY", "WEBHOOK_SECRET"];
    let secrets = secrets.map(|name| stack.worker_environment[name].as_str());
    for hidden in secrets.into_iter().chain(["secret garden", "/webhook/comfyui?", "token="]) {
        assert!(!log.contains(hidden), "{hidden} is in\n{log}");
    }
    stack.reconcile().await;
}
