//! What keeps the exporter within its bounds, and counts what it sends and what it loses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::counter;
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

use crate::telemetry::names::TRACE_SPANS_TOTAL;

/// How often at most it is said that spans are lost.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Spans that wait, from their end until their batch is taken up.
pub(super) type Waiting = Arc<AtomicUsize>;

/// Lets as many spans through as the queue behind it holds; so that queue never drops any, and we can count.
#[derive(Debug)]
pub(super) struct BoundedProcessor<P> {
    inner: P,
    waiting: Waiting,
    max: usize,
}

impl<P> BoundedProcessor<P> {
    pub(super) fn new(inner: P, waiting: Waiting, max: usize) -> Self {
        Self { inner, waiting, max }
    }
}

impl<P: SpanProcessor> SpanProcessor for BoundedProcessor<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::AcqRel) < self.max {
            self.inner.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            counter!(TRACE_SPANS_TOTAL, "outcome" => "dropped").increment(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what an exporter sends and what it fails to send.
#[derive(Debug)]
pub(super) struct CountedExporter<E> {
    inner: E,
    waiting: Waiting,
    warned_at: Mutex<Option<Instant>>,
}

impl<E> CountedExporter<E> {
    pub(super) fn new(inner: E) -> Self {
        Self { inner, waiting: Waiting::default(), warned_at: Mutex::new(None) }
    }

    /// Counts down as batches are taken up.
    pub(super) fn waiting(&self) -> Waiting {
        Arc::clone(&self.waiting)
    }

    /// Whether it is time to say again that spans are lost.
    fn may_warn(&self, now: Instant) -> bool {
        let mut warned_at = self.warned_at.lock().unwrap_or_else(PoisonError::into_inner);
        let may = warned_at.is_none_or(|at| now.duration_since(at) >= WARN_EVERY);
        if may {
            *warned_at = Some(now);
        }
        may
    }
}

impl<E: SpanExporter> SpanExporter for CountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.waiting.fetch_sub(spans, Ordering::AcqRel);
        let sent = self.inner.export(batch).await;
        let outcome = if sent.is_ok() { "sent" } else { "failed" };
        counter!(TRACE_SPANS_TOTAL, "outcome" => outcome).increment(spans as u64);
        // Not with the receiver's own words.
        if sent.is_err() && self.may_warn(Instant::now()) {
            tracing::warn!(spans, "spans are lost: their receiver (OTEL_EXPORTER_OTLP_ENDPOINT) does not take them");
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests;
