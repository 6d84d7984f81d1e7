//! A call to somebody else, as it is seen from outside: a span of the trace, and a line of the log at debug.

use std::time::{Duration, Instant};

use tracing::Instrument;

use super::trace;

/// A call that has ended.
pub struct Called<T, E> {
    pub result: Result<T, E>,
    pub outcome: &'static str,
    pub took: Duration,
}

/// Awaits one call of `operation` at `peer`; `failure` names an error, and nothing else of it is written down.
pub async fn call<T, E>(
    peer: &'static str,
    operation: &'static str,
    failure: impl FnOnce(&E) -> &'static str,
    call: impl Future<Output = Result<T, E>>,
) -> Called<T, E> {
    let span = trace::call(peer, operation);
    let begun = Instant::now();
    let result = call.instrument(span.clone()).await;
    let took = begun.elapsed();
    let outcome = result.as_ref().map_or_else(failure, |_| "ok");
    trace::end(&span, outcome, result.is_err());
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(peer, operation, outcome, took_ms, "called");
    Called { result, outcome, took }
}
