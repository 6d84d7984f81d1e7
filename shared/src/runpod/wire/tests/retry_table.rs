//! Every row of the retry table: what came back, and whether another attempt may do better.

use serde_json::json;

use super::super::super::report::{Failure, FailureCode, Report, Retry};
use super::{failed, failed_inside, read};

#[test]
fn invalid_input_and_insufficient_resolution_are_final() {
    for (name, code) in
        [("INVALID_INPUT", FailureCode::InvalidInput), ("INSUFFICIENT_RESOLUTION", FailureCode::InsufficientResolution)]
    {
        let error = json!({"code": name, "message": "m", "details": {"a": 1}});
        assert_eq!(failed_inside(&json!({"status": "error", "error": error})), (code, Retry::Final));
        assert_eq!(failed(&error), (code, Retry::Final));
        assert_eq!(failed(&json!(error.to_string())), (code, Retry::Final));
        assert_eq!(failed(&json!(format!("{name}: no such pose"))), (code, Retry::Final));
    }
}

#[test]
fn a_workflow_that_does_not_validate_is_final() {
    for text in [
        "Workflow validation failed:\n. Node 1 (errors): [{'type': 'value_not_in_list'}]",
        "Cannot execute because node NoSuch does not exist.. Raw response: {}",
        "Error queuing workflow: 500 Server Error",
        "Job has missing field(s): id or input.",
    ] {
        assert_eq!(failed(&json!(text)), (FailureCode::ProviderError, Retry::Final), "{text}");
    }
    for text in ["Failed to upload one or more input images", "cannot identify image file '/x.png'"] {
        assert_eq!(failed(&json!(text)), (FailureCode::InvalidInput, Retry::Final), "{text}");
    }
}

#[test]
fn completed_without_output_is_retried_once() {
    let none = Some(Report::Failed(Failure { code: FailureCode::NoOutput, retry: Retry::Once }));
    assert_eq!(read(&json!({"id": "job-1", "status": "COMPLETED", "executionTime": 9})), none);
    assert_eq!(read(&json!({"status": "COMPLETED", "output": null})), none);
    for output in [json!({}), json!({"images": []}), json!({"images": null}), json!(""), json!([]), json!(7)] {
        assert_eq!(failed_inside(&output), (FailureCode::NoOutput, Retry::Once), "{output}");
    }
}

#[test]
fn success_no_images_is_retried_once() {
    let output = json!({"status": "success_no_images", "images": []});
    assert_eq!(failed_inside(&output), (FailureCode::NoOutput, Retry::Once));
}

#[test]
fn an_error_inside_completed_is_final_whatever_it_says() {
    for output in [
        json!({"status": "error"}),
        json!({"status": "error", "message": "the image does not exist in the specified output folder: x.png"}),
        json!({"status": "error", "message": "aGk="}),
        json!({"status": "error", "error": "boom"}),
        json!({"status": "error", "error": {"code": "NEW_CODE", "message": "m"}}),
        json!({"error": {"message": "m"}, "images": ["aGk="]}),
    ] {
        assert_eq!(failed_inside(&output), (FailureCode::ProviderError, Retry::Final), "{output}");
    }
    let answer = json!({"status": "COMPLETED", "error": {"code": 1}, "output": {"images": ["aGk="]}});
    let expected = Failure { code: FailureCode::ProviderError, retry: Retry::Final };
    assert_eq!(read(&answer), Some(Report::Failed(expected)));
    assert_eq!(failed_inside(&json!({"error": "CUDA out of memory"})), (FailureCode::GpuError, Retry::Final));
}

#[test]
fn what_is_empty_is_no_error() {
    for error in [json!(null), json!(""), json!({}), json!([]), json!(false)] {
        let answer = json!({"status": "COMPLETED", "error": error, "output": {"images": ["aGk="], "error": error}});
        assert!(matches!(read(&answer), Some(Report::Completed(..))), "{error}");
    }
}

#[test]
fn a_gpu_error_is_retryable() {
    let retryable = (FailureCode::GpuError, Retry::Retryable);
    let error = json!({"code": "GPU_ERROR", "message": "m"});
    assert_eq!(failed_inside(&json!({"status": "error", "error": error})), retryable);
    assert_eq!(failed(&error), retryable);
    assert_eq!(failed(&json!("CUDA out of memory. Tried to allocate 2.00 GiB")), retryable);
    let output = json!({"details": ["Workflow execution error: Node Type: KSampler, Message: Allocation on device"]});
    let answer = json!({"status": "FAILED", "error": "Job processing failed", "output": output});
    let expected = Failure { code: FailureCode::GpuError, retry: Retry::Retryable };
    assert_eq!(read(&answer), Some(Report::Failed(expected)));
}

