//! Faults of one HTTP exchange, the same for every operation of every simulator.

use std::future::Future;
use std::time::Duration;

use poem::http::{StatusCode, header};
use poem::web::RemoteAddr;
use poem::{Body, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::net::Line;

/// The longest a connection is held open without an answer.
pub const NO_ANSWER_MAX: Duration = Duration::from_mins(3);

/// The longest latency, whatever was scripted.
const LATENCY_MAX: Duration = NO_ANSWER_MAX;

/// What goes wrong with one exchange. Of several that match, a latency and one other are applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum HttpFault {
    /// The answer is that much slower; the work is done before the wait.
    Latency {
        /// Milliseconds.
        ms: u64,
    },
    /// 429, and nothing is done.
    TooManyRequests {
        /// Sent as `Retry-After` where given.
        #[serde(default)]
        retry_after_s: Option<u64>,
    },
    /// This status (500 if none is named) with a body that is no JSON, and nothing is done.
    ServerError {
        /// The HTTP status.
        #[serde(default = "internal_server_error")]
        status: u16,
    },
    /// The key is refused: 401.
    Unauthorized,
    /// 404: a wrong endpoint, a foreign key, or an expired result.
    NotFound,
    /// The connection breaks before anything is done.
    ConnectionAborted,
    /// It is done, and the connection breaks before the answer.
    AnswerLost,
    /// It is done, and the answer never comes: the connection stays open until the client gives up.
    NoAnswer,
    /// It is done, and the answer is HTML.
    GarbageAnswer,
}

impl HttpFault {
    /// The values of `"fault"`.
    pub const NAMES: [&'static str; 9] = [
        "latency",
        "too_many_requests",
        "server_error",
        "unauthorized",
        "not_found",
        "connection_aborted",
        "answer_lost",
        "no_answer",
        "garbage_answer",
    ];

    pub(crate) fn category(&self) -> u8 {
        u8::from(matches!(self, Self::Latency { .. }))
    }
}

fn internal_server_error() -> u16 {
    500
}

/// The answers of a simulator to faults whose body is its provider's.
pub(crate) struct Bodies {
    pub(crate) too_many_requests: fn() -> Response,
    pub(crate) unauthorized: fn() -> Response,
    pub(crate) not_found: fn() -> Response,
}

/// Runs `work` under the faults that were taken for this exchange.
pub(crate) async fn exchange(
    faults: &[HttpFault],
    line: &Line,
    peer: &RemoteAddr,
    bodies: &Bodies,
    work: impl Future<Output = Response>,
) -> Response {
    let main = faults.iter().find(|fault| !matches!(fault, HttpFault::Latency { .. }));
    let answer = match main {
        None | Some(HttpFault::Latency { .. }) => work.await,
        Some(HttpFault::TooManyRequests { retry_after_s }) => {
            let mut answer = (bodies.too_many_requests)();
            if let Some(seconds) = retry_after_s {
                answer.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
            }
            answer
        }
        Some(HttpFault::ServerError { status }) => {
            text(*status, "upstream connect error or disconnect/reset before headers")
        }
        Some(HttpFault::Unauthorized) => (bodies.unauthorized)(),
        Some(HttpFault::NotFound) => (bodies.not_found)(),
        Some(HttpFault::ConnectionAborted) => cut(line, peer),
        Some(HttpFault::AnswerLost) => {
            work.await;
            cut(line, peer)
        }
        Some(HttpFault::NoAnswer) => {
            work.await;
            tokio::time::sleep(NO_ANSWER_MAX).await;
            cut(line, peer)
        }
        Some(HttpFault::GarbageAnswer) => {
            work.await;
            text(200, "<html><body>Bad gateway</body></html>")
        }
    };
    for fault in faults {
        if let HttpFault::Latency { ms } = fault {
            tokio::time::sleep(Duration::from_millis(*ms).min(LATENCY_MAX)).await;
        }
    }
    answer
}

/// The answer is never seen: its connection fails at the first byte written.
fn cut(line: &Line, peer: &RemoteAddr) -> Response {
    line.cut(peer);
    StatusCode::OK.into()
}

/// A plain text answer.
pub(crate) fn text(status: u16, body: &'static str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Response::builder().status(status).content_type("text/plain").body(body)
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Response::builder().status(status).content_type("application/json").body(Body::from(body.to_string()))
}
