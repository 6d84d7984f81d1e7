//! Counts and times every call to a store.

use std::time::Instant;

use super::StoreError;
use crate::telemetry::names::{STORAGE_CALL_SECONDS, STORAGE_CALLS_TOTAL};

/// An error that knows which label of the metric it is.
pub(super) trait Outcome {
    fn outcome(&self) -> &'static str;
}

impl Outcome for StoreError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::Rejected { .. } => "rejected",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

/// Awaits one call and records how it ended under `operation`.
pub(super) async fn metered<T, E: Outcome>(
    operation: &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let started = Instant::now();
    let result = call.await;
    let outcome = result.as_ref().map_or_else(Outcome::outcome, |_| "ok");
    metrics::counter!(STORAGE_CALLS_TOTAL, "operation" => operation, "outcome" => outcome).increment(1);
    metrics::histogram!(STORAGE_CALL_SECONDS, "operation" => operation).record(started.elapsed().as_secs_f64());
    result
}
