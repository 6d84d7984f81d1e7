//! How a job ends: every form of pictures, and every way to fail, as the simulator gives them.

use serde_json::{Value, json};
use shared::runpod::{Failure, FailureCode, OutputRef, ProviderError, Reason, Report, Retry, RunPod};
use simulators::RunPodHandle;
use simulators::runpod::{ErrorForm, ImageForm, JobFault, Spoil};

use super::{ENDPOINT, client, simulator, submission};

/// What a job that is made under these faults ends as.
async fn end(simulator: &RunPodHandle, client: &RunPod, faults: Vec<JobFault>) -> Result<Report, ProviderError> {
    simulator.clear_faults();
    for fault in faults {
        simulator.script(fault);
    }
    let id = client.run(ENDPOINT, &submission(3)).await.expect("a job");
    client.status(ENDPOINT, &id).await
}

/// The outputs of a job that is made under these faults, each fetched or decoded.
async fn outputs(simulator: &RunPodHandle, client: &RunPod, faults: Vec<JobFault>) -> Vec<Result<bool, ProviderError>> {
    let named = format!("{faults:?}");
    let Ok(Report::Completed(outputs, _)) = end(simulator, client, faults).await else { panic!("{named} failed") };
    let mut had = Vec::new();
    for output in &outputs {
        had.push(client.output(&output.output).await.map(|bytes| bytes.starts_with(b"\x89PNG")));
    }
    had
}

