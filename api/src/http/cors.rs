//! Which web pages may call: those of the origins in `CORS_ORIGINS`, and no others.
//!
//! An origin that is not listed is answered without the headers that would let a browser hand the answer to the
//! page; nothing else changes, because who may do what depends on the token alone.

use std::collections::HashSet;
use std::sync::Arc;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response};

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_MAX_AGE_S: &str = "3600";
const METHODS: &str = "GET, POST";
const HEADERS_IN: &str = "Authorization, Content-Type, Idempotency-Key, X-Request-Id, traceparent";
const HEADERS_OUT: &str = "Location, Retry-After, Idempotent-Replayed, RateLimit, RateLimit-Policy, X-Request-Id";

/// Answers preflights and marks the answers that pages of the listed origins may read.
pub(crate) struct Cors {
    origins: Arc<HashSet<String>>,
}

pub(crate) struct CorsEndpoint<E> {
    inner: E,
    origins: Arc<HashSet<String>>,
}

impl Cors {
    pub(crate) fn new(origins: &[String]) -> Self {
        Self { origins: Arc::new(origins.iter().cloned().collect()) }
    }
}

impl<E: Endpoint> Middleware<E> for Cors {
    type Output = CorsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        CorsEndpoint { inner, origins: Arc::clone(&self.origins) }
    }
}

impl<E: Endpoint> Endpoint for CorsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let origin = request.headers().get(header::ORIGIN).cloned();
        let origin = origin.filter(|origin| origin.to_str().is_ok_and(|origin| self.origins.contains(origin)));
        let is_preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let mut response = if is_preflight && origin.is_some() {
            preflight()
        } else {
            self.inner.call(request).await?.into_response()
        };
        if !self.origins.is_empty() {
            response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = origin {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(HEADERS_OUT));
        }
        Ok(response)
    }
}

fn preflight() -> Response {
    Response::builder()
        .status(StatusCode::NO_CONTENT)
        .header(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS)
        .header(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS_IN)
        .header(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE_S)
        .finish()
}
