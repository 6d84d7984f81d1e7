//! Every way the API can refuse; with its children the only place that knows status codes of refusals.
//!
//! Adding one: a variant of [`ApiError`], its [`Code`] with status and advice, and the code in the `meta` of the
//! operations that can answer it.
//!
//! Libraries return their own enums; each `From` here is an exhaustive `match`, so that a new variant does not
//! compile until someone decides what the caller is told. The cause of a 5xx is logged where it is answered and
//! never shown.

mod billing;
mod code;
mod framework;
mod problem;

use std::time::Duration;

use poem::error::ResponseError;
use poem::http::StatusCode;
use shared::credits::Credits;
use shared::generation::{AcceptError, CancelError, QuoteError};
use shared::images::{BadLink, OpenError, StoreError};
use shared::retention::DeleteError;
use shared::workflow::{Fault, NO_SUCH_PICTURE};

pub(crate) use code::Code;
pub(crate) use problem::{Problem, document};

/// What a 503 asks callers to wait when nothing better is known.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(2);

/// When one of a user's generations may have ended.
const OPEN_RETRY: Duration = Duration::from_secs(5);
/// When a full queue may have room.
const QUEUE_RETRY: Duration = Duration::from_secs(30);

/// When a picture that is being removed can be stored again.
const LEAVING_RETRY: Duration = Duration::from_mins(1);

/// Where a request names its quote.
const QUOTE_POINTER: &str = "/quote_id";

/// A refusal, with what the caller needs to act on it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// `0` says what could not be read.
    #[error("{0}")]
    Malformed(String),
    #[error("a valid access token of a signed-in user is required")]
    InvalidToken,
    #[error("the signature is missing, wrong or expired")]
    InvalidSignature,
    #[error("this costs {price} and the balance is {balance}")]
    InsufficientCredits { price: Credits, balance: Credits },
    #[error("you owe {debt} since a payment was taken back")]
    DebtOpen { debt: Credits },
    #[error("not allowed")]
    Forbidden,
    #[error("user_id is not the id of the token's user")]
    UserMismatch,
    #[error("anonymous users cannot run generations")]
    AnonymousUser,
    #[error("the user has no profile")]
    NoProfile,
    #[error("there is nothing here that you may see")]
    NotFound,
    #[error("there is no such project of yours")]
    ProjectNotFound,
    #[error("nothing is sold here")]
    BillingDisabled,
    #[error("there is no such offer")]
    OfferNotFound,
    #[error("there is no such quote of yours")]
    QuoteNotFound,
    #[error("the quote has expired")]
    QuoteExpired,
    #[error("this address does not answer that method")]
    MethodNotAllowed,
    #[error("the body did not arrive within {} seconds", .0.as_secs())]
    RequestTimeout(Duration),
    #[error("the generation is under way: cancel it first")]
    GenerationOpen,
    #[error("you have a subscription already")]
    AlreadySubscribed,
    #[error("the subscription has ended, or is not billed here")]
    SubscriptionEnded,
    /// `0` names the limit.
    #[error("{0}")]
    PayloadTooLarge(String),
    #[error("the body must be sent as application/json")]
    UnsupportedMediaType,
    #[error("{}", counted(.0))]
    UnsupportedPicture(Vec<Fault>),
    #[error("{}", counted(.0))]
    InvalidRequest(Vec<Fault>),
    #[error("this idempotency key was used with another request")]
    KeyReused,
    #[error("too many requests")]
    RateLimited { retry_after: Duration },
    #[error("{runs_open_max} of your generations are under way")]
    TooManyGenerations { runs_open_max: u32 },
    #[error("the request could not be completed")]
    Internal(#[source] Cause),
    #[error("too much is waiting to be generated")]
    QueueFull,
    #[error("a part of the service does not answer at present")]
    Unavailable { retry_after: Duration, source: Cause },
    /// A health check failed; the text says why.
    #[error("{0}")]
    Unhealthy(String),
}

fn counted(faults: &[Fault]) -> String {
    if faults.len() == 1 { "1 fault".to_owned() } else { format!("{} faults", faults.len()) }
}

/// What went wrong behind a 5xx: for the log only.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

