//! Every form in which RunPod and the endpoints on it were seen to answer.

mod retry_table;

use std::time::Duration;

use serde_json::{Value, json};

use super::super::report::{Failure, FailureCode, Metadata, OutputRef, ProviderJobId, Report, Retry, Submission};

/// A job's answer, read.
fn read(answer: &Value) -> Option<Report> {
    let id = ProviderJobId::parse("job-1").expect("an id");
    super::report(&id, answer.to_string().as_bytes())
}

/// What a completed job with this output is.
fn completed(output: &Value) -> Report {
    read(&json!({"id": "job-1", "status": "COMPLETED", "output": output})).expect("a report")
}

/// Why a completed job with this output has failed.
fn failed_inside(output: &Value) -> (FailureCode, Retry) {
    match completed(output) {
        Report::Failed(Failure { code, retry }) => (code, retry),
        other => panic!("{output} is {other:?}"),
    }
}

/// Why a failed job with this error has failed.
fn failed(error: &Value) -> (FailureCode, Retry) {
    match read(&json!({"id": "job-1", "status": "FAILED", "error": error})).expect("a report") {
        Report::Failed(Failure { code, retry }) => (code, retry),
        other => panic!("{error} is {other:?}"),
    }
}

/// The outputs of a completed job, each as text.
fn outputs(output: &Value) -> Vec<String> {
    match completed(output) {
        Report::Completed(refs, _) => refs
            .into_iter()
            .map(|named| match named.output {
                OutputRef::Base64(text) => text,
                OutputRef::Url(url) => url.to_string(),
            })
            .collect(),
        other => panic!("{output} is {other:?}"),
    }
}

#[test]
fn a_submission_carries_input_policy_and_webhook() {
    let mut submission = Submission {
        input: json!({"workflow_type": "model"}),
        webhook: Some("https://api.example.com/hook?g=1&a=2".parse().expect("a URL")),
        execution_timeout: Duration::from_secs(45),
        ttl: Duration::from_millis(945_500),
    };
    let sent: Value = serde_json::from_slice(&super::submission(&submission)).expect("JSON");
    let expected = json!({
        "input": {"workflow_type": "model"},
        "webhook": "https://api.example.com/hook?g=1&a=2",
        "policy": {"executionTimeout": 45_000, "ttl": 945_500},
    });
    assert_eq!(sent, expected);

    submission.webhook = None;
    submission.execution_timeout = Duration::ZERO;
    submission.ttl = Duration::from_secs(u64::MAX);
    let sent: Value = serde_json::from_slice(&super::submission(&submission)).expect("JSON");
    assert_eq!(sent["policy"], json!({"executionTimeout": 5_000, "ttl": 604_800_000}));
    assert_eq!(sent.get("webhook"), None);
}

#[test]
fn an_id_is_taken_from_the_answer_of_run_or_from_nowhere() {
    let id = |answer: &Value| super::job_id(answer.to_string().as_bytes()).map(|id| id.to_string());
    assert_eq!(id(&json!({"id": "abc-u1", "status": "IN_QUEUE", "new": [1]})).as_deref(), Some("abc-u1"));
    for answer in [json!({}), json!({"id": null}), json!({"id": 7}), json!({"id": "../x"}), json!([]), json!("x")] {
        assert_eq!(id(&answer), None, "{answer}");
    }
    assert_eq!(super::job_id(b"<html>"), None);
}

#[test]
fn a_job_that_has_not_ended_is_never_looked_into() {
    let progress = json!({"images": ["aGk="], "error": "x"});
    for (status, expected) in [
        ("IN_QUEUE", Report::Waiting),
        ("IN_PROGRESS", Report::Running),
        ("RUNNING", Report::Running),
        ("PAUSED_BY_THE_MOON", Report::Waiting),
        ("completed", Report::Waiting),
    ] {
        let answer = json!({"id": "job-1", "status": status, "output": progress, "error": {"code": 1}});
        assert_eq!(read(&answer), Some(expected), "{status}");
    }
    assert_eq!(read(&json!({"id": "job-1", "status": "CANCELLED", "output": progress})), Some(Report::Cancelled));
}

#[test]
fn an_answer_about_another_job_or_about_none_says_nothing() {
    for answer in [
        json!({"id": "job-2", "status": "COMPLETED", "output": "aGk="}),
        json!({"id": 1, "status": "COMPLETED", "output": "aGk="}),
        json!({"id": "job-1"}),
        json!({"id": "job-1", "status": 4}),
        json!({"detail": "endpoint not found"}),
        json!([]),
        json!(null),
    ] {
        assert_eq!(read(&answer), None, "{answer}");
    }
    let id = ProviderJobId::parse("job-1").expect("an id");
    assert_eq!(super::report(&id, b"{\"id\":\"job-1\",\"status\":\"COMPL"), None);
    assert_eq!(super::report(&id, b"\xff\xfe"), None);
    assert_eq!(read(&json!({"status": "IN_QUEUE"})), Some(Report::Waiting));
}

