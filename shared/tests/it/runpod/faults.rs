//! What an exchange with RunPod is when it goes wrong on the way.

use std::time::Duration;

use serde_json::json;
use shared::runpod::{ProviderError, ProviderJobId, RUN_BODY_BYTES_MAX, Reason, Report, RunPod};
use simulators::runpod::JobFault;
use simulators::{HttpFault, Operation, RunPodFault, RunPodHandle};

use super::{ENDPOINT, client, simulator, submission};

fn set_up() -> (RunPodHandle, RunPod) {
    let simulator = simulator();
    let client = client(&simulator, simulator.api_key());
    (simulator, client)
}

/// What one submission is under a fault, and how many jobs it made.
async fn run_under(fault: HttpFault) -> (Result<(), ProviderError>, u64) {
    let (simulator, client) = set_up();
    simulator.script(RunPodFault::from(fault).on(Operation::Run));
    let result = client.run(ENDPOINT, &submission(1)).await;
    (result.map(drop), simulator.counts().jobs_made)
}

/// What asking for and cancelling a sound job are under a fault.
async fn ask_under(fault: HttpFault) -> [ProviderError; 2] {
    let (simulator, client) = set_up();
    let id = client.run(ENDPOINT, &submission(1)).await.expect("a job");
    simulator.script(RunPodFault::from(fault).always());
    let asked = client.status(ENDPOINT, &id).await.expect_err("a fault");
    let cancelled = client.cancel(ENDPOINT, &id).await.expect_err("a fault");
    [asked, cancelled]
}

fn unavailable(reason: Reason) -> ProviderError {
    ProviderError::Unavailable { reason, alarm: false, retry_after: None }
}

#[tokio::test]
async fn a_429_on_run_made_no_job_and_says_when_to_come_back() {
    let (result, jobs) = run_under(HttpFault::TooManyRequests { retry_after_s: Some(7) }).await;
    let retry_after = Some(Duration::from_secs(7));
    assert_eq!(result, Err(ProviderError::Unavailable { reason: Reason::Http(429), alarm: false, retry_after }));
    assert_eq!(jobs, 0);
}

#[tokio::test]
async fn a_5xx_on_run_is_unknown() {
    let (result, _) = run_under(HttpFault::ServerError { status: 502 }).await;
    assert_eq!(result, Err(ProviderError::Unknown { reason: Reason::Http(502) }));
}

#[tokio::test]
async fn a_lost_answer_to_run_is_unknown_and_the_job_exists() {
    let (result, jobs) = run_under(HttpFault::AnswerLost).await;
    assert_eq!(result, Err(ProviderError::Unknown { reason: Reason::Interrupted }));
    assert_eq!(jobs, 1, "nobody may send this a second time");
}

#[tokio::test]
async fn a_connection_broken_before_the_work_cannot_be_told_from_a_lost_answer() {
    let (result, jobs) = run_under(HttpFault::ConnectionAborted).await;
    assert_eq!(result, Err(ProviderError::Unknown { reason: Reason::Interrupted }));
    assert_eq!(jobs, 0);
}

#[tokio::test]
async fn an_answer_to_run_that_is_no_json_is_unknown() {
    let (result, jobs) = run_under(HttpFault::GarbageAnswer).await;
    assert_eq!(result, Err(ProviderError::Unknown { reason: Reason::Undecodable }));
    assert_eq!(jobs, 1);
}

#[tokio::test]
async fn a_refused_key_or_endpoint_on_run_made_no_job_and_calls_for_an_operator() {
    for (fault, status) in [(HttpFault::Unauthorized, 401), (HttpFault::NotFound, 404)] {
        let (result, jobs) = run_under(fault).await;
        let reason = Reason::Http(status);
        assert_eq!(result, Err(ProviderError::Unavailable { reason, alarm: true, retry_after: None }));
        assert_eq!(jobs, 0);
    }
}

