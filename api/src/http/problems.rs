//! Turns every refusal and every panic into one form, and adds the headers that every answer carries.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use poem::http::{HeaderMap, HeaderName, HeaderValue, header};
use poem::{Endpoint, IntoResponse, Middleware, PathPattern, Request, Response};

use super::{Routes, Seen};
use crate::error::{ApiError, Problem};

/// Answers refusals as problems.
pub(crate) struct Problems {
    pub(crate) routes: Routes,
    /// Whether browsers reach this service by https, and should from now on do nothing else.
    pub(crate) https: bool,
}

pub(crate) struct ProblemsEndpoint<E> {
    inner: E,
    routes: Routes,
    https: bool,
}

impl<E: Endpoint> Middleware<E> for Problems {
    type Output = ProblemsEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        ProblemsEndpoint { inner, routes: self.routes.clone(), https: self.https }
    }
}

impl<E: Endpoint> Endpoint for ProblemsEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let instance = request.uri().path().to_owned();
        let seen = request.data::<Seen>().cloned();
        let request_id = seen.as_ref().map_or("", Seen::request_id);
        let mut response = match AssertUnwindSafe(self.inner.call(request)).catch_unwind().await {
            Ok(Ok(response)) => response.into_response(),
            Ok(Err(error)) => self.refuse(error, &instance, request_id),
            Err(_) => self.refuse(ApiError::internal("the endpoint panicked").into(), &instance, request_id),
        };
        complete(response.headers_mut(), self.https);
        if let Some(rate) = seen.as_ref().and_then(Seen::rate) {
            rate.write(response.headers_mut());
        }
        Ok(response)
    }
}

impl<E> ProblemsEndpoint<E> {
    fn refuse(&self, error: poem::Error, instance: &str, request_id: &str) -> Response {
        let route = error.data::<PathPattern>().cloned();
        let error = ApiError::from_framework(error);
        log(&error);
        let mut response = Problem::new(&error, instance, request_id).into_response(&error);
        if matches!(error, ApiError::MethodNotAllowed) {
            response.headers_mut().insert(header::ALLOW, self.routes.allow(route.as_ref()));
        }
        if let Some(route) = route {
            response.set_data(route);
        }
        response
    }
}

/// Writes down why a 5xx was answered; other refusals are the caller's and show in the access log.
fn log(error: &ApiError) {
    match error {
        ApiError::Internal(cause) => {
            tracing::error!(error = cause.as_ref() as &dyn std::error::Error, "answered with an internal error")
        }
        ApiError::Unavailable { source, .. } => {
            tracing::warn!(error = source.as_ref() as &dyn std::error::Error, "answered as unavailable");
        }
        _ => {}
    }
}

/// Adds the headers that an answer has not set itself.
fn complete(headers: &mut HeaderMap, https: bool) {
    let mut or_insert = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    or_insert(header::CACHE_CONTROL, "no-store");
    or_insert(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    or_insert(header::REFERRER_POLICY, "no-referrer");
    or_insert(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if https {
        or_insert(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}
