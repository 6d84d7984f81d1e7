//! Spans of traces, and the contexts by which they are told of to others.
//!
//! These spans are the exporter's alone and cost nothing while there is none; log lines never show them, and carry the
//! trace's id as a field of their own spans. A context is handed on either way.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::TraceContext;

/// What marks the spans that are exported, and only exported.
pub(super) const TARGET: &str = "shootx::trace";

/// The span of a request that is being answered.
#[derive(Clone, Debug)]
pub struct RequestTrace {
    span: Span,
    context: TraceContext,
}

impl RequestTrace {
    /// Begins a span below the caller's, or a trace of its own.
    #[must_use]
    pub fn begin(method: &'static str, request_id: &str, caller: Option<TraceContext>) -> Self {
        let span = tracing::info_span!(
            target: TARGET,
            parent: None,
            "request",
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = method,
            http.response.status_code = Empty,
            http.route = Empty,
            request_id,
        );
        let context = rooted(&span, caller);
        Self { span, context }
    }

    /// The span itself, for what is done in it.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// What is known of it elsewhere.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Notes that this request is about what another one began; not where that is recorded nowhere.
    pub fn link(&self, to: TraceContext) {
        if to.sampled() {
            self.span.add_link(remote(to));
        }
    }

    /// Notes how it was answered.
    pub fn answered(&self, method: &str, route: &str, status: u16) {
        if self.span.is_disabled() {
            return;
        }
        TraceContextExt::span(&self.span.context()).update_name(format!("{method} {route}"));
        self.span.record("http.route", route).record("http.response.status_code", i64::from(status));
        if status >= 500 {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

/// The span of one step of a worker.
#[derive(Debug)]
pub struct StepTrace {
    span: Span,
    context: TraceContext,
}

impl StepTrace {
    /// Begins a span in the trace of the request that asked for the step, linked to it because it has long been
    /// answered; or a trace of its own.
    #[must_use]
    pub fn begin(step: &'static str, asked: Option<TraceContext>) -> Self {
        let span = tracing::info_span!(
            target: TARGET,
            parent: None,
            "step",
            otel.name = step,
            otel.kind = "consumer",
            otel.status_code = Empty,
            step,
            outcome = Empty,
        );
        let context = rooted(&span, asked);
        if let Some(asked) = asked {
            span.add_link(remote(asked));
        }
        Self { span, context }
    }

    /// Notes what the step is about, named as log lines name it.
    pub fn about(&self, name: &'static str, id: impl fmt::Display) {
        if !self.span.is_disabled() {
            self.span.set_attribute(name, id.to_string());
        }
    }

    /// The span itself, for what is done in it.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// What is known of it elsewhere.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Notes what came of it.
    pub fn ended(&self, outcome: &str, is_error: bool) {
        end(&self.span, outcome, is_error);
    }
}

/// A span for one call to somebody else.
pub(super) fn call(peer: &'static str, operation: &'static str) -> Span {
    let name = format_args!("{peer} {operation}");
    tracing::info_span!(
        target: TARGET,
        "call",
        otel.name = %name,
        otel.kind = "client",
        otel.status_code = Empty,
        peer.service = peer,
        operation,
        outcome = Empty,
    )
}

pub(super) fn end(span: &Span, outcome: &str, is_error: bool) {
    span.record("outcome", outcome);
    if is_error {
        span.record("otel.status_code", "ERROR");
    }
}

/// The context to hand on with what is asked of others now: of the current span where that is exported, else another
/// span of the trace that this is done for.
#[must_use]
pub fn hand_on(asked: Option<TraceContext>) -> Option<TraceContext> {
    exported(&Span::current()).or_else(|| asked.map(|asked| asked.with_span(random_span_id())))
}

/// Puts a new span below `parent`, or at the root of a new trace, and says what it is known as.
fn rooted(span: &Span, parent: Option<TraceContext>) -> TraceContext {
    if let Some(parent) = parent {
        // Fails only where nothing is exported.
        let _ = span.set_parent(Context::new().with_remote_span_context(remote(parent)));
    }
    exported(span).unwrap_or_else(|| match parent {
        Some(parent) => parent.with_span(random_span_id()),
        // Nobody records it.
        None => TraceContext::new(random_trace_id(), random_span_id(), false),
    })
}

/// What the exporter knows this span as.
fn exported(span: &Span) -> Option<TraceContext> {
    let context = span.context();
    let span = TraceContextExt::span(&context);
    let known = span.span_context();
    let trace_id = NonZeroU128::new(u128::from_be_bytes(known.trace_id().to_bytes()))?;
    let span_id = NonZeroU64::new(u64::from_be_bytes(known.span_id().to_bytes()))?;
    Some(TraceContext::new(trace_id, span_id, known.is_sampled()))
}

fn remote(context: TraceContext) -> SpanContext {
    let flags = if context.sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(
        TraceId::from(context.trace_id().get().get()),
        SpanId::from(context.span_id().get()),
        flags,
        true,
        TraceState::default(),
    )
}

/// All but one in 2^128 are taken at once.
fn random_trace_id() -> NonZeroU128 {
    NonZeroU128::new(rand::random()).unwrap_or(NonZeroU128::MAX)
}

fn random_span_id() -> NonZeroU64 {
    NonZeroU64::new(rand::random()).unwrap_or(NonZeroU64::MAX)
}

#[cfg(test)]
mod tests;
