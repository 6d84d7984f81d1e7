//! Which web pages may call: those of the origins in `CORS_ORIGINS`, and no others.
//!
//! An origin that is not listed is answered without the headers that would let a browser hand the answer to the
//! page; nothing else changes, because who may do what depends on the token alone.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response};

use super::Routes;

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_MAX_AGE_S: &str = "3600";
/// Header fields that browsers send in addition to those that the operations name: the token, the body's type, and what
/// Supabase's client, tracing (W3C, Sentry) and HTTP libraries add by themselves. Browsers block a request with any
/// field that is not listed.
const SENT_TO_ALL: [&str; 15] = [
    "accept",
    "accept-language",
    "apikey",
    "authorization",
    "baggage",
    "cache-control",
    "content-type",
    "if-none-match",
    "prefer",
    "pragma",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "x-client-info",
    "x-request-id",
];
/// Response header fields that pages may read in addition to those that the operations name.
const SENT_BY_ALL: [&str; 2] = ["allow", "x-request-id"];

/// The header fields that operations read and return.
#[derive(Debug, Default)]
pub(crate) struct HeaderNames {
    pub(crate) of_requests: BTreeSet<String>,
    pub(crate) of_answers: BTreeSet<String>,
}

/// Answers preflights and marks the answers that pages of the listed origins may read.
pub(crate) struct Cors {
    rules: Arc<Rules>,
}

pub(crate) struct CorsEndpoint<E> {
    inner: E,
    rules: Arc<Rules>,
}

struct Rules {
    origins: HashSet<String>,
    routes: Routes,
    allow_headers: HeaderValue,
    expose_headers: HeaderValue,
}

impl Cors {
    /// The CORS rules for pages of `origins`: methods and header fields are those of the operations.
    pub(crate) fn new(origins: &[String], routes: Routes, mut names: HeaderNames) -> Self {
        names.of_requests.extend(SENT_TO_ALL.map(str::to_owned));
        names.of_answers.extend(SENT_BY_ALL.map(str::to_owned));
        let list = |names: BTreeSet<String>| {
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            HeaderValue::from_str(&names).expect("names of header fields are visible ASCII")
        };
        Self {
            rules: Arc::new(Rules {
                origins: origins.iter().cloned().collect(),
                routes,
                allow_headers: list(names.of_requests),
                expose_headers: list(names.of_answers),
            }),
        }
    }
}

impl<E: Endpoint> Middleware<E> for Cors {
    type Output = CorsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        CorsEndpoint { inner, rules: Arc::clone(&self.rules) }
    }
}

impl<E: Endpoint> Endpoint for CorsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let rules = &self.rules;
        let origin = request.headers().get(header::ORIGIN).cloned();
        let origin = origin.filter(|origin| origin.to_str().is_ok_and(|origin| rules.origins.contains(origin)));
        let is_preflight = request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let mut response = if is_preflight && origin.is_some() {
            rules.preflight(request.uri().path())
        } else {
            self.inner.call(request).await?.into_response()
        };
        if !rules.origins.is_empty() {
            response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(origin) = origin {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, rules.expose_headers.clone());
        }
        Ok(response)
    }
}

impl Rules {
    fn preflight(&self, path: &str) -> Response {
        Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, self.routes.allow_at(path))
            .header(header::ACCESS_CONTROL_ALLOW_HEADERS, self.allow_headers.clone())
            .header(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE_S)
            .finish()
    }
}
