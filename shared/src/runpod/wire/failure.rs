//! Why a job failed: from the provider's codes and texts to our codes. None of the text leaves this file.

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::report::{Failure, FailureCode, Retry};

/// The largest account of one error that is read, in bytes; a longer one counts as unreadable.
const ERROR_BYTES_MAX: usize = 256 * 1024;

/// The codes of a product endpoint.
const CODES: &[(&str, Failure)] = &[
    ("INVALID_INPUT", failure(FailureCode::InvalidInput, Retry::Final)),
    ("INSUFFICIENT_RESOLUTION", failure(FailureCode::InsufficientResolution, Retry::Final)),
    ("TIMEOUT", failure(FailureCode::Timeout, Retry::Once)),
    ("GPU_ERROR", failure(FailureCode::GpuError, Retry::Retryable)),
];

/// Texts of the platform, of ComfyUI and of its worker, in lower case. All words of a row must occur; the first
/// row that fits counts, so that causes stand before the phrases that wrap them.
const TEXTS: &[(&[&str], Failure)] = &[
    (&["executiontimeout exceeded"], failure(FailureCode::Timeout, Retry::Once)),
    (&["job timed out after", "retr"], failure(FailureCode::WorkerLost, Retry::Retryable)),
    (&["out of memory"], failure(FailureCode::GpuError, Retry::Retryable)),
    (&["outofmemory"], failure(FailureCode::GpuError, Retry::Retryable)),
    (&["allocation on device"], failure(FailureCode::GpuError, Retry::Retryable)),
    (&["cuda error"], failure(FailureCode::GpuError, Retry::Retryable)),
    (&["gpu error"], failure(FailureCode::GpuError, Retry::Retryable)),
    (&["worker", "exited"], failure(FailureCode::WorkerLost, Retry::Retryable)),
    (&["worker", "crashed"], failure(FailureCode::WorkerLost, Retry::Retryable)),
    (&["worker", "terminated"], failure(FailureCode::WorkerLost, Retry::Retryable)),
    (&["worker", "killed"], failure(FailureCode::WorkerLost, Retry::Retryable)),
    (&["worker", "lost"], failure(FailureCode::WorkerLost, Retry::Retryable)),
    (&["worker", "gone"], failure(FailureCode::WorkerLost, Retry::Retryable)),
    (&["worker", "unhealthy"], failure(FailureCode::WorkerLost, Retry::Retryable)),
    // boto3's errors about the bucket to which a worker uploads its results.
    (&["nosuchbucket"], failure(FailureCode::ProviderMisconfigured, Retry::Final)),
    (&["specified bucket does not exist"], failure(FailureCode::ProviderMisconfigured, Retry::Final)),
    (&["invalidaccesskeyid"], failure(FailureCode::ProviderMisconfigured, Retry::Final)),
    (&["signaturedoesnotmatch"], failure(FailureCode::ProviderMisconfigured, Retry::Final)),
    (&["accessdenied", "putobject"], failure(FailureCode::ProviderMisconfigured, Retry::Final)),
    (&["authorizationheadermalformed"], failure(FailureCode::ProviderMisconfigured, Retry::Final)),
    (&["permanentredirect"], failure(FailureCode::ProviderMisconfigured, Retry::Final)),
    (&["unable to locate credentials"], failure(FailureCode::ProviderMisconfigured, Retry::Final)),
    (&["could not connect to the endpoint url"], failure(FailureCode::ProviderMisconfigured, Retry::Once)),
    (&["failed to upload", "input images"], failure(FailureCode::InvalidInput, Retry::Final)),
    (&["cannot identify image file"], failure(FailureCode::InvalidInput, Retry::Final)),
    (&["missing field(s)"], failure(FailureCode::ProviderError, Retry::Final)),
    (&["workflow validation failed"], failure(FailureCode::ProviderError, Retry::Final)),
    (&["cannot execute because node"], failure(FailureCode::ProviderError, Retry::Final)),
    (&["error queuing workflow"], failure(FailureCode::ProviderError, Retry::Final)),
    (&["workflow execution error"], failure(FailureCode::ProviderError, Retry::Final)),
    (&["job processing failed"], failure(FailureCode::ProviderError, Retry::Final)),
];

