//! The Prometheus endpoint of a process, on a port of its own.

use std::net::SocketAddr;

use metrics::gauge;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

use super::generations::show_targets;
use super::zeros::{Program, show_zeros};
use super::{TelemetryError, names};

/// Records metrics from here on and serves them on `bind` as long as the process lives; every series of `program` that is
/// known in advance is there from the first reading. Needs a running tokio runtime.
///
/// # Errors
/// [`TelemetryError::Metrics`] when the address is taken, or when this process already records metrics.
pub fn serve_metrics(bind: SocketAddr, program: Program) -> Result<(), TelemetryError> {
    builder()
        .map(|builder| builder.with_http_listener(bind))
        .and_then(PrometheusBuilder::install)
        .map_err(|error| failed(bind, &error))?;
    names::describe();
    gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    show_targets();
    show_zeros(program);
    Ok(())
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    // Of several that fit, a full name counts.
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &names::SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full(names::STATEMENT_SECONDS.to_owned()), &names::STATEMENT_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full(names::GENERATION_SECONDS.to_owned()), &names::GENERATION_BUCKETS)
}

fn failed(bind: SocketAddr, error: &BuildError) -> TelemetryError {
    TelemetryError::Metrics { bind, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_rendered_with_its_help_text_and_seconds_in_buckets() {
        let recorder = builder().expect("the buckets are not empty").build_recorder();
        metrics::with_local_recorder(&recorder, || {
            names::describe();
            metrics::counter!(names::ACCEPTS_TOTAL, "outcome" => "accepted").increment(1);
            metrics::histogram!(names::HTTP_REQUEST_SECONDS, "route" => "/livez").record(0.15);
            metrics::histogram!(names::STATEMENT_SECONDS, "statement" => "accept").record(0.0007);
        });
        let page = recorder.handle().render();
        assert!(page.contains("# HELP shootx_accepts_total Requests to start a generation, by outcome"), "{page}");
        assert!(page.contains(r#"shootx_accepts_total{outcome="accepted"} 1"#), "{page}");
        assert!(page.contains(r#"shootx_statement_seconds_bucket{statement="accept",le="0.001"} 1"#), "{page}");
        assert!(page.contains(r#"shootx_http_request_seconds_bucket{route="/livez",le="0.2"} 1"#), "{page}");
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_with_its_setting() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let bind = taken.local_addr().expect("a bound address");
        let error = serve_metrics(bind, Program::Worker).expect_err("the port is taken").to_string();
        assert!(error.contains("METRICS_BIND") && error.contains(&bind.to_string()), "{error}");
    }
}
