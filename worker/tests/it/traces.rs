//! One trace from the front end's request through queue, worker, provider and webhook: in log lines always, and as spans
//! where there is a receiver. Real worker processes; these wait on real time.

use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use devstack::builders::model;
use devstack::client::Answer;
use devstack::log_lines::LogLines;
use devstack::otlp_receiver::OtlpReceiver;
use devstack::test_stack::{TestStack, TestUser};
use reqwest::Method;
use serde_json::Value;
use shared::config::{Config, LogFormat, Process};
use shared::telemetry::{self, Traces};
use simulators::{RunPodOptions, Time};
use tracing_subscriber::util::SubscriberInitExt;
use uuid::Uuid;

use crate::processes::{PATIENCE, Worker, free_address, until};

/// What the front end sends: W3C's own example.
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLERS_SPAN: &str = "b7ad6b7169203331";
const PROMPT: &str = "a velvet lighthouse";
/// What the receiver wants to be told.
const RECEIVERS_KEY: &str = "key of the receiver";
/// Told to stop, a worker with nothing to do ends within this, whoever does not take its spans: two seconds for those, and
/// a machine that is busy.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

async fn stack() -> TestStack {
    let options = RunPodOptions { time: Time::Running, picture_size: (96, 64), ..RunPodOptions::default() };
    TestStack::builder().runpod(options).webhooks().start().await
}

async fn generate(user: &TestUser, traceparent: &str) -> Answer {
    let request = user.request(Method::POST, "/api/v1/generate").header("traceparent", traceparent);
    user.send(request.json(&model().prompt(PROMPT).outputs(1).build())).await.unwrap().expecting(202)
}

async fn completed(user: &TestUser, id: Uuid) {
    let is_completed = async || user.status(id).await.unwrap().body["status"] == "completed";
    until("the generation is delivered", PATIENCE, is_completed).await;
}

/// The lines of a worker's log that are about this generation.
fn of_generation(log: &str, id: Uuid) -> Vec<Value> {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line.to_string().contains(&id.to_string())).collect()
}

#[tokio::test]
async fn every_line_of_a_generation_and_what_its_provider_is_sent_carry_the_front_ends_trace() {
    let stack = stack().await;
    let user = stack.user().await;
    let mut worker = Worker::spawn(&stack, "127.0.0.1:0", Stdio::piped());
    let mut stderr = worker.0.stderr.take().unwrap();
    let accepted = generate(&user, CALLER).await;
    let (id, request_id) = (accepted.generation_id(), accepted.header("x-request-id"));
    completed(&user, id).await;

    let kept: String = sqlx::query_scalar("select traceparent from gateway.run where generation_id = $1")
        .bind(id)
        .fetch_one(stack.database.pool())
        .await
        .unwrap();
    let sent = stack.runpod.jobs()[0].input["traceparent"].as_str().unwrap().to_owned();
    for child in [&kept, &sent] {
        assert!(child.starts_with(&format!("00-{TRACE_ID}-")) && child.ends_with("-01"), "{child}");
        assert!(!child.contains(CALLERS_SPAN), "{child}");
    }
    assert_ne!(kept, sent);

    assert!(worker.terminate().await.success());
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    let lines = of_generation(&log, id);
    for line in &lines {
        let span = &line["span"];
        assert_eq!((&span["trace_id"], &span["request_id"]), (&TRACE_ID.into(), &request_id.into()), "{line}");
    }
    for step in ["submit", "poll", "collect"] {
        let ended = |line: &&Value| line["message"] == "step ended" && line["span"]["step"] == step;
        let line = lines.iter().find(ended).unwrap_or_else(|| panic!("no end of {step} in\n{log}"));
        assert!(line["took_ms"].is_u64() && line["outcome"].is_string(), "{line}");
    }
    stack.reconcile().await;
}

/// Has this process's API send its spans, as long as the guard lives.
fn exported(stack: &TestStack) -> (tracing::subscriber::DefaultGuard, Traces) {
    let config = Config::from_vars(Process::Api, &|name| stack.worker_environment.get(name).cloned()).unwrap();
    let traces = Traces::start(config.traces.as_ref(), "shootx-api").unwrap();
    let filter = "off".parse().unwrap();
    let subscriber = telemetry::subscriber(LogFormat::Json, filter, LogLines::default(), &traces);
    (subscriber.set_default(), traces)
}

/// A span of this name and service, in the front end's trace or linked to it.
async fn span(receiver: &mut OtlpReceiver, service: &str, name: &str) -> Value {
    let wanted = |span: &Value| {
        let ours = span["resource"]["service.name"] == service && span["name"] == name;
        ours && (span["trace_id"] == TRACE_ID || span["links"][0]["trace_id"] == TRACE_ID)
    };
    receiver.span(&format!("{name} of {service}"), wanted).await
}

