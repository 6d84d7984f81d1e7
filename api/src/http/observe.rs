//! One log line, one span and two metrics for every request. Neither bodies nor tokens nor query strings are written down.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::combinators::BoxBody;
use poem::http::{HeaderMap, HeaderValue, Method, header};
use poem::{Body, Endpoint, IntoResponse, Middleware, PathPattern, Request, Response};
use shared::telemetry::trace::RequestTrace;
use shared::telemetry::{RequestId, TRACEPARENT, TraceContext, names};
use tracing::Instrument;
use tracing::field::display;

use super::{Routes, Seen};

/// Carries the request id in and out.
const REQUEST_ID: &str = "x-request-id";

/// Gives each request its id, and writes its log line and metrics.
pub(crate) struct Observe {
    pub(crate) routes: Routes,
}

pub(crate) struct Observed<E> {
    inner: E,
    routes: Routes,
}

impl<E: Endpoint> Middleware<E> for Observe {
    type Output = Observed<E>;

    fn transform(&self, inner: E) -> Self::Output {
        Observed { inner, routes: self.routes.clone() }
    }
}

impl<E: Endpoint> Endpoint for Observed<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let method = label(request.method());
        let request_id = RequestId::accept(request.header(REQUEST_ID));
        let trace = RequestTrace::begin(method, request_id.as_str(), caller_of(request.headers()));
        let seen = Seen::new(request_id, trace.clone());
        request.set_data(seen.clone());
        let bytes_in = content_length(request.headers());
        let trace_id = trace.context().trace_id();
        let span = tracing::info_span!("request", request_id = seen.request_id(), %trace_id);
        let outcome = self.inner.call(request).instrument(span.clone()).instrument(trace.span()).await;
        let mut response = outcome.map_or_else(poem::Error::into_response, IntoResponse::into_response);
        let bytes_out = size(&mut response);
        if let Ok(value) = HeaderValue::from_str(seen.request_id()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let route = self.routes.name(response.data::<PathPattern>());
        let status = response.status().as_u16();
        let elapsed = started.elapsed();
        trace.answered(method, &route, status);
        span.in_scope(|| {
            let user_id = seen.user_id().map(display);
            let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            let run_request_id = seen.run().map(|(request_id, _)| request_id);
            let run_trace_id = seen.run().and_then(|(_, trace)| Some(display(trace.as_ref()?.trace_id())));
            tracing::info!(
                method,
                route,
                status,
                duration_ms,
                user_id,
                bytes_in,
                bytes_out,
                run_request_id,
                run_trace_id,
                "answered"
            );
        });
        metrics::histogram!(names::HTTP_REQUEST_SECONDS, "route" => route.clone()).record(elapsed.as_secs_f64());
        metrics::counter!(names::HTTP_REQUESTS_TOTAL, "route" => route, "method" => method, "status" => status.to_string())
            .increment(1);
        Ok(response)
    }
}

/// The method as a label: a caller may send any word as one.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The span that the caller calls from, if it says so once, and in the one form there is.
fn caller_of(headers: &HeaderMap) -> Option<TraceContext> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    TraceContext::parse(value.to_str().ok()?)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The size of the answer's body, where it is known before it is sent.
fn size(response: &mut Response) -> Option<u64> {
    let body: BoxBody<Bytes, io::Error> = response.take_body().into();
    let size = body.size_hint().exact();
    response.set_body(Body::from(body));
    size
}
