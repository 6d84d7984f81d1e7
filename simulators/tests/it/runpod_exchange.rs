//! Faults of a single HTTP exchange.

use std::time::{Duration, Instant};

use serde_json::json;
use simulators::{HttpFault, Operation, RunPodFault};

use crate::support::{Client, at_once, http, model};

#[tokio::test]
async fn refusals_make_no_job() {
    for (fault, expected) in [
        (HttpFault::TooManyRequests { retry_after_s: Some(7) }, 429),
        (HttpFault::ServerError { status: 503 }, 503),
        (HttpFault::Unauthorized, 401),
        (HttpFault::NotFound, 404),
    ] {
        let sim = at_once();
        let client = Client::of(&sim);
        sim.script(RunPodFault::new(fault).on(Operation::Run));
        let (status, answer) = client.send("run", Some(&json!({"input": model("x")}))).await.unwrap();
        assert_eq!(status, expected);
        if expected == 404 {
            assert_eq!(answer, json!({"detail": "endpoint not found"}));
        }
        assert_eq!((sim.counts().jobs_made, sim.counts().requests[&Operation::Run]), (0, 1));
        client.run_model().await;
    }
}

#[tokio::test]
async fn a_429_can_say_when_to_come_back() {
    let sim = at_once();
    sim.script(HttpFault::TooManyRequests { retry_after_s: Some(7) });
    let url = format!("{}/ep1/health", sim.api_url());
    let answer = http().get(url).bearer_auth(sim.api_key()).send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test]
async fn an_aborted_connection_makes_no_job_and_a_lost_answer_makes_one() {
    for (fault, jobs) in [(HttpFault::ConnectionAborted, 0), (HttpFault::AnswerLost, 1)] {
        let sim = at_once();
        let client = Client::of(&sim);
        sim.script(RunPodFault::new(fault).on(Operation::Run));
        let error = client.send("run", Some(&json!({"input": model("x")}))).await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout() && !error.is_connect(), "{error:?}");
        assert_eq!(sim.counts().jobs_made, jobs);
        client.run_model().await;
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_leaves_a_job_behind() {
    let sim = at_once();
    sim.script(RunPodFault::new(HttpFault::NoAnswer).on(Operation::Run));
    let url = format!("{}/ep1/run", sim.api_url());
    let request = http().post(url).bearer_auth(sim.api_key()).json(&json!({"input": model("x")}));
    let error = request.timeout(Duration::from_millis(200)).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(sim.counts().jobs_made, 1);
}

#[tokio::test]
async fn an_answer_can_be_garbage_although_the_job_was_made() {
    let sim = at_once();
    let client = Client::of(&sim);
    sim.script(HttpFault::GarbageAnswer);
    let (status, answer) = client.send("run", Some(&json!({"input": model("x")}))).await.unwrap();
    assert_eq!(status, 200);
    assert!(answer.as_str().unwrap().starts_with("<html>"));
    assert_eq!(sim.counts().jobs_made, 1);
}

#[tokio::test]
async fn latency_comes_on_top_of_another_fault() {
    let sim = at_once();
    let client = Client::of(&sim);
    sim.script(HttpFault::Latency { ms: 60 });
    sim.script(HttpFault::ServerError { status: 502 });
    let start = Instant::now();
    assert_eq!(client.send("health", None).await.unwrap().0, 502);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn offline_means_connections_refused_until_it_is_back() {
    let sim = at_once();
    let client = Client::of(&sim);
    client.run_model().await;
    sim.go_offline().await;
    for _ in 0..3 {
        assert!(client.send("health", None).await.unwrap_err().is_connect());
    }
    sim.go_online().await;
    assert_eq!(client.send("health", None).await.unwrap().0, 200);
    assert_eq!(sim.jobs().len(), 1);
}

#[tokio::test]
async fn a_dropped_handle_stops_the_server() {
    let sim = at_once();
    let client = Client::of(&sim);
    client.run_model().await;
    drop(sim);
    let start = Instant::now();
    while client.send("health", None).await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
