//! How a call to the provider can fail, and which failure an answer is.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;

/// A call that did not do what was asked. Three kinds, as the decision needs; and a job that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Surely not done, and the same call would fail again: do not retry.
    #[error("the provider rejected it ({reason})")]
    Rejected {
        /// What happened.
        reason: Reason,
    },
    /// Surely not done, and the same call may succeed later: retry.
    #[error("the provider is unavailable ({reason})")]
    Unavailable {
        /// What happened.
        reason: Reason,
        /// Whether an operator has to act: a wrong key, a wrong endpoint, an unpaid bill.
        alarm: bool,
        /// The provider's own wish, at most [`super::RETRY_AFTER_MAX`].
        retry_after: Option<Duration>,
    },
    /// It may have been done: look before retrying.
    #[error("it is not known whether the provider did it ({reason})")]
    Unknown {
        /// What happened.
        reason: Reason,
    },
    /// The provider has no such job.
    #[error("the provider has no such job")]
    NotFound,
}

/// What happened to a call, without any text of the provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No connection was made: refused, unresolvable, or too slow to answer.
    Connect,
    /// The time allowed for the whole call passed.
    Timeout,
    /// The connection broke.
    Interrupted,
    /// The answer was this HTTP status.
    Http(u16),
    /// The answer could not be understood.
    Undecodable,
    /// More bytes than are allowed, in either direction.
    TooLarge,
    /// The address is not one that outputs may be fetched from.
    NotAdmitted,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("no connection"),
            Self::Timeout => f.write_str("timeout"),
            Self::Interrupted => f.write_str("connection lost"),
            Self::Http(status) => write!(f, "status {status}"),
            Self::Undecodable => f.write_str("undecodable answer"),
            Self::TooLarge => f.write_str("too large"),
            Self::NotAdmitted => f.write_str("address not admitted"),
        }
    }
}

impl ProviderError {
    /// Its label in metrics.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "rejected",
            Self::Unavailable { alarm: true, .. } => "misconfigured",
            Self::Unavailable { .. } => "unavailable",
            Self::Unknown { .. } => "unknown",
            Self::NotFound => "not_found",
        }
    }

    /// A call that can be repeated without harm and may succeed then.
    pub(crate) const fn unavailable(reason: Reason) -> Self {
        Self::Unavailable { reason, alarm: false, retry_after: None }
    }

    /// What a failed exchange means for `/run`: only where no connection was made is it sure that no job was.
    pub(crate) fn of_submission(reason: Reason) -> Self {
        match reason {
            Reason::Connect => Self::unavailable(reason),
            Reason::NotAdmitted => Self::Rejected { reason },
            Reason::Timeout | Reason::Interrupted | Reason::Undecodable | Reason::TooLarge | Reason::Http(_) => {
                Self::Unknown { reason }
            }
        }
    }

    /// What a refusing status means for `/run`.
    ///
    /// Every 4xx surely made no job. A 5xx may come from a proxy behind which the job was made.
    pub(crate) fn of_submission_status(status: StatusCode, retry_after: Option<Duration>) -> Self {
        let reason = Reason::Http(status.as_u16());
        match status.as_u16() {
            400 | 413 | 422 => Self::Rejected { reason },
            500..=599 => Self::Unknown { reason },
            _ => Self::of_status(status, retry_after),
        }
    }

    /// What a refusing status means for a call that can be repeated without harm.
    ///
    /// What is neither pressure (408, 425, 429) nor a fault of the provider's (5xx) says that our key, endpoint
    /// or address is wrong, which waits for an operator.
    pub(crate) fn of_status(status: StatusCode, retry_after: Option<Duration>) -> Self {
        let pressed = matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error();
        Self::Unavailable { reason: Reason::Http(status.as_u16()), alarm: !pressed, retry_after }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::StatusCode;

    use super::{ProviderError, Reason};

    fn submission(status: u16) -> ProviderError {
        ProviderError::of_submission_status(StatusCode::from_u16(status).expect("a status"), None)
    }

    fn question(status: u16) -> ProviderError {
        ProviderError::of_status(StatusCode::from_u16(status).expect("a status"), None)
    }

    #[test]
    fn a_wrong_key_or_endpoint_on_run_is_unavailable_with_an_alarm() {
        for status in [401, 402, 403, 404, 405, 301, 307] {
            let error = submission(status);
            assert!(matches!(error, ProviderError::Unavailable { alarm: true, .. }), "{status}: {error:?}");
        }
    }

    #[test]
    fn pressure_on_run_is_retryable_and_keeps_the_wish_of_the_provider() {
        for status in [408, 425, 429] {
            let wish = Some(Duration::from_secs(7));
            let status = StatusCode::from_u16(status).expect("a status");
            let error = ProviderError::of_submission_status(status, wish);
            let reason = Reason::Http(status.as_u16());
            assert_eq!(error, ProviderError::Unavailable { reason, alarm: false, retry_after: wish });
        }
    }

    #[test]
    fn what_run_will_never_take_is_rejected() {
        for status in [400, 413, 422] {
            assert_eq!(submission(status), ProviderError::Rejected { reason: Reason::Http(status) });
        }
    }

    #[test]
    fn a_server_error_on_run_leaves_it_unknown_whether_a_job_exists() {
        for status in [500, 502, 503, 504, 524] {
            assert_eq!(submission(status), ProviderError::Unknown { reason: Reason::Http(status) });
        }
    }

    #[test]
    fn a_refused_connection_on_run_surely_made_no_job() {
        let error = ProviderError::of_submission(Reason::Connect);
        assert_eq!(error, ProviderError::unavailable(Reason::Connect));
    }

    #[test]
    fn a_lost_answer_to_run_leaves_it_unknown_whether_a_job_exists() {
        for reason in [Reason::Timeout, Reason::Interrupted, Reason::Undecodable, Reason::TooLarge] {
            assert_eq!(ProviderError::of_submission(reason), ProviderError::Unknown { reason });
        }
    }

    #[test]
    fn a_question_can_be_asked_again_whatever_the_server_said() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert_eq!(question(status), ProviderError::unavailable(Reason::Http(status)));
        }
        for status in [400, 401, 403, 302] {
            assert!(matches!(question(status), ProviderError::Unavailable { alarm: true, .. }), "{status}");
        }
    }
}