#[tokio::test]
async fn a_receiver_that_is_not_ours_reads_one_trace_with_its_parents_and_links() {
    let Some(mut receiver) = OtlpReceiver::start().await else { return };
    let mut stack = stack().await;
    stack.worker_environment.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), receiver.endpoint.clone());
    let header = format!("api-key={}", RECEIVERS_KEY.replace(' ', "%20"));
    stack.worker_environment.insert("OTEL_EXPORTER_OTLP_HEADERS".to_owned(), header);
    let (_guard, traces) = exported(&stack);
    let user = stack.user().await;
    let worker = Worker::spawn(&stack, "127.0.0.1:0", Stdio::null());
    // Whose front end does not record this one.
    let unrecorded = generate(&user, "00-11111111111111111111111111111111-2222222222222222-00").await;
    let id = generate(&user, CALLER).await.generation_id();
    completed(&user, unrecorded.generation_id()).await;
    completed(&user, id).await;
    let sent: Vec<_> = stack.runpod.jobs().into_iter().map(|job| job.input["traceparent"].clone()).collect();
    assert!(worker.terminate().await.success());
    traces.flush().await;

    let request = span(&mut receiver, "shootx-api", "POST /api/v1/generate").await;
    assert_eq!((&request["kind"], &request["parent_span_id"]), (&"SPAN_KIND_SERVER".into(), &CALLERS_SPAN.into()));
    assert_eq!(request["attributes"]["http.response.status_code"], 202);
    assert_eq!(request["resource"]["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(request["headers"]["api-key"], RECEIVERS_KEY);
    let accepting = serde_json::json!([{"trace_id": TRACE_ID, "span_id": request["span_id"]}]);

    for step in ["submit", "poll", "collect"] {
        let step = span(&mut receiver, "shootx-worker", step).await;
        assert_eq!((&step["kind"], &step["trace_id"]), (&"SPAN_KIND_CONSUMER".into(), &TRACE_ID.into()), "{step}");
        assert_eq!((&step["parent_span_id"], &step["links"]), (&request["span_id"], &accepting), "{step}");
        assert_eq!(step["attributes"]["generation_id"], id.to_string(), "{step}");
    }
    for (call, step) in [("runpod run", "submit"), ("runpod status", "poll"), ("storage put", "collect")] {
        let (call, step) =
            (span(&mut receiver, "shootx-worker", call).await, span(&mut receiver, "shootx-worker", step).await);
        assert_eq!((&call["kind"], &call["attributes"]["outcome"]), (&"SPAN_KIND_CLIENT".into(), &"ok".into()));
        if step["name"] != "poll" {
            assert_eq!(call["parent_span_id"], step["span_id"], "{call}");
        }
        assert!(call["nanoseconds"].as_i64() > Some(0), "{call}");
    }
    let submit = span(&mut receiver, "shootx-worker", "submit").await;
    let known = format!("00-{TRACE_ID}-{}-01", submit["span_id"].as_str().unwrap());
    assert!(sent.contains(&known.into()), "{sent:?}");
    let webhook = span(&mut receiver, "shootx-api", "POST /api/v1/webhook/comfyui").await;
    assert_eq!((&webhook["links"], &webhook["parent_span_id"]), (&accepting, &"".into()), "{webhook}");

    betrays_nothing(&stack, &user, receiver.seen());
    stack.reconcile().await;
}

/// Nothing that is not for everybody's eyes is among the spans, and nothing of what was not to be recorded.
fn betrays_nothing(stack: &TestStack, user: &TestUser, spans: &[Value]) {
    let without_headers = spans.iter().cloned().map(|mut span| {
        span["headers"].take();
        span.to_string()
    });
    let text = without_headers.collect::<Vec<_>>().join("\n");
    let secrets = ["RUNPOD_API_KEY", "SUPABASE_SERVICE_KEY", "WEBHOOK_SECRET", "STRIPE_SECRET_KEY"];
    let secrets = secrets.map(|name| stack.worker_environment[name].as_str());
    let (id, email) = (user.id().to_string(), user.signed_in.email.as_str());
    let token = user.signed_in.token.rsplit('.').next().unwrap();
    let others = [PROMPT, RECEIVERS_KEY, &id, email, token, "127.0.0.1", "token=", "&s=", "1111111111111111"];
    for hidden in secrets.into_iter().chain(others) {
        assert!(!text.contains(hidden), "{hidden} is in\n{text}");
    }
}

/// A worker whose spans go to `endpoint`, through one generation to its end; what it logged.
async fn log_with_receiver(endpoint: String) -> String {
    let mut stack = stack().await;
    stack.worker_environment.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint);
    let user = stack.user().await;
    let mut worker = Worker::spawn(&stack, &free_address(), Stdio::piped());
    let mut stderr = worker.0.stderr.take().unwrap();
    let id = generate(&user, CALLER).await.generation_id();
    completed(&user, id).await;
    let told = Instant::now();
    assert!(worker.terminate().await.success());
    assert!(told.elapsed() < STOPPED_WITHIN, "{:?}", told.elapsed());
    stack.reconcile().await;
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    log
}

#[tokio::test]
async fn without_its_receiver_a_worker_works_on_and_says_once_that_spans_are_lost() {
    let log = log_with_receiver(format!("http://{}", free_address())).await;
    let warnings = log.lines().filter(|line| line.contains("spans are lost")).count();
    assert_eq!(warnings, 1, "{log}");
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_neither_work_nor_the_end() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let log = log_with_receiver(format!("http://{}", hanging.local_addr().unwrap())).await;
    assert!(log.contains("the last spans could not be sent in time"), "{log}");
}