const fn failure(code: FailureCode, retry: Retry) -> Failure {
    Failure { code, retry }
}

/// What a job says of its failure.
#[derive(Default)]
pub(super) struct Account {
    /// The code that it gives, if it gives one.
    code: Option<String>,
    /// All that it says, in lower case.
    text: String,
}

impl Account {
    /// Gathers what is said in several places.
    pub(super) fn of<const N: usize>(places: [Option<&RawValue>; N]) -> Self {
        let mut account = Self::default();
        for raw in places.into_iter().flatten() {
            if raw.get().len() <= ERROR_BYTES_MAX {
                // A RawValue is sound JSON, so only its depth can make this fail.
                account.read(&serde_json::from_str(raw.get()).unwrap_or_default());
            } else {
                account.text.push_str("(too long)\n");
            }
        }
        account
    }

    /// Whether nothing at all is said of a failure.
    pub(super) fn is_empty(&self) -> bool {
        self.code.is_none() && self.text.is_empty()
    }

    /// What the end of a `FAILED` job means.
    ///
    /// What is not known gets one more attempt: it may be a worker's bad moment, and must not cost a GPU twice over.
    pub(super) fn failure(&self) -> Failure {
        self.known().unwrap_or_else(|| {
            tracing::warn!(length = self.text.len(), "a provider job failed for an unknown cause");
            failure(FailureCode::ProviderError, Retry::Once)
        })
    }

    /// What an error inside a `COMPLETED` job means: final, unless its code says otherwise. The worker worked, and
    /// says itself that it could not do this.
    pub(super) fn failure_inside_completed(&self) -> Failure {
        if let Some(known) = self.by_code() {
            return known;
        }
        let code = self.known().map_or(FailureCode::ProviderError, |known| known.code);
        failure(code, Retry::Final)
    }

    fn known(&self) -> Option<Failure> {
        self.by_code().or_else(|| {
            let fits = |words: &[&str]| words.iter().all(|word| self.text.contains(word));
            TEXTS.iter().find(|(words, _)| fits(words)).map(|(_, failure)| *failure)
        })
    }

    fn by_code(&self) -> Option<Failure> {
        let code = self.code.as_deref()?;
        CODES.iter().find(|(name, _)| *name == code).map(|(_, failure)| *failure)
    }

    /// Reads an error: text, a document, or a document inside text (an exception that nobody caught).
    fn read(&mut self, value: &Value) {
        match value {
            Value::String(text) => match serde_json::from_str::<Value>(text) {
                Ok(document @ Value::Object(_)) => self.read(&document),
                _ => self.add(text),
            },
            Value::Array(items) => items.iter().for_each(|item| self.read(item)),
            Value::Object(fields) if fields.is_empty() => {}
            Value::Object(fields) => {
                if let Some(code) = fields.get("code").and_then(Value::as_str) {
                    self.code.get_or_insert_with(|| code.trim().to_ascii_uppercase());
                }
                // A document without any text is an error all the same.
                self.text.push('\n');
                for name in ["message", "error_type", "error_message", "error", "details"] {
                    if let Some(value) = fields.get(name) {
                        self.read(value);
                    }
                }
            }
            Value::Null | Value::Bool(false) => {}
            Value::Bool(true) | Value::Number(_) => self.text.push('\n'),
        }
    }

    /// Adds a text, whose first word may be a code: `INVALID_INPUT: no such pose`.
    fn add(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let word = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next();
        if let Some((code, _)) = CODES.iter().find(|(code, _)| word == Some(*code)) {
            self.code.get_or_insert_with(|| (*code).to_owned());
        }
        self.text.push_str(&text.to_lowercase());
        self.text.push('\n');
    }
}
