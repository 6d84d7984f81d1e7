//! The catalogue of problems: stable names, titles, advice, and their status codes.

use poem::http::StatusCode;
use poem_openapi::Enum;

/// The stable name of a problem: the last part of its `type`, and its `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Enum)]
#[oai(rename = "ProblemCode", rename_all = "kebab-case")]
pub(crate) enum Code {
    MalformedRequest,
    InvalidToken,
    InvalidSignature,
    InsufficientCredits,
    DebtOpen,
    Forbidden,
    UserMismatch,
    AnonymousUser,
    NoProfile,
    NotFound,
    ProjectNotFound,
    BillingDisabled,
    OfferNotFound,
    QuoteNotFound,
    MethodNotAllowed,
    RequestTimeout,
    GenerationOpen,
    AlreadySubscribed,
    SubscriptionEnded,
    QuoteExpired,
    PayloadTooLarge,
    UnsupportedMediaType,
    UnsupportedPicture,
    InvalidRequest,
    IdempotencyKeyReused,
    RateLimited,
    TooManyGenerations,
    InternalError,
    QueueFull,
    Unavailable,
}

impl Code {
    /// Every code, in the order of their status.
    pub(crate) const ALL: [Self; 30] = [
        Self::MalformedRequest,
        Self::InvalidToken,
        Self::InvalidSignature,
        Self::InsufficientCredits,
        Self::DebtOpen,
        Self::Forbidden,
        Self::UserMismatch,
        Self::AnonymousUser,
        Self::NoProfile,
        Self::NotFound,
        Self::ProjectNotFound,
        Self::BillingDisabled,
        Self::OfferNotFound,
        Self::QuoteNotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::GenerationOpen,
        Self::AlreadySubscribed,
        Self::SubscriptionEnded,
        Self::QuoteExpired,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::UnsupportedPicture,
        Self::InvalidRequest,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::TooManyGenerations,
        Self::InternalError,
        Self::QueueFull,
        Self::Unavailable,
    ];