#[test]
fn a_bucket_that_a_worker_cannot_use_is_named_and_final() {
    for cause in [
        "An error occurred (NoSuchBucket) when calling the PutObject operation: The specified bucket does not exist",
        "An error occurred (InvalidAccessKeyId) when calling the PutObject operation: The key does not exist",
        "An error occurred (SignatureDoesNotMatch) when calling the PutObject operation: Check your key",
        "An error occurred (AccessDenied) when calling the PutObject operation: Access Denied",
        "An error occurred (AuthorizationHeaderMalformed) when calling the PutObject operation: the region is wrong",
        "An error occurred (PermanentRedirect) when calling the PutObject operation: use the specified endpoint",
        "Unable to locate credentials",
    ] {
        let expected = Failure { code: FailureCode::ProviderMisconfigured, retry: Retry::Final };
        let output = json!({"details": [format!("Error uploading 1.png to S3: {cause}")]});
        let answer = json!({"status": "FAILED", "error": "Job processing failed", "output": output});
        assert_eq!(read(&answer), Some(Report::Failed(expected)), "{cause}");
        assert_eq!(failed(&json!(cause)), (expected.code, expected.retry), "{cause}");
        let inside = json!({"status": "error", "message": cause});
        assert_eq!(failed_inside(&inside), (expected.code, expected.retry), "{cause}");
    }
    // A store that is busy is not.
    let busy = "An error occurred (SlowDown) when calling the PutObject operation (reached max retries: 4)";
    let output = json!({"details": [format!("Error uploading 1.png to S3: {busy}")]});
    let answer = json!({"status": "FAILED", "error": "Job processing failed", "output": output});
    let expected = Failure { code: FailureCode::ProviderError, retry: Retry::Final };
    assert_eq!(read(&answer), Some(Report::Failed(expected)));
}

#[test]
fn a_job_timed_out_after_retries_is_retryable() {
    for text in ["job timed out after 1 retries", "job timed out after 3 retries", "Job timed out after 1 retry"] {
        assert_eq!(failed(&json!(text)), (FailureCode::WorkerLost, Retry::Retryable), "{text}");
    }
}

#[test]
fn a_worker_that_is_gone_is_retryable() {
    for text in ["worker exited with exit code 1", "Worker was terminated", "the worker is gone", "worker lost"] {
        assert_eq!(failed(&json!(text)), (FailureCode::WorkerLost, Retry::Retryable), "{text}");
    }
}

#[test]
fn a_timeout_is_retryable_once() {
    let once = (FailureCode::Timeout, Retry::Once);
    assert_eq!(failed_inside(&json!({"status": "error", "error": {"code": "TIMEOUT", "message": "m"}})), once);
    assert_eq!(failed(&json!({"code": "timeout"})), once);
    let expected = Failure { code: once.0, retry: once.1 };
    assert_eq!(read(&json!({"id": "job-1", "status": "TIMED_OUT"})), Some(Report::Failed(expected)));
}

#[test]
fn execution_timeout_exceeded_is_retryable_once() {
    assert_eq!(failed(&json!("executionTimeout exceeded")), (FailureCode::Timeout, Retry::Once));
}

#[test]
fn an_uncaught_exception_is_read_out_of_its_string() {
    let exception = |message: &str| {
        let document = json!({
            "error_type": "<class 'RuntimeError'>", "error_message": message, "error_traceback": "Traceback …",
            "hostname": "h", "worker_id": "w", "runpod_version": "1.12.0",
        });
        failed(&json!(document.to_string()))
    };
    assert_eq!(exception("CUDA error: device-side assert"), (FailureCode::GpuError, Retry::Retryable));
    assert_eq!(exception("division by zero"), (FailureCode::ProviderError, Retry::Once));
}

#[test]
fn an_unknown_failure_gets_one_more_attempt() {
    let once = (FailureCode::ProviderError, Retry::Once);
    for error in [json!(null), json!("boom"), json!({"code": 1}), json!(7), json!("x".repeat(300_000))] {
        assert_eq!(failed(&error), once, "{}", error.to_string().len());
    }
    assert_eq!(failed(&json!("Job processing failed")), (FailureCode::ProviderError, Retry::Final));
}
