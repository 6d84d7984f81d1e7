//! RunPod's JSON, and nobody else knows it: what is sent, and what comes back in all the forms that were seen.
//!
//! Answers are hostile input. They are read as slices of text first and taken apart only where something is
//! wanted of them, so that a crafted body costs no more memory than its own length; `output` is not looked at
//! before the job has ended, because until then it holds progress values.

mod failure;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod output;

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::report::{Failure, FailureCode, Metadata, ProviderJobId, Report, Retry, Submission};
use failure::Account;
use output::Output;

/// What RunPod takes as `executionTimeout` and as `ttl` at least, and both at most.
const EXECUTION_TIMEOUT_MIN: Duration = Duration::from_secs(5);
const TTL_MIN: Duration = Duration::from_secs(10);
const POLICY_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A job as `/status` and the webhook show it. Every field may be missing or odd.
#[derive(Deserialize)]
struct Job<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow, rename = "delayTime")]
    delay: Option<&'a RawValue>,
    #[serde(borrow, rename = "executionTime")]
    execution: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// The body of `/run`.
pub(super) fn submission(submission: &Submission) -> Vec<u8> {
    let execution_timeout = submission.execution_timeout.clamp(EXECUTION_TIMEOUT_MIN, POLICY_MAX);
    let mut body = json!({
        "input": submission.input,
        "policy": {
            "executionTimeout": milliseconds(execution_timeout),
            "ttl": milliseconds(submission.ttl.clamp(TTL_MIN, POLICY_MAX)),
        },
    });
    if let Some(webhook) = &submission.webhook {
        body["webhook"] = Value::from(webhook.as_str());
    }
    body.to_string().into_bytes()
}

/// The id in the answer of `/run`, if there is a usable one.
pub(super) fn job_id(body: &[u8]) -> Option<ProviderJobId> {
    let job: Job<'_> = serde_json::from_slice(body).ok()?;
    ProviderJobId::parse(text(job.id?)?).ok()
}

/// What the answer of `/status` says of the job that was asked for; `None` where it says nothing of it.
pub(super) fn report(asked: &ProviderJobId, body: &[u8]) -> Option<Report> {
    let job: Job<'_> = serde_json::from_slice(body).ok()?;
    // One job's pictures must never be taken for another's.
    if job.id.is_some_and(|id| text(id).as_deref() != Some(asked.as_str())) {
        tracing::error!(provider_job_id = %asked, "the provider answered about another job");
        return None;
    }
    let status = text(job.status?)?;
    Some(match status.as_str() {
        "IN_QUEUE" => Report::Waiting,
        "IN_PROGRESS" | "RUNNING" => Report::Running,
        "COMPLETED" => completed(&job),
        "FAILED" => Report::Failed(failed(&job)),
        "TIMED_OUT" => Report::Failed(Failure { code: FailureCode::Timeout, retry: Retry::Once }),
        "CANCELLED" => Report::Cancelled,
        _ => {
            tracing::warn!(provider_job_id = %asked, length = status.len(), "unknown status of a provider job");
            Report::Waiting
        }
    })
}

/// A job that ended well, or says so: errors hide in there, and results go missing.
fn completed(job: &Job<'_>) -> Report {
    let output = job.output.map(Output::read).unwrap_or_default();
    let account = Account::of([job.error, output.error]);
    if output.is_error || !account.is_empty() {
        return Report::Failed(account.failure_inside_completed());
    }
    if output.refs.is_empty() {
        return Report::Failed(Failure::NO_OUTPUT);
    }
    let metadata = Metadata {
        seed: output.seed,
        delay: job.delay.and_then(duration),
        execution: job.execution.and_then(duration),
    };
    Report::Completed(output.refs, metadata)
}

fn failed(job: &Job<'_>) -> Failure {
    let output = job.output.map(Output::read).unwrap_or_default();
    Account::of([job.error, output.error, output.details]).failure()
}

/// A JSON string, or `None` for any other value.
fn text(raw: &RawValue) -> Option<String> {
    if raw.get().starts_with('"') { serde_json::from_str(raw.get()).ok() } else { None }
}

/// Milliseconds, whole or not, as a duration; `None` where they make no sense.
fn duration(raw: &RawValue) -> Option<Duration> {
    let milliseconds: f64 = raw.get().parse().ok()?;
    Duration::try_from_secs_f64(milliseconds / 1000.0).ok().filter(|duration| *duration <= POLICY_MAX)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
