//! Bounds of the exporter: with a queue that nobody empties, and a receiver that refuses.

use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::trace::SdkTracerProvider;

use super::*;

/// Keeps how many spans came.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<AtomicUsize>);

impl SpanProcessor for Kept {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Refuses all.
#[derive(Debug)]
struct Refusing;

impl SpanExporter for Refusing {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Err(OTelSdkError::InternalFailure("words of the receiver".to_owned()))
    }
}

#[test]
fn what_does_not_fit_is_dropped_and_counted_and_room_is_made_by_every_batch() {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let (kept, exporter) = (Kept::default(), CountedExporter::new(Refusing));
        let processor = BoundedProcessor::new(kept.clone(), exporter.waiting(), 2);
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let end_three = || (0..3).for_each(|_| provider.tracer("test").start("span").end());
        end_three();
        assert_eq!(kept.0.load(Ordering::Acquire), 2);
        exporter.waiting.fetch_sub(2, Ordering::AcqRel);
        end_three();
        assert_eq!(kept.0.load(Ordering::Acquire), 4);
    });
    let page = recorder.handle().render();
    assert!(page.contains(r#"shootx_trace_spans_total{outcome="dropped"} 2"#), "{page}");
}

#[test]
fn lost_batches_are_counted_and_told_of_once_a_minute() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let exporter = CountedExporter::new(Refusing);
    metrics::with_local_recorder(&recorder, || {
        assert!(futures::executor::block_on(exporter.export(Vec::new())).is_err());
    });
    let page = recorder.handle().render();
    assert!(page.contains(r#"shootx_trace_spans_total{outcome="failed"} 0"#), "{page}");
    let warned_at = exporter.warned_at.lock().expect("nobody panicked").expect("the first loss is told of");
    assert!(!exporter.may_warn(warned_at + WARN_EVERY / 2));
    assert!(exporter.may_warn(warned_at + WARN_EVERY));
    assert!(!exporter.may_warn(warned_at + WARN_EVERY + WARN_EVERY / 2));
}
