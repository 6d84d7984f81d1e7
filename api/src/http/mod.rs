//! What surrounds every endpoint: request id, access log, metrics, cross-origin rules, and one form of refusal.

mod cors;
mod drain;
mod observe;
mod problems;
mod routes;
mod throttle;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use shared::ids::UserId;
use shared::telemetry::trace::RequestTrace;
use shared::telemetry::{RequestId, TraceContext};

use crate::limits::RateFields;

pub(crate) use cors::{Cors, HeaderNames};
pub(crate) use drain::Drain;
pub(crate) use observe::Observe;
pub(crate) use problems::Problems;
pub(crate) use routes::Routes;
pub(crate) use throttle::Throttle;

/// What is known of a request while it is answered, for its log line and its headers. Travels in the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Seen(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    request_id: RequestId,
    trace: RequestTrace,
    /// The request and the trace that this one is about, where it is about another: a webhook.
    run: OnceLock<(String, Option<TraceContext>)>,
    user_id: OnceLock<UserId>,
    rate: Mutex<Option<RateFields>>,
}

impl Seen {
    fn new(request_id: RequestId, trace: RequestTrace) -> Self {
        let (run, user_id, rate) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        Self(Arc::new(Inner { request_id, trace, run, user_id, rate }))
    }

    /// The id of this request.
    pub(crate) fn request_id(&self) -> &str {
        self.0.request_id.as_str()
    }

    /// The span of this request.
    pub(crate) fn trace(&self) -> TraceContext {
        self.0.trace.context()
    }

    /// Notes which request asked for what this one tells of.
    pub(crate) fn note_run(&self, request_id: String, trace: Option<TraceContext>) {
        if let Some(trace) = trace {
            self.0.trace.link(trace);
        }
        self.0.run.get_or_init(|| (request_id, trace));
    }

    fn run(&self) -> Option<&(String, Option<TraceContext>)> {
        self.0.run.get()
    }

    /// Notes who turned out to be asking.
    pub(crate) fn note_user(&self, user_id: UserId) {
        self.0.user_id.get_or_init(|| user_id);
    }

    /// Notes how much of a rate limit the caller has left; the response states the one that was noted last.
    pub(crate) fn note_rate(&self, rate: RateFields) {
        *self.rate_noted() = Some(rate);
    }

    fn rate(&self) -> Option<RateFields> {
        self.rate_noted().clone()
    }

    fn rate_noted(&self) -> MutexGuard<'_, Option<RateFields>> {
        self.0.rate.lock().expect("nothing panics while it holds this lock")
    }

    /// The user who sent the request, once the token is verified.
    pub(crate) fn user_id(&self) -> Option<UserId> {
        self.0.user_id.get().copied()
    }
}