    /// The code as it is written in `code` and at the end of `type`.
    pub(crate) const fn as_str(self) -> &'static str {
        self.facts().1
    }

    /// A short, human title that does not change between occurrences.
    pub(crate) const fn title(self) -> &'static str {
        self.facts().2
    }

    /// The code with this name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    pub(crate) const fn status(self) -> StatusCode {
        self.facts().0
    }

    /// What the caller can do about it: the text of `GET /problems/{code}`.
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::MalformedRequest => {
                "A body that is not JSON, or a parameter or header that cannot be read. `detail` names it."
            }
            Self::InvalidToken => {
                "Send `Authorization: Bearer <token>` with the access token of a signed-in user. Refresh an expired one."
            }
            Self::InvalidSignature => "Only addresses that this service signed are answered here, until they expire.",
            Self::InsufficientCredits => {
                "The request costs `price` and the balance is `balance`. Nothing was charged. Add credits, or ask for fewer outputs."
            }
            Self::DebtOpen => {
                "A payment was refunded or disputed after its credits were spent; `debt` says how many are owed. The next purchase repays them first. Nothing was charged."
            }
            Self::Forbidden => "The caller is known but may not do this.",
            Self::UserMismatch => {
                "`user_id` may be left out; where it is sent it must be the id of the token's own user."
            }
            Self::AnonymousUser => "Anonymous users cannot run generations. Sign up first.",
            Self::NoProfile => "The user's profile does not exist, for example because it was deleted. Sign up again.",
            Self::NotFound => "There is no such thing here, or it belongs to someone else.",
            Self::ProjectNotFound => "`project_id` must name one of the caller's own projects.",
            Self::BillingDisabled => "This deployment sells no credits.",
            Self::OfferNotFound => "There is no such pack or plan, or it is not on sale. List what is.",
            Self::QuoteNotFound => {
                "`quote_id` must name one of the caller's own quotes. Expired ones are forgotten after a while: ask for a new one."
            }
            Self::MethodNotAllowed => "The address exists; `Allow` lists the methods it answers.",
            Self::RequestTimeout => "The body did not arrive in time. Send it again.",
            Self::GenerationOpen => {
                "Only a generation that is completed or failed can be deleted. Cancel it, wait until it is final, then delete it."
            }
            Self::AlreadySubscribed => {
                "A user has one subscription at a time. Have it end with its period before another begins."
            }
            Self::SubscriptionEnded => "A subscription that has ended cannot be changed. Subscribe anew.",
            Self::QuoteExpired => {
                "A quoted price is good until `expires_at`. Nothing was charged. Ask for a new quote, or leave `quote_id` out to pay the price of today."
            }
            Self::PayloadTooLarge => "The body is over the limit that `detail` names.",
            Self::UnsupportedMediaType => "Send the body as `application/json`.",
            Self::UnsupportedPicture => {
                "`errors` names each picture of a type that is not taken. Send PNG, JPEG or WebP."
            }
            Self::InvalidRequest => "`errors` lists every fault of the body, each with its JSON pointer.",
            Self::IdempotencyKeyReused => {
                "This idempotency key belongs to another request. Use a new key for each new intent."
            }
            Self::RateLimited => "Too many requests in too short a time. Wait as long as `Retry-After` says.",
            Self::TooManyGenerations => {
                "As many generations as one user may have are under way. Start the next when one has ended. Nothing was charged."
            }
            Self::InternalError => "A mistake of ours; it was recorded under `request_id`.",
            Self::QueueFull => {
                "More is waiting than can be done soon. Nothing was charged. Try again after `Retry-After` seconds."
            }
            Self::Unavailable => "Something this service needs does not answer. Try again after `Retry-After` seconds.",
        }
    }

    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (StatusCode::BAD_REQUEST, "malformed-request", "Malformed request"),
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, "invalid-token", "No valid token"),
            Self::InvalidSignature => (StatusCode::UNAUTHORIZED, "invalid-signature", "No valid signature"),
            Self::InsufficientCredits => (StatusCode::PAYMENT_REQUIRED, "insufficient-credits", "Too few credits"),
            Self::DebtOpen => (StatusCode::PAYMENT_REQUIRED, "debt-open", "Credits are owed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Self::UserMismatch => (StatusCode::FORBIDDEN, "user-mismatch", "Another user's id"),
            Self::AnonymousUser => (StatusCode::FORBIDDEN, "anonymous-user", "Anonymous users cannot do this"),
            Self::NoProfile => (StatusCode::FORBIDDEN, "no-profile", "No profile"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::ProjectNotFound => (StatusCode::NOT_FOUND, "project-not-found", "Project not found"),
            Self::BillingDisabled => (StatusCode::NOT_FOUND, "billing-disabled", "Nothing is sold here"),
            Self::OfferNotFound => (StatusCode::NOT_FOUND, "offer-not-found", "Offer not found"),
            Self::QuoteNotFound => (StatusCode::NOT_FOUND, "quote-not-found", "Quote not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request-timeout", "The body took too long"),
            Self::GenerationOpen => (StatusCode::CONFLICT, "generation-open", "The generation is under way"),
            Self::AlreadySubscribed => (StatusCode::CONFLICT, "already-subscribed", "Already subscribed"),
            Self::SubscriptionEnded => (StatusCode::CONFLICT, "subscription-ended", "The subscription has ended"),
            Self::QuoteExpired => (StatusCode::CONFLICT, "quote-expired", "The quote has expired"),
            Self::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "Body too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
            Self::UnsupportedPicture => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-picture", "Unsupported picture")
            }
            Self::InvalidRequest => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", "Invalid request"),
            Self::IdempotencyKeyReused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "Idempotency key reused")
            }
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too many requests"),
            Self::TooManyGenerations => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-generations", "Too many generations under way")
            }
            Self::InternalError => (StatusCode::INTERNAL_SERVER_ERROR, "internal-error", "Internal error"),
            Self::QueueFull => (StatusCode::SERVICE_UNAVAILABLE, "queue-full", "The queue is full"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use poem_openapi::types::ToJSON;

    use super::Code;

    #[test]
    fn every_code_is_listed_once_by_its_status() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.windows(2).all(|pair| pair[0].status() <= pair[1].status()));
    }

    #[test]
    fn a_code_is_documented_under_its_name() {
        for code in Code::ALL {
            assert_eq!(code.to_json(), Some(code.as_str().into()));
        }
    }

    #[test]
    fn a_code_is_found_by_its_name() {
        assert_eq!(Code::find("insufficient-credits"), Some(Code::InsufficientCredits));
        assert_eq!(Code::find("no-such-problem"), None);
    }
}