#[test]
fn outputs_are_found_in_every_form_an_endpoint_gives_them() {
    let url = "https://cdn.example.com/1.png?sig=a%2Fb";
    let table = [
        // A product endpoint.
        (json!({"images": ["aGk=", "aG8="]}), vec!["aGk=", "aG8="]),
        (json!({"images": ["data:image/png;base64,aGk="]}), vec!["aGk="]),
        (json!({"images": [url]}), vec![url]),
        (json!({"images": [{"url": url, "width": 8, "height": 8, "format": "png", "size_bytes": 9}]}), vec![url]),
        (json!({"images": [{"url": "data:image/webp;base64,aGk="}, "aG8="]}), vec!["aGk=", "aG8="]),
        (json!({"status": "success", "images": ["aGk="], "error": null, "metadata": {}}), vec!["aGk="]),
        // worker-comfyui since 5, also where some of its outputs failed.
        (json!({"images": [{"filename": "a_1_.png", "type": "base64", "data": "aGk="}]}), vec!["aGk="]),
        (json!({"images": [{"filename": "a_1_.png", "type": "s3_url", "data": url}]}), vec![url]),
        (json!({"images": [{"type": "base64", "data": "aGk="}], "errors": ["node 4 failed"]}), vec!["aGk="]),
        // worker-comfyui before 5.
        (json!({"status": "success", "message": "aGk=", "refresh_worker": true}), vec!["aGk="]),
        (json!({"status": "success", "message": "data:image/png;base64,aGk="}), vec!["aGk="]),
        (json!({"message": url}), vec![url]),
        // Bare.
        (json!("aGk="), vec!["aGk="]),
        (json!("data:image/jpeg;charset=x;base64,aGk="), vec!["aGk="]),
        (json!(["aGk=", {"url": url}]), vec!["aGk=", url]),
        (json!({"images": "aGk="}), vec!["aGk="]),
        // What is no output is left out; the others keep their order.
        (json!({"images": [null, 7, {}, "aGk=", "no base64!", ["aG8="], {"data": 1}, "aG8="]}), vec!["aGk=", "aG8="]),
        (json!({"images": [{"type": "s3_url", "data": "simulated_uploaded/x.png"}, "aGk="]}), vec!["aGk="]),
    ];
    for (output, expected) in table {
        assert_eq!(outputs(&output), expected, "{output}");
    }
}

#[test]
fn the_names_of_files_are_told_where_there_are_some() {
    let named = |filename: Value| json!({"filename": filename, "type": "base64", "data": "aGk="});
    let images = json!([named(json!("a-2_00001_.png")), named(json!(7)), named(json!("x".repeat(300))), "aGk="]);
    let Report::Completed(outputs, _) = completed(&json!({ "images": images })) else { panic!("four outputs") };
    let names: Vec<_> = outputs.iter().map(|output| output.file_name.as_deref()).collect();
    assert_eq!(names, [Some("a-2_00001_.png"), None, None, None]);
}

#[test]
fn no_more_outputs_are_read_than_there_can_be() {
    let output = json!({"images": vec!["aGk="; 5_000]});
    assert_eq!(outputs(&output).len(), 16);
}

#[test]
fn seed_and_durations_are_taken_where_they_make_sense() {
    let metadata = |answer: &Value| match read(answer) {
        Some(Report::Completed(_, metadata)) => metadata,
        other => panic!("{answer} is {other:?}"),
    };
    let output = |seed: Value| json!({"images": ["aGk="], "metadata": {"seed": seed, "resolution": "8x8"}});
    let answer = json!({"status": "COMPLETED", "delayTime": 1500, "executionTime": 250.5, "output": output(json!(7))});
    let expected = Metadata {
        seed: Some(7),
        delay: Some(Duration::from_millis(1500)),
        execution: Some(Duration::from_secs_f64(0.2505)),
    };
    assert_eq!(metadata(&answer), expected);
    let seed = |seed: Value| metadata(&json!({"status": "COMPLETED", "output": output(seed)})).seed;
    assert_eq!(seed(json!("9007199254740991")), Some(9_007_199_254_740_991));
    assert_eq!(seed(json!(1.5)), None);
    assert_eq!(seed(json!({"a": 1})), None);
    let answer = json!({"status": "COMPLETED", "delayTime": -1, "executionTime": "x", "output": "aGk="});
    assert_eq!(metadata(&answer), Metadata::default());
}

#[test]
fn a_deep_or_long_answer_is_survived() {
    let id = ProviderJobId::parse("job-1").expect("an id");
    let deep = format!("{{\"status\":\"COMPLETED\",\"output\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(!matches!(super::report(&id, deep.as_bytes()), Some(Report::Completed(..))));
    let long = format!("{{\"status\":\"COMPLETED\",\"output\":[{}0]}}", "0,".repeat(1_000_000));
    assert_eq!(super::report(&id, long.as_bytes()), Some(Report::Failed(Failure::NO_OUTPUT)));
}
