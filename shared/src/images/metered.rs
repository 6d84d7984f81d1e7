//! Counts and times every call to a store.

use super::StoreError;
use crate::telemetry::names::{STORAGE_CALL_SECONDS, STORAGE_CALLS_TOTAL};
use crate::telemetry::{Called, Misconfiguration, call};

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
            Self::Misconfigured { .. } => "misconfigured",
            Self::Unavailable { .. } => "unavailable",
        }
    }
}

/// Awaits one call and records how it ended under `operation`.
pub(super) async fn metered<T, E: Outcome>(
    operation: &'static str,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Called { result, outcome, took } = call("storage", operation, Outcome::outcome, asking).await;
    metrics::counter!(STORAGE_CALLS_TOTAL, "operation" => operation, "outcome" => outcome).increment(1);
    match (operation, outcome) {
        (_, "misconfigured") => Misconfiguration::StoreDenies.count(),
        ("put", "rejected" | "too_large") => Misconfiguration::StoreRefuses.count(),
        _ => {}
    }
    metrics::histogram!(STORAGE_CALL_SECONDS, "operation" => operation).record(took.as_secs_f64());
    result
}
