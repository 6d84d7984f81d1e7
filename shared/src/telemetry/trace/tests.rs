//! Contexts without an exporter; spans and log lines with one, in memory.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devstack::log_lines::on_this_thread;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanProcessor};
use tracing::Instrument;

use super::*;
use crate::config::LogFormat;
use crate::telemetry::{Traces, call as called, subscriber};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn caller() -> TraceContext {
    TraceContext::parse(CALLER).expect("well-formed")
}

fn linked() -> TraceContext {
    caller().with_span(NonZeroU64::MIN)
}

fn unrecorded() -> TraceContext {
    TraceContext::new(caller().trace_id().get(), caller().span_id(), false)
}

#[test]
fn without_an_exporter_contexts_are_handed_on_all_the_same() {
    for asked in [caller(), unrecorded()] {
        let request = RequestTrace::begin("POST", "id", Some(asked)).context();
        let step = StepTrace::begin("submit", Some(request)).context();
        let sent = hand_on(Some(step)).expect("it is in a trace");
        let all = [asked, request, step, sent];
        for (n, context) in all.iter().enumerate() {
            assert_eq!((context.trace_id(), context.sampled()), (asked.trace_id(), asked.sampled()));
            assert!(all[..n].iter().all(|earlier| earlier.span_id() != context.span_id()), "{all:?}");
        }
    }
    let first = RequestTrace::begin("POST", "id", None).context();
    assert!(!first.sampled(), "nobody records it");
    assert_ne!(first.trace_id(), RequestTrace::begin("POST", "id", None).context().trace_id());
    assert_eq!(hand_on(None), None);
}

/// Keeps spans, and what is logged.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<(Vec<SpanData>, Vec<u8>)>>);

impl SpanProcessor for Kept {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().expect("nobody panicked").0.push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").1.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn spans_are_exported_with_parents_and_links_and_never_show_in_log_lines() {
    let kept = Kept::default();
    let traces = Traces(Some(SdkTracerProvider::builder().with_span_processor(kept.clone()).build()));
    let writer = kept.clone();
    let filter = "warn,shared=debug".parse().expect("a filter");
    let subscriber = subscriber(LogFormat::Json, filter, move || writer.clone(), &traces);
    let (request, step, sent) = {
        let _listening = on_this_thread(subscriber);
        let request = RequestTrace::begin("POST", "id-1", Some(caller()));
        request.link(unrecorded());
        request.link(linked());
        request.answered("POST", "/generate", 503);
        let log = tracing::info_span!("step", trace_id = %request.context().trace_id());
        let step = StepTrace::begin("submit", Some(request.context()));
        step.about("generation_id", 7);
        let sent = async { Ok::<_, ()>(hand_on(None)) };
        let sent = called("runpod", "run", |()| "rejected", sent).instrument(step.span()).instrument(log);
        let sent = futures::executor::block_on(sent).result.expect("it is ok").expect("it is exported");
        step.ended("submitted", false);
        (request.context(), step.context(), sent)
    };

    let (spans, log) = kept.0.lock().expect("nobody panicked").clone();
    let find = |context: TraceContext| {
        let id = SpanId::from(context.span_id().get());
        let found = spans.iter().find(|span| span.span_context.span_id() == id);
        found.unwrap_or_else(|| panic!("{context} is not among {spans:?}"))
    };
    let parent = |context: TraceContext| u64::from_be_bytes(find(context).parent_span_id.to_bytes());
    assert_eq!((parent(request), parent(step)), (caller().span_id().get(), request.span_id().get()));
    assert_eq!(parent(sent), step.span_id().get());
    assert!([request, step, sent].iter().all(|context| context.trace_id() == caller().trace_id()));
    let links = |context| find(context).links.iter().map(|link| link.span_context.clone()).collect::<Vec<_>>();
    assert_eq!((links(request), links(step)), (vec![remote(linked())], vec![remote(request)]));
    assert_eq!(
        (&*find(request).name, &*find(step).name, &*find(sent).name),
        ("POST /generate", "submit", "runpod run")
    );
    assert!(matches!(find(request).status, opentelemetry::trace::Status::Error { .. }));
    assert_eq!(spans.len(), 3);

    let log = String::from_utf8(log).expect("text");
    let line: serde_json::Value = serde_json::from_str(&log).expect("one line");
    assert_eq!((&line["message"], &line["peer"], &line["outcome"]), (&"called".into(), &"runpod".into(), &"ok".into()));
    assert_eq!(line["span"], serde_json::json!({"name": "step", "trace_id": caller().trace_id().to_string()}));
}