#[tokio::test]
async fn pictures_are_had_in_every_form_they_are_given_in() {
    let simulator = simulator();
    let client = client(&simulator, simulator.api_key());
    for (form, count) in [
        (ImageForm::Base64, 2),
        (ImageForm::DataUri, 2),
        (ImageForm::Url, 2),
        (ImageForm::UrlObject, 2),
        (ImageForm::ComfyBase64, 2),
        (ImageForm::ComfyUrl, 2),
        (ImageForm::ComfyMessage, 1),
    ] {
        let had = outputs(&simulator, &client, vec![JobFault::Form { form }]).await;
        assert_eq!(had, vec![Ok(true); count], "{form:?}");
    }
    for count in [1, 3] {
        let fault = if count == 1 { JobFault::FewerPictures { count } } else { JobFault::MorePictures { count } };
        assert_eq!(outputs(&simulator, &client, vec![fault]).await.len(), count);
    }
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_rejected_and_the_other_picture_is_had() {
    let simulator = simulator();
    let client = client(&simulator, simulator.api_key());
    for (how, reason) in [
        (Spoil::BrokenLink, Reason::Http(404)),
        (Spoil::RedirectLink, Reason::Http(302)),
        (Spoil::ForeignLink, Reason::NotAdmitted),
        (Spoil::ManyBytes, Reason::TooLarge),
    ] {
        let faults = vec![JobFault::Form { form: ImageForm::Url }, JobFault::SpoiledPicture { how, picture: Some(0) }];
        let had = outputs(&simulator, &client, faults).await;
        assert_eq!(had, [Err(ProviderError::Rejected { reason }), Ok(true)], "{how:?}");
    }
    simulator.clear_faults();
    let url = OutputRef::Url("http://127.0.0.1:1/gone.png".parse().expect("a URL"));
    let error = client.output(&url).await.expect_err("nobody there");
    assert_eq!(error, ProviderError::Unavailable { reason: Reason::Connect, alarm: false, retry_after: None });
}

#[tokio::test]
async fn bytes_that_are_not_what_they_should_be_are_handed_on_for_inspection() {
    let simulator = simulator();
    let client = client(&simulator, simulator.api_key());
    for how in [Spoil::Text, Spoil::Html, Spoil::Svg, Spoil::Gif, Spoil::Truncated] {
        let faults = vec![JobFault::SpoiledPicture { how, picture: Some(1) }];
        let had = outputs(&simulator, &client, faults).await;
        assert_eq!(had, [Ok(true), Ok(how == Spoil::Truncated)], "{how:?}");
    }
    for how in [Spoil::BadBase64, Spoil::Empty] {
        let faults = vec![JobFault::SpoiledPicture { how, picture: Some(1) }];
        assert_eq!(outputs(&simulator, &client, faults).await, [Ok(true)], "{how:?}");
    }
}

#[tokio::test]
async fn each_way_to_fail_has_its_code_and_says_whether_to_try_again() {
    let simulator = simulator();
    let client = client(&simulator, simulator.api_key());
    let gpu = json!({"output": {"details": ["CUDA out of memory"]}})["output"].clone();
    for (fault, code, retry) in [
        (JobFault::JobTimedOut, FailureCode::WorkerLost, Retry::Retryable),
        (JobFault::WorkerGone, FailureCode::WorkerLost, Retry::Retryable),
        (JobFault::ExecutionTimeoutExceeded, FailureCode::Timeout, Retry::Once),
        (JobFault::TimedOut, FailureCode::Timeout, Retry::Once),
        (JobFault::UncaughtException, FailureCode::GpuError, Retry::Retryable),
        (JobFault::WorkflowInvalid, FailureCode::ProviderError, Retry::Final),
        (JobFault::NoOutput, FailureCode::NoOutput, Retry::Once),
        (JobFault::SuccessNoImages, FailureCode::NoOutput, Retry::Once),
        (JobFault::OldErrorInOutput, FailureCode::ProviderError, Retry::Final),
        (JobFault::Output { output: Value::Null }, FailureCode::NoOutput, Retry::Once),
        (
            JobFault::Fails { error: json!("Job processing failed"), output: Some(gpu) },
            FailureCode::GpuError,
            Retry::Retryable,
        ),
    ] {
        let report = end(&simulator, &client, vec![fault.clone()]).await;
        assert_eq!(report, Ok(Report::Failed(Failure { code, retry })), "{fault:?}");
    }
    let cancelled = end(&simulator, &client, vec![JobFault::CancelledByOther]).await;
    assert_eq!(cancelled, Ok(Report::Cancelled));
}

#[tokio::test]
async fn a_product_endpoints_code_is_found_wherever_it_stands() {
    let simulator = simulator();
    let client = client(&simulator, simulator.api_key());
    for (name, code, retry) in [
        ("INVALID_INPUT", FailureCode::InvalidInput, Retry::Final),
        ("INSUFFICIENT_RESOLUTION", FailureCode::InsufficientResolution, Retry::Final),
        ("TIMEOUT", FailureCode::Timeout, Retry::Once),
        ("GPU_ERROR", FailureCode::GpuError, Retry::Retryable),
    ] {
        for form in [ErrorForm::Completed, ErrorForm::Failed, ErrorForm::FailedJson, ErrorForm::FailedText] {
            let report = end(&simulator, &client, vec![JobFault::ProductError { code: name.to_owned(), form }]).await;
            assert_eq!(report, Ok(Report::Failed(Failure { code, retry })), "{name} {form:?}");
        }
    }
}

#[tokio::test]
async fn an_expired_result_is_not_found() {
    let simulator = simulator();
    let client = client(&simulator, simulator.api_key());
    let report = end(&simulator, &client, vec![JobFault::ResultExpired]).await;
    assert_eq!(report, Err(ProviderError::NotFound));
}

#[tokio::test]
async fn progress_is_never_taken_for_a_result() {
    let simulator = simulator();
    let client = client(&simulator, simulator.api_key());
    let values = vec![json!({"images": ["iVBORw0KGgo="]}), json!("aGk="), json!({"progress": "4/10"})];
    let looks = values.len();
    simulator.script(JobFault::NeverFinishes);
    simulator.script(JobFault::Progress { values });
    let id = client.run(ENDPOINT, &submission(3)).await.expect("a job");
    for _ in 0..looks {
        assert_eq!(client.status(ENDPOINT, &id).await, Ok(Report::Running));
    }
}

#[tokio::test]
async fn a_status_that_nobody_knows_has_not_ended() {
    let simulator = simulator();
    let client = client(&simulator, simulator.api_key());
    let fault = JobFault::StuckWithStatus { status: "REHEATING".to_owned() };
    assert_eq!(end(&simulator, &client, vec![fault]).await, Ok(Report::Waiting));
}

#[tokio::test]
async fn fields_that_nobody_knows_do_no_harm() {
    let simulator = simulator();
    let client = client(&simulator, simulator.api_key());
    let fields = json!({"workerId": 7, "delayTime": "soon", "retries": null, "new": {"deep": [1]}});
    let fields = fields.as_object().expect("an object").clone();
    let report = end(&simulator, &client, vec![JobFault::ExtraFields { fields }]).await;
    assert!(matches!(report, Ok(Report::Completed(..))), "{report:?}");
}
