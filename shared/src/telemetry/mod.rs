//! What is seen from outside: log lines, metrics and the request id that ties them together.
//!
//! Never logged or labelled: bodies, prompts, tokens, user ids as labels.

mod database;
mod generations;
mod ledger;
mod metrics;
pub mod names;
mod queues;
mod request_id;
mod statement;

pub use database::{watch_process, watch_sizes};
pub use generations::count_begun;
pub(crate) use generations::{count_lease_lost, count_settled};
pub use ledger::{report_anomalies, show_books, watch_ledger};
pub use metrics::serve_metrics;
pub use queues::watch_queues;
pub use request_id::RequestId;
pub(crate) use statement::timed;

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// The one variable read outside [`crate::config`], because its form is `tracing-subscriber`'s own.
pub const LOG_FILTER_VARIABLE: &str = "RUST_LOG";
/// What is logged unless that variable says otherwise: ours in full, libraries when something is wrong.
const LOG_FILTER_DEFAULT: &str =
    "info,sqlx=warn,hyper=warn,reqwest=warn,apalis=warn,apalis_core=warn,apalis_postgres=warn";

/// Why logs or metrics could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("{LOG_FILTER_VARIABLE} is not a log filter such as info or shared=debug,warn")]
    Filter,
    #[error("logging was already set up in this process")]
    LogsTwice,
    #[error("metrics cannot be served on {bind} (METRICS_BIND): {reason}")]
    Metrics { bind: SocketAddr, reason: String },
}

/// Sends log lines to standard error: JSON objects, or text for people.
///
/// # Errors
/// [`TelemetryError::Filter`] for a malformed `RUST_LOG`; [`TelemetryError::LogsTwice`] when called again.
pub fn init(format: LogFormat) -> Result<(), TelemetryError> {
    let filter = match std::env::var(LOG_FILTER_VARIABLE) {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text).map_err(|_| TelemetryError::Filter)?,
        _ => EnvFilter::new(LOG_FILTER_DEFAULT),
    };
    lines(format, filter, std::io::stderr).try_init().map_err(|_| TelemetryError::LogsTwice)
}

/// What writes log lines of this format to `writer`.
pub fn lines(
    format: LogFormat,
    filter: EnvFilter,
    writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static,
) -> Box<dyn tracing::Subscriber + Send + Sync> {
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => {
            Box::new(registry.with(lines.json().flatten_event(true).with_current_span(true).with_span_list(false)))
        }
        LogFormat::Pretty => Box::new(registry.with(lines.compact())),
    }
}
