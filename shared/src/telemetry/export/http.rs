//! The client that sends: bounded as every client of ours, and on the process's runtime, because the thread that asks
//! for it has none.

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;

use super::EXPORT_TIMEOUT;
use crate::config;
use crate::loopback::is_loopback;
use crate::provider::http::{self, exchange};

/// The largest answer that is read: it says at most how many spans were refused.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("OTEL_EXPORTER_OTLP_HEADERS holds characters that cannot be sent")]
    Header,
    #[error("the HTTP client could not be built")]
    Build(#[from] reqwest::Error),
}

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl Client {
    pub(super) fn new(settings: &config::Traces) -> Result<Self, ClientError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| ClientError::Header)?;
            value.set_sensitive(true);
            headers.append(name.clone(), value);
        }
        let local = settings.endpoint.host().is_some_and(|host| is_loopback(&host));
        Ok(Self { http: http::client(local).default_headers(headers).build()?, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = self.http.post(parts.uri.to_string()).headers(parts.headers).timeout(EXPORT_TIMEOUT).body(body);
        let answer = self.runtime.spawn(exchange(request, ANSWER_BYTES_MAX)).await?;
        let answer = answer.map_err(|reason| format!("{reason:?}"))?;
        let mut response = Response::new(answer.body);
        *response.status_mut() = answer.status;
        Ok(response)
    }
}
