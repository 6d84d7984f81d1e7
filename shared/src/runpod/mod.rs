//! The port to RunPod: submit a job, ask for it, cancel it, fetch what it made.
//!
//! Errors come in the kinds that a decision needs ([`ProviderError`]); only `wire` knows RunPod's JSON. Nothing the
//! provider says is trusted: bodies are bounded, texts become codes, addresses are checked before they are fetched.
//! Nothing is repeated here: whoever calls decides, see [`crate::retry`].

mod fetch;
mod report;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use secrecy::ExposeSecret;
use url::Url;

use crate::config::RunPodSettings;
use crate::loopback::is_loopback;
use crate::provider::http::{self, Meters, exchange, measured};
use crate::telemetry::trace::hand_on;
use crate::telemetry::{Misconfiguration, TRACEPARENT, TraceContext, names};

#[cfg(feature = "fuzzing")]
pub(crate) use wire::fuzzing;

pub use crate::provider::{ProviderError, RETRY_AFTER_MAX, Reason};
pub use fetch::OUTPUT_BYTES_MAX;
pub use report::{
    Failure, FailureCode, InvalidJobId, Metadata, NamedOutput, OutputRef, ProviderJobId, Report, Retry, Submission,
};

/// The largest body that `/run` is sent. RunPod refuses more than 10 MB with a plain 400.
pub const RUN_BODY_BYTES_MAX: usize = 10_000_000;

/// The largest answer of `/status` that is read. RunPod's own limits are 10 and 20 MB of result.
pub const STATUS_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The largest answer of `/run` and `/cancel` that is read; they are a few dozen bytes.
const BRIEF_BODY_BYTES_MAX: usize = 64 * 1024;

/// How long a submission may take; it may carry 10 MB.
const RUN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long asking for a job may take; the answer may carry its result.
const STATUS_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a cancellation may take.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

const METERS: Meters =
    Meters { peer: "runpod", calls: names::PROVIDER_CALLS_TOTAL, seconds: names::PROVIDER_CALL_SECONDS };

/// RunPod, by its HTTP API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RunPod {
    /// Carries the key; talks to `api_url` only.
    api: Client,
    /// Carries no key; talks to wherever outputs may be.
    outputs: Client,
    api_url: Url,
    output_hosts: Arc<[String]>,
    trace: Option<TraceContext>,
}

/// Counts and logs a failure that only an operator can fix, as soon as it is known.
fn alarm(report: &Report) {
    if matches!(report, Report::Failed(failure) if failure.code == FailureCode::ProviderMisconfigured) {
        tracing::error!("an endpoint of RunPod cannot store results in the bucket of its settings");
        Misconfiguration::ProviderBucket.count();
    }
}

/// The settings do not make a client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The key holds characters that no HTTP header may.
    #[error("RUNPOD_API_KEY holds characters that cannot be sent")]
    Key,
    /// The address of the API cannot be extended by a path.
    #[error("RUNPOD_API_URL is not an http or https address")]
    Url,
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be built")]
    Client(#[from] reqwest::Error),
}

