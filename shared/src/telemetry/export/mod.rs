//! Sends spans to a receiver of OTLP, over HTTP as protobuf, where one is set. Nothing that is traced waits for it: spans
//! go in batches from a thread of their own, and what does not fit its queue is dropped and counted.

mod bounds;
mod http;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider};

use crate::config;
use bounds::{BoundedProcessor, CountedExporter};
use http::Client;

use super::TelemetryError;

/// Spans that wait to be sent; more are dropped. Each is about a kilobyte.
const QUEUE_MAX: usize = 4096;
/// Spans sent at once.
const BATCH_MAX: usize = 512;
/// How long a span waits for others to go with.
const BATCH_EVERY: Duration = Duration::from_secs(2);
/// How long sending one batch may take, repetitions (by the library, where the receiver says that it is busy) and all.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the end of a process waits for what is not yet sent.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a process's spans go: to the receiver of its settings, or nowhere.
#[derive(Debug)]
pub struct Traces(pub(super) Option<SdkTracerProvider>);

impl Traces {
    /// To nowhere.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Starts to send spans of `service`, if the settings name a receiver. Needs a running tokio runtime.
    ///
    /// # Errors
    /// [`TelemetryError::Traces`] where no client can be made of the settings; not where nobody answers.
    pub fn start(settings: Option<&config::Traces>, service: &'static str) -> Result<Self, TelemetryError> {
        let Some(settings) = settings else { return Ok(Self(None)) };
        let failed = |reason: String| TelemetryError::Traces { reason };
        let mut endpoint = settings.endpoint.clone();
        endpoint.path_segments_mut().expect("an http address, by its rule").pop_if_empty().extend(["v1", "traces"]);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new(settings).map_err(|error| failed(error.to_string()))?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.as_str())
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_MAX)
            .with_max_export_batch_size(BATCH_MAX)
            .with_scheduled_delay(BATCH_EVERY)
            .build();
        let exporter = CountedExporter::new(exporter);
        let waiting = exporter.waiting();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        // Not the environment's: what is sent is in the settings.
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.name", service),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ]);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BoundedProcessor::new(processor, waiting, QUEUE_MAX))
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(settings.sample_ratio))))
            .with_resource(resource.build())
            .build();
        Ok(Self(Some(provider)))
    }

    /// What makes the spans.
    pub(super) fn tracer(&self) -> Option<SdkTracer> {
        self.0.as_ref().map(|provider| provider.tracer("shootx"))
    }

    /// Sends what waits, for at most [`FLUSH_TIMEOUT`]. Later spans go nowhere.
    pub async fn flush(self) {
        let Some(provider) = self.0 else { return };
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the last spans could not be sent in time");
        }
    }
}
