//! Serves metrics for Prometheus, and `/health` for supervisors and probes, on a separate port.

use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::gauge;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::generations::show_targets;
use super::zeros::{Program, show_zeros};
use super::{TelemetryError, names};
use crate::liveness::{Liveness, Pulse};

/// How often distributions are condensed, as their size is bounded by it.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Longest time for a connection to send its request, and to stay open.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIME_MAX: Duration = Duration::from_mins(10);
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Records metrics from now on, and serves them and the health of `liveness` on `bind` while the process lives. Every
/// series of `program` that is known in advance is there from the first scrape. Needs a running tokio runtime.
///
/// # Errors
/// [`TelemetryError::Metrics`] when the address is taken, or when this process already records metrics.
pub fn serve_metrics(bind: SocketAddr, program: Program, liveness: &Liveness) -> Result<(), TelemetryError> {
    let listener = std::net::TcpListener::bind(bind).map_err(|error| failed(bind, &error))?;
    listener.set_nonblocking(true).map_err(|error| failed(bind, &error))?;
    let listener = TcpListener::from_std(listener).map_err(|error| failed(bind, &error))?;
    let handle = builder().and_then(PrometheusBuilder::install_recorder).map_err(|error| failed(bind, &error))?;
    tokio::spawn(keep_up(handle.clone(), liveness.register("metrics")));
    tokio::spawn(serve(listener, handle, liveness.clone()));
    names::describe();
    gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    show_targets();
    show_zeros(program);
    Ok(())
}

async fn keep_up(handle: PrometheusHandle, pulse: Pulse) {
    loop {
        pulse.rest(UPKEEP_EVERY).await;
        handle.run_upkeep();
    }
}

async fn serve(listener: TcpListener, handle: PrometheusHandle, liveness: Liveness) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(timeout(CONNECTION_TIME_MAX, converse(stream, handle.clone(), liveness.clone())));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, handle: PrometheusHandle, liveness: Liveness) {
    let answer = service_fn(|request: Request<_>| {
        let response = answer(request.uri().path(), &handle, &liveness);
        async { Ok::<_, Infallible>(response) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = serving.await {
        tracing::debug!(%error, "a connection for metrics broke");
    }
}

fn answer(path: &str, handle: &PrometheusHandle, liveness: &Liveness) -> Response<Full<Bytes>> {
    let (status, text) = match (path, liveness.problem()) {
        ("/health", None) => (StatusCode::OK, "OK".to_owned()),
        ("/health", Some(problem)) => (StatusCode::SERVICE_UNAVAILABLE, problem),
        _ => {
            for (name, age) in liveness.ages() {
                gauge!(names::LOOP_AGE_SECONDS, "loop" => name).set(age.as_secs_f64());
            }
            (StatusCode::OK, handle.render())
        }
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, "text/plain; version=0.0.4".parse().expect("printable"));
    response
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    // Of several that fit, a full name counts.
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &names::SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full(names::STATEMENT_SECONDS.to_owned()), &names::STATEMENT_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full(names::GENERATION_SECONDS.to_owned()), &names::GENERATION_BUCKETS)
}

fn failed(bind: SocketAddr, error: &impl Display) -> TelemetryError {
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
        let error =
            serve_metrics(bind, Program::Worker, &Liveness::default()).expect_err("the port is taken").to_string();
        assert!(error.contains("METRICS_BIND") && error.contains(&bind.to_string()), "{error}");
    }
    #[tokio::test]
    async fn health_fails_and_names_the_loop_that_stands_still() {
        let handle = builder().expect("the buckets are not empty").build_recorder().handle();
        let liveness = Liveness::new(Duration::from_millis(30));
        let pulse = liveness.register("poller");
        assert_eq!(answer("/health", &handle, &liveness).status(), StatusCode::OK);
        sleep(Duration::from_millis(40)).await;
        let unwell = answer("/health", &handle, &liveness);
        assert_eq!(unwell.status(), StatusCode::SERVICE_UNAVAILABLE);
        let said = http_body_util::BodyExt::collect(unwell.into_body()).await.expect("it is here").to_bytes();
        assert!(String::from_utf8_lossy(&said).contains("the loop \"poller\""), "{said:?}");
        pulse.turn().await;
        assert_eq!(answer("/health", &handle, &liveness).status(), StatusCode::OK);
    }
}