impl RunPod {
    /// A client by these settings. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`SetupError`], at start only.
    pub fn new(settings: &RunPodSettings) -> Result<Self, SetupError> {
        if !matches!(settings.api_url.scheme(), "http" | "https") {
            return Err(SetupError::Url);
        }
        let bearer = format!("Bearer {}", settings.api_key.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| SetupError::Key)?;
        bearer.set_sensitive(true);
        let local = settings.api_url.host().is_some_and(|host| is_loopback(&host));
        Ok(Self {
            api: http::client(local).default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)])).build()?,
            outputs: fetch::client(local, &settings.output_hosts)?,
            api_url: settings.api_url.clone(),
            output_hosts: settings.output_hosts.clone().into(),
            trace: None,
        })
    }

    /// The same client, for calls in the trace of a request. Whoever holds outputs is not told of it.
    #[must_use]
    pub fn within(&self, trace: Option<TraceContext>) -> Self {
        Self { trace, ..self.clone() }
    }

    /// What tells the API which span calls it.
    fn traceparent(&self) -> HeaderMap {
        let text = hand_on(self.trace).and_then(|context| HeaderValue::from_str(&context.to_string()).ok());
        text.map(|text| (HeaderName::from_static(TRACEPARENT), text)).into_iter().collect()
    }

    /// Makes a job and returns its id. Not safe to repeat: RunPod knows no idempotency key.
    ///
    /// # Errors
    ///
    /// `Rejected` and `Unavailable` surely made no job; `Unknown` may have made one.
    pub async fn run(&self, endpoint: &str, submission: &Submission) -> Result<ProviderJobId, ProviderError> {
        measured(METERS, "run", async {
            let body = wire::submission(submission);
            if body.len() > RUN_BODY_BYTES_MAX {
                return Err(ProviderError::Rejected { reason: Reason::TooLarge });
            }
            let request = self
                .api
                .post(self.url(endpoint, &["run"]))
                .header(CONTENT_TYPE, "application/json")
                .headers(self.traceparent())
                .timeout(RUN_TIMEOUT)
                .body(body);
            let answer = exchange(request, BRIEF_BODY_BYTES_MAX).await.map_err(ProviderError::of_submission)?;
            if !answer.status.is_success() {
                return Err(ProviderError::of_submission_status(answer.status, answer.retry_after));
            }
            wire::job_id(&answer.body).ok_or_else(|| ProviderError::of_submission(Reason::Undecodable))
        })
        .await
    }

    /// Asks for a job, and for its outputs when it is done. Safe to repeat.
    ///
    /// # Errors
    ///
    /// `NotFound` where the provider knows no such job (any more, or not yet); else `Unavailable`.
    pub async fn status(&self, endpoint: &str, id: &ProviderJobId) -> Result<Report, ProviderError> {
        measured(METERS, "status", async {
            let request = self.api.get(self.url(endpoint, &["status", id.as_str()]));
            let request = request.headers(self.traceparent()).timeout(STATUS_TIMEOUT);
            let answer = match exchange(request, STATUS_BODY_BYTES_MAX).await {
                Ok(answer) => answer,
                // Asking again would bring the same; it is a result that cannot be had.
                Err(Reason::TooLarge) => {
                    return Ok(Report::Failed(Failure { retry: Retry::Final, ..Failure::NO_OUTPUT }));
                }
                Err(reason) => return Err(ProviderError::unavailable(reason)),
            };
            match answer.status {
                StatusCode::NOT_FOUND => Err(ProviderError::NotFound),
                status if status.is_success() => {
                    let report = wire::report(id, &answer.body);
                    report.inspect(alarm).ok_or_else(|| ProviderError::unavailable(Reason::Undecodable))
                }
                status => Err(ProviderError::of_status(status, answer.retry_after)),
            }
        })
        .await
    }

    /// Asks the provider to stop a job. Safe to repeat; the job may end by itself all the same.
    ///
    /// # Errors
    ///
    /// `NotFound` where there is nothing to stop; else `Unavailable`.
    pub async fn cancel(&self, endpoint: &str, id: &ProviderJobId) -> Result<(), ProviderError> {
        measured(METERS, "cancel", async {
            let request = self.api.post(self.url(endpoint, &["cancel", id.as_str()]));
            let request = request.headers(self.traceparent()).timeout(CANCEL_TIMEOUT);
            let answer = exchange(request, BRIEF_BODY_BYTES_MAX).await.map_err(ProviderError::unavailable)?;
            match answer.status {
                StatusCode::NOT_FOUND => Err(ProviderError::NotFound),
                status if status.is_success() => Ok(()),
                status => Err(ProviderError::of_status(status, answer.retry_after)),
            }
        })
        .await
    }

    /// `{api_url}/{endpoint}/{path…}`, every part escaped.
    fn url(&self, endpoint: &str, path: &[&str]) -> Url {
        let mut url = self.api_url.clone();
        url.path_segments_mut().expect("checked to be http or https in new").pop_if_empty().push(endpoint).extend(path);
        url
    }
}
