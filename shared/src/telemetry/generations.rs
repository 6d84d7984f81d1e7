//! What becomes of generations, counted where it is committed.

use chrono::{DateTime, Utc};
use metrics::{counter, gauge, histogram};

use super::names;
use crate::generation::{Run, Stage};
use crate::queue::Queue;
use crate::workflow::{self, CATALOGUE};

/// Tells how long each workflow should take, so that an alert can compare.
pub(super) fn show_targets() {
    for workflow in CATALOGUE {
        let seconds = workflow.target.as_secs_f64();
        gauge!(names::WORKFLOW_TARGET_SECONDS, "workflow" => workflow.kind.as_str()).set(seconds);
    }
}

/// A worker begins the first try of `queue`'s step for a run; later tries wait on purpose.
pub fn count_begun(queue: Queue, run: &Run, now: DateTime<Utc>) {
    let since = match queue {
        Queue::Submit => Some(run.accepted_at).filter(|_| run.attempt == 1),
        Queue::Collect => run.result_at,
        Queue::Notify => None,
    };
    if let Some(since) = since.filter(|_| run.tries == 0) {
        histogram!(names::ENQUEUE_TO_START_SECONDS, "queue" => queue.as_str()).record(seconds(since, now));
    }
}

/// A run has become final, and that is committed.
pub(crate) fn count_settled(run: &Run) {
    let workflow = workflow::find(&run.workflow).map_or("other", |workflow| workflow.kind.as_str());
    let outcome = outcome(run.stage);
    counter!(names::GENERATIONS_TOTAL, "workflow" => workflow, "outcome" => outcome).increment(1);
    if let (Stage::Failed, Some(code)) = (run.stage, &run.error_code) {
        counter!(names::GENERATION_FAILURES_TOTAL, "code" => code.clone()).increment(1);
    }
    if !run.cancel_fee.is_zero() {
        counter!(names::CANCELS_CHARGED_TOTAL).increment(1);
    }
    let Some(settled_at) = run.settled_at else { return };
    histogram!(names::GENERATION_SECONDS, "workflow" => workflow, "outcome" => outcome)
        .record(seconds(run.accepted_at, settled_at));
    if let Some(result_at) = run.result_at {
        histogram!(names::SETTLE_SECONDS).record(seconds(result_at, settled_at));
    }
}

/// What a step decided is dropped: the run has another holder.
pub(crate) fn count_lease_lost() {
    counter!(names::LEASES_LOST_TOTAL).increment(1);
}

fn outcome(stage: Stage) -> &'static str {
    match stage {
        Stage::Completed => "completed",
        Stage::Failed => "failed",
        Stage::Cancelled => "cancelled",
        Stage::Queued | Stage::Submitting | Stage::Running | Stage::Collecting => "open",
    }
}

fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64().max(0.0)
}