#[tokio::test]
async fn a_refused_connection_surely_made_no_job() {
    let (simulator, client) = set_up();
    simulator.go_offline().await;
    let id = ProviderJobId::parse("job-1").expect("an id");
    let reason = Reason::Connect;
    assert_eq!(client.run(ENDPOINT, &submission(1)).await, Err(unavailable(reason)));
    assert_eq!(client.status(ENDPOINT, &id).await, Err(unavailable(reason)));
    assert_eq!(client.cancel(ENDPOINT, &id).await, Err(unavailable(reason)));
    simulator.go_online().await;
    client.run(ENDPOINT, &submission(1)).await.expect("back again");
}

#[tokio::test]
async fn a_body_over_the_limit_is_rejected_without_a_call() {
    let (simulator, client) = set_up();
    let mut large = submission(1);
    large.input["input"]["prompt"] = json!("x".repeat(RUN_BODY_BYTES_MAX));
    let error = client.run(ENDPOINT, &large).await.expect_err("too large");
    assert_eq!(error, ProviderError::Rejected { reason: Reason::TooLarge });
    assert_eq!(simulator.counts().requests.get(&Operation::Run), None);
}

#[tokio::test]
async fn what_is_sent_is_what_was_asked_for() {
    let (simulator, client) = set_up();
    let mut asked = submission(5);
    let webhook = "http://127.0.0.1:1/api/v1/webhook/comfyui?g=1&a=2&e=3&s=x_-";
    asked.webhook = Some(webhook.parse().expect("a URL"));
    let id = client.run(ENDPOINT, &asked).await.expect("a job");
    let job = simulator.job(id.as_str()).expect("the job");
    assert_eq!((job.endpoint.as_str(), &job.input), (ENDPOINT, &asked.input));
    assert_eq!(job.webhook.as_deref(), Some(webhook));
}

#[tokio::test]
async fn a_job_past_its_time_to_live_is_not_found() {
    let (simulator, client) = set_up();
    simulator.script(JobFault::NeverStarts);
    let id = client.run(ENDPOINT, &submission(1)).await.expect("a job");
    assert_eq!(client.status(ENDPOINT, &id).await, Ok(Report::Waiting));
    simulator.advance(submission(1).ttl + Duration::from_secs(1));
    assert_eq!(client.status(ENDPOINT, &id).await, Err(ProviderError::NotFound));
}

#[tokio::test]
async fn a_question_that_goes_wrong_can_be_asked_again() {
    for (fault, reason) in [
        (HttpFault::TooManyRequests { retry_after_s: None }, Reason::Http(429)),
        (HttpFault::ServerError { status: 500 }, Reason::Http(500)),
        (HttpFault::AnswerLost, Reason::Interrupted),
        (HttpFault::ConnectionAborted, Reason::Interrupted),
    ] {
        for error in ask_under(fault.clone()).await {
            assert_eq!(error, unavailable(reason), "{fault:?}");
        }
    }
    let [asked, cancelled] = ask_under(HttpFault::NotFound).await;
    assert_eq!((asked, cancelled), (ProviderError::NotFound, ProviderError::NotFound));
    for error in ask_under(HttpFault::Unauthorized).await {
        assert!(matches!(error, ProviderError::Unavailable { alarm: true, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_to_status_that_is_no_json_can_be_asked_for_again() {
    let (simulator, client) = set_up();
    let id = client.run(ENDPOINT, &submission(1)).await.expect("a job");
    simulator.script(RunPodFault::from(HttpFault::GarbageAnswer).on(Operation::Status));
    assert_eq!(client.status(ENDPOINT, &id).await, Err(unavailable(Reason::Undecodable)));
    assert!(matches!(client.status(ENDPOINT, &id).await, Ok(Report::Completed(..))));
}

#[tokio::test]
async fn a_cancel_reaches_a_job_that_runs() {
    let (simulator, client) = set_up();
    simulator.script(JobFault::NeverFinishes);
    let id = client.run(ENDPOINT, &submission(1)).await.expect("a job");
    assert_eq!(client.status(ENDPOINT, &id).await, Ok(Report::Running));
    assert_eq!(client.cancel(ENDPOINT, &id).await, Ok(()));
    assert_eq!(client.status(ENDPOINT, &id).await, Ok(Report::Cancelled));
    assert_eq!(simulator.counts().jobs_cancelled, 1);
}