impl ApiError {
    pub(crate) const fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::MalformedRequest,
            Self::InvalidToken => Code::InvalidToken,
            Self::InvalidSignature => Code::InvalidSignature,
            Self::InsufficientCredits { .. } => Code::InsufficientCredits,
            Self::DebtOpen { .. } => Code::DebtOpen,
            Self::Forbidden => Code::Forbidden,
            Self::UserMismatch => Code::UserMismatch,
            Self::AnonymousUser => Code::AnonymousUser,
            Self::NoProfile => Code::NoProfile,
            Self::NotFound => Code::NotFound,
            Self::ProjectNotFound => Code::ProjectNotFound,
            Self::BillingDisabled => Code::BillingDisabled,
            Self::OfferNotFound => Code::OfferNotFound,
            Self::QuoteNotFound => Code::QuoteNotFound,
            Self::QuoteExpired => Code::QuoteExpired,
            Self::MethodNotAllowed => Code::MethodNotAllowed,
            Self::RequestTimeout(_) => Code::RequestTimeout,
            Self::GenerationOpen => Code::GenerationOpen,
            Self::AlreadySubscribed => Code::AlreadySubscribed,
            Self::SubscriptionEnded => Code::SubscriptionEnded,
            Self::PayloadTooLarge(_) => Code::PayloadTooLarge,
            Self::UnsupportedMediaType => Code::UnsupportedMediaType,
            Self::UnsupportedPicture(_) => Code::UnsupportedPicture,
            Self::InvalidRequest(_) => Code::InvalidRequest,
            Self::KeyReused => Code::IdempotencyKeyReused,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::TooManyGenerations { .. } => Code::TooManyGenerations,
            Self::Internal(_) => Code::InternalError,
            Self::QueueFull => Code::QueueFull,
            Self::Unavailable { .. } | Self::Unhealthy(_) => Code::Unavailable,
        }
    }

    /// How long the caller is asked to wait, for the answers that carry `Retry-After`.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Unavailable { retry_after, .. } => Some(*retry_after),
            Self::TooManyGenerations { .. } => Some(OPEN_RETRY),
            Self::QueueFull => Some(QUEUE_RETRY),
            Self::Unhealthy(_) => Some(UNAVAILABLE_RETRY),
            _ => None,
        }
    }

    /// Our own bug, or something that should not happen.
    pub(crate) fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// Something this service needs does not answer.
    pub(crate) fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable { retry_after: UNAVAILABLE_RETRY, source: cause.into() }
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
                Self::unavailable(error)
            }
            sqlx::Error::Database(ref refused) if refused.code().is_some_and(|code| is_passing(&code)) => {
                Self::unavailable(error)
            }
            // Every other kind (the enum is not exhaustive) means that a statement of ours is wrong.
            _ => Self::internal(error),
        }
    }
}

/// Whether an SQLSTATE tells of the server's state and not of the statement: connection lost, resources short,
/// stopping or timed out, read-only (a standby, or a full disk), deadlocked or locked for too long.
fn is_passing(sqlstate: &str) -> bool {
    ["08", "53", "57"].iter().any(|class| sqlstate.starts_with(class))
        || ["25006", "40001", "40P01", "55P03"].contains(&sqlstate)
}

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::InsufficientCredits { price, balance } => Self::InsufficientCredits { price, balance },
            AcceptError::DebtOpen { debt } => Self::DebtOpen { debt },
            AcceptError::RateLimited { allowance } => Self::RateLimited { retry_after: allowance.next_in() },
            AcceptError::TooManyOpen { runs_open_max } => Self::TooManyGenerations { runs_open_max },
            AcceptError::KeyReused => Self::KeyReused,
            AcceptError::NoProfile => Self::NoProfile,
            AcceptError::ProjectNotFound => Self::ProjectNotFound,
            AcceptError::NoSuchOutput { pointers } => no_such_pictures(pointers),
            AcceptError::PictureLeaving => Self::Unavailable { retry_after: LEAVING_RETRY, source: error.into() },
            AcceptError::QuoteNotFound => Self::QuoteNotFound,
            AcceptError::QuoteExpired => Self::QuoteExpired,
            AcceptError::QuotedOtherwise => {
                let detail = "is of a quote for another request: what was quoted must be sent unchanged".to_owned();
                Self::InvalidRequest(vec![Fault { pointer: QUOTE_POINTER.to_owned(), detail }])
            }
            AcceptError::Database(error) => error.into(),
        }
    }
}

impl From<QuoteError> for ApiError {
    fn from(error: QuoteError) -> Self {
        match error {
            QuoteError::NoProfile => Self::NoProfile,
            QuoteError::ProjectNotFound => Self::ProjectNotFound,
            QuoteError::NoSuchOutput { pointers } => no_such_pictures(pointers),
            QuoteError::TooMany { next_in } => Self::RateLimited { retry_after: next_in },
            QuoteError::Database(error) => error.into(),
        }
    }
}

fn no_such_pictures(pointers: Vec<String>) -> ApiError {
    let fault = |pointer| Fault { pointer, detail: NO_SUCH_PICTURE.to_owned() };
    ApiError::InvalidRequest(pointers.into_iter().map(fault).collect())
}

impl From<CancelError> for ApiError {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Database(error) => error.into(),
            CancelError::Invalid(error) => Self::internal(error),
        }
    }
}

impl From<DeleteError> for ApiError {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::NotFound => Self::NotFound,
            DeleteError::Open => Self::GenerationOpen,
            DeleteError::Database(error) => error.into(),
        }
    }
}

impl From<OpenError> for ApiError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::BadLink(BadLink::Forged | BadLink::Expired) => Self::InvalidSignature,
            OpenError::Store(StoreError::NotFound) => Self::NotFound,
            OpenError::Store(error @ (StoreError::TooLarge | StoreError::Rejected { .. })) => Self::internal(error),
            OpenError::Store(error @ (StoreError::Misconfigured { .. } | StoreError::Unavailable { .. })) => {
                Self::unavailable(error)
            }
        }
    }
}

impl ResponseError for ApiError {
    fn status(&self) -> StatusCode {
        self.code().status()
    }

    fn as_response(&self) -> poem::Response {
        Problem::new(self, "", "").into_response(self)
    }
}

#[cfg(test)]
mod tests {
    use super::is_passing;

    #[test]
    fn a_server_that_stops_or_is_crowded_is_no_mistake_of_ours() {
        assert!(["08006", "25006", "53100", "53300", "57014", "57P01", "40P01", "55P03"].into_iter().all(is_passing));
        assert!(!["23505", "23514", "22003", "42501", "42P01", "XX000", ""].into_iter().any(is_passing));
    }
}
