//! One exchange with a server that is not trusted: bounded in time and bytes, measured, never redirected.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use metrics::{counter, histogram};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, RequestBuilder, StatusCode};

use super::error::{ProviderError, Reason};
use crate::telemetry::{Called, call};

/// How long making a connection may take, name resolution and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an unused connection is kept. Short: an answer lost on a connection that the server was just closing
/// would leave it unknown whether a job was made.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest `Retry-After` that is believed.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// A server's answer, its body read only where the status says that it did what was asked.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// A client that never follows a redirect and never repeats a request by itself.
///
/// It goes through the proxy of the environment, unless it is to talk to this machine (`local`).
pub(crate) fn client(local: bool) -> ClientBuilder {
    let builder = reqwest::Client::builder();
    let builder = if local { builder.no_proxy() } else { builder };
    builder
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("shootx/", env!("CARGO_PKG_VERSION")))
}

/// Sends a request and reads at most `bytes_max` of a successful answer.
pub(crate) async fn exchange(request: RequestBuilder, bytes_max: usize) -> Result<Answer, Reason> {
    let mut response = request.send().await.map_err(|error| reason(&error))?;
    let status = response.status();
    let retry_after = retry_after(response.headers());
    if !status.is_success() {
        return Ok(Answer { status, retry_after, body: Bytes::new() });
    }
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(Reason::TooLarge);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0));
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(Reason::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, retry_after, body: body.freeze() })
}

/// The names of the metrics of one provider's calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meters {
    /// Who is called, in traces and at debug in the log.
    pub(crate) peer: &'static str,
    /// Labels: `operation`, `outcome`.
    pub(crate) calls: &'static str,
    /// Labels: `operation`.
    pub(crate) seconds: &'static str,
}

/// Counts and times one operation.
pub(crate) async fn measured<T>(
    meters: Meters,
    operation: &'static str,
    asking: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let Called { result, outcome, took } = call(meters.peer, operation, ProviderError::outcome, asking).await;
    counter!(meters.calls, "operation" => operation, "outcome" => outcome).increment(1);
    histogram!(meters.seconds, "operation" => operation).record(took);
    result
}

fn reason(error: &reqwest::Error) -> Reason {
    // A connection that is not made in time is both: what counts is that nothing was sent.
    if error.is_connect() {
        Reason::Connect
    } else if error.is_timeout() {
        Reason::Timeout
    } else {
        Reason::Interrupted
    }
}

/// How long the server wants to be left alone: seconds, or a date, which is read against the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wish = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = DateTime::parse_from_rfc2822(text).ok()?;
        let now = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
        (until - now).to_std().ok()?
    };
    Some(wish.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
