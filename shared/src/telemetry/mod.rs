//! What is seen from outside: log lines, metrics, and traces; and the ids that tie them together.
//!
//! Never logged, labelled or traced: bodies, prompts, tokens; user ids are in log lines alone.

mod call;
mod database;
mod export;
mod generations;
mod ledger;
mod metrics;
mod misconfiguration;
pub mod names;
mod queues;
mod request_id;
mod statement;
pub mod trace;
mod trace_context;
mod zeros;

pub use call::{Called, call};
pub use database::{watch_process, watch_sizes};
pub use export::{FLUSH_TIMEOUT, Traces};
pub use generations::count_begun;
pub(crate) use generations::{count_lease_lost, count_settled};
pub use ledger::{report_anomalies, show_books, watch_ledger};
pub use metrics::serve_metrics;
pub(crate) use misconfiguration::Misconfiguration;
pub use queues::watch_queues;
pub use request_id::RequestId;
pub(crate) use statement::timed;
pub use trace_context::{TRACEPARENT, TraceContext, TraceId};
pub use zeros::{Program, show_zeros};

use std::net::SocketAddr;

use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{Config, LogFormat};

/// The one variable read outside [`crate::config`], because its form is `tracing-subscriber`'s own.
pub const LOG_FILTER_VARIABLE: &str = "RUST_LOG";
/// What is logged unless that variable says otherwise: ours in full, libraries when something is wrong.
const LOG_FILTER_DEFAULT: &str =
    "info,sqlx=warn,hyper=warn,reqwest=warn,apalis=warn,apalis_core=warn,apalis_postgres=warn";

/// Why logs, metrics or traces could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("{LOG_FILTER_VARIABLE} is not a log filter such as info or shared=debug,warn")]
    Filter,
    #[error("logging was already set up in this process")]
    LogsTwice,
    #[error("metrics cannot be served on {bind} (METRICS_BIND): {reason}")]
    Metrics { bind: SocketAddr, reason: String },
    #[error("spans cannot be sent (OTEL_EXPORTER_OTLP_ENDPOINT): {reason}")]
    Traces { reason: String },
}

/// Sends log lines to standard error: JSON objects, or text for people; and the spans of `service` to where the settings
/// say. Needs a running tokio runtime.
///
/// # Errors
/// [`TelemetryError::Filter`] for a malformed `RUST_LOG`; [`TelemetryError::LogsTwice`] when called again;
/// [`TelemetryError::Traces`] for settings that no client can be made of.
pub fn init(config: &Config, service: &'static str) -> Result<Traces, TelemetryError> {
    let filter = match std::env::var(LOG_FILTER_VARIABLE) {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text).map_err(|_| TelemetryError::Filter)?,
        _ => EnvFilter::new(LOG_FILTER_DEFAULT),
    };
    let traces = Traces::start(config.traces.as_ref(), service)?;
    subscriber(config.log_format, filter, std::io::stderr, &traces)
        .try_init()
        .map_err(|_| TelemetryError::LogsTwice)?;
    Ok(traces)
}

/// What writes log lines of this format to `writer`.
pub fn lines(
    format: LogFormat,
    filter: EnvFilter,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> Box<dyn tracing::Subscriber + Send + Sync> {
    subscriber(format, filter, writer, &Traces::off())
}

/// What writes log lines of this format to `writer`, and sends spans where `traces` go. The two share no span: what is
/// exported does not depend on what is logged.
pub fn subscriber(
    format: LogFormat,
    filter: EnvFilter,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
    traces: &Traces,
) -> Box<dyn tracing::Subscriber + Send + Sync> {
    let exported_only = filter_fn(|of| of.target() == trace::TARGET).with_max_level_hint(LevelFilter::INFO);
    let exported = traces.tracer().map(|tracer| {
        let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_context_activation(false);
        let layer = layer.with_location(false).with_threads(false).with_tracked_inactivity(false);
        layer.with_filter(exported_only)
    });
    let registry = tracing_subscriber::registry().with(exported);
    // With a hint, or every callsite of every level would be asked.
    let others = filter_fn(|of| of.target() != trace::TARGET).with_max_level_hint(LevelFilter::TRACE);
    let filter = filter.and(others);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            Box::new(registry.with(lines.with_filter(filter)))
        }
        LogFormat::Pretty => Box::new(registry.with(lines.compact().with_filter(filter))),
    }
}
