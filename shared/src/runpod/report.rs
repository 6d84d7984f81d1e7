//! What we tell the provider and what it tells us, in our words.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

/// The longest id of a provider job, in characters.
const JOB_ID_CHARS_MAX: usize = 128;

/// The provider's id of a job: opaque text that is safe in a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct ProviderJobId(String);

/// The text is no provider job id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a provider job id")]
pub struct InvalidJobId;

impl ProviderJobId {
    /// The id, if it is 1 to 128 letters, digits, underscores and hyphens.
    ///
    /// # Errors
    ///
    /// [`InvalidJobId`] for anything else.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidJobId> {
        let text = text.into();
        let fits = (1..=JOB_ID_CHARS_MAX).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            Ok(Self(text))
        } else {
            Err(InvalidJobId)
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ProviderJobId {
    type Error = InvalidJobId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl From<ProviderJobId> for String {
    fn from(id: ProviderJobId) -> Self {
        id.0
    }
}

/// A job to be made at the provider.
#[derive(Debug, Clone)]
pub struct Submission {
    /// What the endpoint is given.
    pub input: Value,
    /// Where the end of the job is announced; `None` where only polling is used.
    pub webhook: Option<Url>,
    /// How long the job may run; the provider takes 5 s to 7 days.
    pub execution_timeout: Duration,
    /// How long the job may exist from now, waiting included; the provider takes 10 s to 7 days.
    pub ttl: Duration,
}

/// What the provider says of a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Not yet picked up, or in a state that this version does not know.
    Waiting,
    /// Being worked on.
    Running,
    /// Done, with at least one output.
    Completed(Vec<NamedOutput>, Metadata),
    /// Ended without an output.
    Failed(Failure),
    /// Cancelled: by us, or by somebody else ([`Failure::CANCELLED_BY_PROVIDER`]).
    Cancelled,
}

/// One output, and the name of its file where the endpoint tells one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedOutput {
    /// worker-comfyui's `filename`; never a key to store under: a worker gives the same one again.
    pub file_name: Option<String>,
    /// What it is.
    pub output: OutputRef,
}

/// One output, not yet fetched, decoded or trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputRef {
    /// The bytes as base64, without a data URI's head.
    Base64(String),
    /// Where the bytes are; may point anywhere until `fetch` admits it.
    Url(Url),
}

/// What the provider says beside the outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The seed that was used.
    pub seed: Option<i64>,
    /// How long the job waited for a worker.
    pub delay: Option<Duration>,
    /// How long the job ran.
    pub execution: Option<Duration>,
}

/// Why a provider job ended without an output, and whether another may do better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub code: FailureCode,
    /// Whether to try again.
    pub retry: Retry,
}

/// Why a provider job ended without an output. Carries no text of the provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureCode {
    /// The endpoint would not work with what it was given.
    InvalidInput,
    /// A picture it was given is too small.
    InsufficientResolution,
    /// It took too long.
    Timeout,
    /// The GPU failed, or its memory did not suffice.
    GpuError,
    /// It ended well and brought nothing.
    NoOutput,
    /// The worker that had it is gone.
    WorkerLost,
    /// It was cancelled, and not by us.
    CancelledByProvider,
    /// The endpoint cannot store results in its own bucket: its settings are wrong.
    ProviderMisconfigured,
    /// Anything else.
    ProviderError,
}

/// Whether a failed job is worth another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Another attempt would end the same.
    Final,
    /// Another attempt may succeed, as long as attempts are left.
    Retryable,
    /// One more attempt may succeed; a second one would not.
    Once,
}

impl Failure {
    /// Somebody cancelled the job at the provider, behind our back.
    ///
    /// Final: a person did it (an operator stopping runaway costs, most likely), and we would undo it by
    /// submitting again. The user gets her credits back and may ask again herself.
    pub const CANCELLED_BY_PROVIDER: Self = Self { code: FailureCode::CancelledByProvider, retry: Retry::Final };

    /// A result without outputs. Retried once: that helps after a transient fault of a worker, but a result over the
    /// provider's size limit would be over it again.
    pub const NO_OUTPUT: Self = Self { code: FailureCode::NoOutput, retry: Retry::Once };
}

impl FailureCode {
    /// Its name in rows, logs and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::InsufficientResolution => "insufficient_resolution",
            Self::Timeout => "timeout",
            Self::GpuError => "gpu_error",
            Self::NoOutput => "no_output",
            Self::WorkerLost => "worker_lost",
            Self::CancelledByProvider => "cancelled_by_provider",
            Self::ProviderMisconfigured => "provider_misconfigured",
            Self::ProviderError => "provider_error",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::ProviderJobId;

    #[test]
    fn an_id_is_opaque_but_never_leaves_its_place_in_a_path() {
        for good in ["eaebd6e7-6a92-4bb8-a911-f996ac5ea99d-u1", "sync-1-e1", "A_b", &"x".repeat(128)] {
            assert_eq!(ProviderJobId::parse(good).map(|id| id.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "a/b", "..", "a?b", "a b", "é", &"x".repeat(129)] {
            assert!(ProviderJobId::parse(bad).is_err(), "{bad}");
            assert!(serde_json::from_value::<ProviderJobId>(bad.into()).is_err(), "{bad}");
        }
    }
}
