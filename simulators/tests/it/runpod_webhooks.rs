//! Webhooks: what they hold, when they come, and how they fail.

use std::time::Duration;

use poem::http::StatusCode;
use serde_json::json;
use simulators::runpod::JobFault;
use simulators::{RunPodHandle, Time};

use crate::support::{Client, Receiver, at_once, by_hand, model, options, until};

async fn run_with_webhook(sim: &RunPodHandle, receiver: &Receiver) -> String {
    Client::of(sim).run(&json!({"input": model("x"), "webhook": receiver.url})).await
}

#[tokio::test]
async fn a_webhook_holds_the_job_with_its_input_and_its_own_url() {
    let sim = at_once();
    let receiver = Receiver::start(StatusCode::OK).await;
    let id = run_with_webhook(&sim, &receiver).await;
    until("webhook", || sim.counts().webhooks_delivered == 1).await;
    let body = receiver.bodies().remove(0);
    assert_eq!(
        (&body["id"], &body["status"], &body["webhook"]),
        (&json!(id), &json!("COMPLETED"), &json!(receiver.url))
    );
    assert_eq!(body["input"], model("x"));
    assert_eq!(body["output"]["images"].as_array().unwrap().len(), 2);
    assert_eq!(sim.job(&id).unwrap().webhook_log.last_status, Some(200));
}

#[tokio::test]
async fn failures_are_told_and_cancels_are_not() {
    let sim = at_once();
    let receiver = Receiver::start(StatusCode::OK).await;
    sim.script(JobFault::CancelledByOther);
    sim.script(JobFault::JobTimedOut);
    run_with_webhook(&sim, &receiver).await;
    run_with_webhook(&sim, &receiver).await;
    until("webhook", || sim.counts().webhooks_delivered == 1).await;
    assert_eq!(receiver.bodies()[0]["status"], "FAILED");
}

#[tokio::test]
async fn a_refused_webhook_is_sent_three_times_ten_seconds_apart() {
    let sim = by_hand();
    let receiver = Receiver::start(StatusCode::INTERNAL_SERVER_ERROR).await;
    let id = run_with_webhook(&sim, &receiver).await;
    sim.complete(&id);
    for tries in 1..=3 {
        until("try", || sim.job(&id).unwrap().webhook_log.failed == tries).await;
        sim.advance(Duration::from_secs(9));
        assert_eq!(sim.job(&id).unwrap().webhook_log.tries, tries);
        sim.advance(Duration::from_secs(1));
    }
    assert_eq!(receiver.bodies().len(), 3);
    sim.advance(Duration::from_mins(5));
    assert_eq!((sim.counts().webhooks_sent, sim.counts().webhooks_delivered), (3, 0));
}

#[tokio::test]
async fn a_webhook_can_be_lost_late_or_double() {
    let sim = simulators::RunPodSim::start(simulators::RunPodOptions { time: Time::Manual, ..options() }).unwrap();
    let receiver = Receiver::start(StatusCode::OK).await;
    sim.script(JobFault::WebhookLost);
    run_with_webhook(&sim, &receiver).await;

    sim.script(JobFault::WebhookDuplicate { copies: 3 });
    run_with_webhook(&sim, &receiver).await;
    until("three copies", || receiver.bodies().len() == 3).await;

    sim.script(JobFault::WebhookLate { ms: 90_000 });
    let id = run_with_webhook(&sim, &receiver).await;
    sim.advance(Duration::from_secs(89));
    assert_eq!(sim.job(&id).unwrap().webhook_log.tries, 0);
    sim.advance(Duration::from_secs(1));
    until("the late one", || receiver.bodies().len() == 4).await;
    assert_eq!(sim.counts().webhooks_sent, 4);
}

#[tokio::test]
async fn a_webhook_can_overtake_the_answer() {
    let sim = by_hand();
    let receiver = Receiver::start(StatusCode::OK).await;
    sim.script(JobFault::WebhookBeforeAnswer);
    let id = run_with_webhook(&sim, &receiver).await;
    let bodies = receiver.bodies();
    assert_eq!((bodies.len(), &bodies[0]["id"], &bodies[0]["status"]), (1, &json!(id), &json!("COMPLETED")));
}
