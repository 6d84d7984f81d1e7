//! Every way a job can end badly, or not at all.

use std::time::Duration;

use serde_json::{Value, json};
use simulators::runpod::{ErrorForm, JobFault};

use crate::support::{Client, at_once, by_hand, model};

async fn ended_by(fault: JobFault) -> Value {
    let sim = at_once();
    let client = Client::of(&sim);
    sim.script(fault);
    let job = client.status(&client.run_model().await).await;
    let next = client.status(&client.run_model().await).await;
    assert_eq!(next["status"], "COMPLETED", "a fault is for one job unless told otherwise");
    job
}

#[tokio::test]
async fn failed_jobs_carry_the_platforms_texts() {
    for (fault, error) in [
        (JobFault::JobTimedOut, "job timed out after 1 retries"),
        (JobFault::ExecutionTimeoutExceeded, "executionTimeout exceeded"),
        (JobFault::WorkflowFailed, "Job processing failed"),
        (JobFault::Fails { error: json!("anything"), output: None }, "anything"),
    ] {
        let job = ended_by(fault).await;
        assert_eq!((&job["status"], &job["error"]), (&json!("FAILED"), &json!(error)));
    }
    let job = ended_by(JobFault::WorkflowFailed).await;
    assert!(job["output"]["details"][0].as_str().unwrap().contains("KSampler"));
    let job = ended_by(JobFault::WorkflowInvalid).await;
    assert!(job["error"].as_str().unwrap().starts_with("Workflow validation failed:"));
}

#[tokio::test]
async fn an_uncaught_exception_is_json_inside_a_string() {
    let job = ended_by(JobFault::UncaughtException).await;
    let error: Value = serde_json::from_str(job["error"].as_str().unwrap()).unwrap();
    assert!(error["error_traceback"].as_str().unwrap().starts_with("Traceback") && error["hostname"].is_string());
}

#[tokio::test]
async fn product_errors_stand_where_they_were_told_to() {
    for code in ["INVALID_INPUT", "INSUFFICIENT_RESOLUTION", "TIMEOUT", "GPU_ERROR"] {
        let fault = |form| JobFault::ProductError { code: code.to_owned(), form };
        let job = ended_by(fault(ErrorForm::Completed)).await;
        assert_eq!((&job["status"], &job["output"]["status"]), (&json!("COMPLETED"), &json!("error")));
        assert_eq!(job["output"]["error"]["code"], code);
        assert!(job["output"]["error"]["details"].is_object());

        let job = ended_by(fault(ErrorForm::Failed)).await;
        assert_eq!((&job["status"], &job["output"]["error"]["code"]), (&json!("FAILED"), &json!(code)));

        let job = ended_by(fault(ErrorForm::FailedJson)).await;
        let error: Value = serde_json::from_str(job["error"].as_str().unwrap()).unwrap();
        assert_eq!((&job["status"], &error["code"]), (&json!("FAILED"), &json!(code)));

        let job = ended_by(fault(ErrorForm::FailedText)).await;
        assert!(job["error"].as_str().unwrap().starts_with(&format!("{code}: ")));
    }
}

#[tokio::test]
async fn completed_jobs_can_hold_no_pictures_at_all() {
    let job = ended_by(JobFault::NoOutput).await;
    assert_eq!((&job["status"], job.get("output")), (&json!("COMPLETED"), None));
    let job = ended_by(JobFault::SuccessNoImages).await;
    assert_eq!(job["output"], json!({"status": "success_no_images", "images": []}));
    let job = ended_by(JobFault::OldErrorInOutput).await;
    assert_eq!((&job["status"], &job["output"]["status"]), (&json!("COMPLETED"), &json!("error")));
    assert!(job["output"]["message"].is_string());
    let job = ended_by(JobFault::Output { output: json!("bare text") }).await;
    assert_eq!(job["output"], "bare text");
}

#[tokio::test]
async fn jobs_can_be_cancelled_by_others_or_time_out_as_such() {
    assert_eq!(ended_by(JobFault::CancelledByOther).await["status"], "CANCELLED");
    assert_eq!(ended_by(JobFault::TimedOut).await["status"], "TIMED_OUT");
}

#[tokio::test]
async fn a_dead_worker_shows_as_a_retry_and_then_as_a_timeout() {
    let sim = by_hand();
    let client = Client::of(&sim);
    sim.script(JobFault::WorkerGone);
    let id = client.run_model().await;
    sim.advance(Duration::from_secs(30));
    let job = client.status(&id).await;
    assert_eq!((&job["status"], &job["retries"], &job["delayTime"]), (&json!("IN_PROGRESS"), &json!(1), &json!(0)));
    sim.advance(Duration::from_secs(30));
    let job = client.status(&id).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("FAILED"), &json!("job timed out after 1 retries")));
}

#[tokio::test]
async fn an_empty_input_fails_a_minute_later_with_a_misleading_text() {
    let sim = by_hand();
    let client = Client::of(&sim);
    let id = client.run(&json!({"input": {}})).await;
    sim.advance(Duration::from_secs(59));
    assert_eq!(client.status(&id).await["status"], "IN_PROGRESS");
    sim.advance(Duration::from_secs(1));
    assert_eq!(client.status(&id).await["error"], "job timed out after 1 retries");
}

#[tokio::test]
async fn a_job_longer_than_its_execution_timeout_fails_with_the_text() {
    let sim = by_hand();
    let client = Client::of(&sim);
    let id = client.run(&json!({"input": model("x"), "policy": {"executionTimeout": 7_000}})).await;
    sim.advance(Duration::from_secs(7));
    let job = client.status(&id).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("FAILED"), &json!("executionTimeout exceeded")));
    assert_eq!(job["executionTime"], 7_000);
}

#[tokio::test]
async fn jobs_can_never_start_never_finish_or_show_an_unknown_status() {
    for (fault, status) in [
        (JobFault::NeverStarts, "IN_QUEUE"),
        (JobFault::NeverFinishes, "IN_PROGRESS"),
        (JobFault::StuckWithStatus { status: "RUNNING".to_owned() }, "RUNNING"),
    ] {
        let sim = by_hand();
        let client = Client::of(&sim);
        sim.script(fault);
        let id = client.run(&json!({"input": model("x"), "policy": {"ttl": 3_600_000}})).await;
        sim.advance(Duration::from_secs(3_599));
        assert_eq!(client.status(&id).await["status"], status);
        sim.advance(Duration::from_secs(1));
        assert_eq!(client.status_code(&id).await, 404, "the ttl deletes it even so");
    }
}

#[tokio::test]
async fn progress_and_unknown_fields_are_shown_while_it_runs() {
    let sim = by_hand();
    let client = Client::of(&sim);
    sim.script(JobFault::Progress { values: vec![json!({"progress": "1/10"}), json!("half")] });
    sim.script(JobFault::ExtraFields {
        fields: json!({"cost": 0.1, "delayTime": "soon"}).as_object().unwrap().clone(),
    });
    let id = client.run_model().await;
    let looks = [client.status(&id).await, client.status(&id).await, client.status(&id).await];
    let outputs: Vec<&Value> = looks.iter().map(|job| &job["output"]).collect();
    assert_eq!(outputs, [&json!({"progress": "1/10"}), &json!("half"), &json!("half")]);
    assert_eq!(
        (&looks[0]["status"], &looks[0]["cost"], &looks[0]["delayTime"]),
        (&json!("IN_PROGRESS"), &json!(0.1), &json!("soon"))
    );
}
