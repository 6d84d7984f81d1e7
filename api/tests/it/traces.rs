//! W3C Trace Context: the caller's trace goes on here, is kept on the run, and is told in every line of the log.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use devstack::builders::model;
use devstack::client::Client;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;
use uuid::Uuid;

use crate::harness::{Answered, Stack, User};

/// W3C's own example.
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
/// Requests that are made while nobody takes their spans, and how long they may take: together, on a machine that is busy.
const REQUESTS: u32 = 100;
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// What is kept of a generation that is asked for with these headers.
async fn kept(stack: &Stack, user: &User, traceparents: &[&str]) -> String {
    let mut headers = HeaderMap::new();
    for traceparent in traceparents {
        headers.append("traceparent", HeaderValue::from_bytes(traceparent.as_bytes()).unwrap());
    }
    let request = user.client.request(Method::POST, "/api/v1/generate").headers(headers);
    let id = user.client.send(request.json(&model().build())).await.unwrap().expecting(202).generation_id();
    traceparent(stack, id).await
}

async fn traceparent(stack: &Stack, id: Uuid) -> String {
    sqlx::query_scalar("select traceparent from gateway.run where generation_id = $1")
        .bind(id)
        .fetch_one(stack.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_callers_trace_goes_on_and_what_is_none_begins_a_new_one() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    for flags in ["01", "00"] {
        let caller = format!("{}{flags}", &CALLER[..53]);
        let kept = kept(&stack, &user, &[&caller]).await;
        assert_eq!((&kept[..36], &kept[52..]), (&CALLER[..36], &format!("-{flags}")[..]), "{kept}");
        assert_ne!(kept, caller, "our own span, not the caller's");
    }
    let mut traces = vec![TRACE_ID.to_owned()];
    let upper = CALLER.to_uppercase();
    let malformed: [&[&str]; 6] = [&[], &[""], &[CALLER, CALLER], &[&upper], &["00-0-0-01"], &["é"]];
    for headers in malformed {
        let kept = kept(&stack, &user, headers).await;
        let trace = kept[3..35].to_owned();
        assert!(kept.len() == 55 && kept.ends_with("-00") && !traces.contains(&trace), "{headers:?}: {kept}");
        traces.push(trace);
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_request_and_the_webhook_about_it_log_its_trace_in_every_line() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let process = stack.process(&[("RUST_LOG", "info,shared=debug")]).await;
    let token = stack.issuer.token(user.id);
    let client = Client::new(process.base.clone(), Some(token)).unwrap();
    let request = client.request(Method::POST, "/api/v1/generate").header("traceparent", CALLER);
    let request = request.header("X-Request-Id", "front-end-1").json(&model().build());
    let id = client.send(request).await.unwrap().expecting(202).generation_id();
    stack.submit(id, "job-1").await;
    let address = stack.webhook_address(id, 1, stack.now().await + TimeDelta::hours(1));
    let call = client.request(Method::POST, &address[url::Position::BeforePath..]);
    client.send(call.header("X-Request-Id", "provider-1").body(r#"{"id":"job-1"}"#)).await.unwrap().answered(200);

    let log = process.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |request_id: &'static str| lines.iter().filter(move |line| line["span"]["request_id"] == request_id);
    assert!(of("front-end-1").count() >= 2, "accepted, answered: {log}");
    for line in of("front-end-1") {
        assert_eq!(line["span"]["trace_id"], TRACE_ID, "{line}");
    }
    let keys = of("front-end-1").find(|line| line["message"] == "called" && line["peer"] == "sign-in").unwrap();
    assert!(keys["took_ms"].is_u64() && keys["outcome"] == "ok", "{keys}");
    for message in ["the provider called", "answered"] {
        let line = of("provider-1").find(|line| line["message"] == message).unwrap_or_else(|| panic!("{log}"));
        let (run, trace) = (&line["run_request_id"], &line["run_trace_id"]);
        assert_eq!((run, trace), (&"front-end-1".into(), &TRACE_ID.into()), "{line}");
        let own = line["span"]["trace_id"].as_str().unwrap();
        assert!(own.len() == 32 && own != TRACE_ID, "{line}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_no_request() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hanging.local_addr().unwrap());
    let process = stack.process(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    let client = Client::new(process.base.clone(), Some(stack.issuer.token(user.id))).unwrap();
    let begun = Instant::now();
    for _ in 0..REQUESTS {
        client.get("/api/v1/credits").await.unwrap().answered(200);
    }
    assert!(begun.elapsed() < ANSWERED_WITHIN, "{:?}", begun.elapsed());
    stack.finish().await;
}
