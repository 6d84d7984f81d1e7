//! What callers are told of purchases that fail.

use std::time::Duration;

use shared::billing::purchase::PurchaseError;
use shared::billing::subscription::ChangeError;
use shared::provider::ProviderError;

use super::ApiError;

/// When one of a user's open checkouts may have expired.
const CHECKOUT_RETRY: Duration = Duration::from_mins(10);

impl From<PurchaseError> for ApiError {
    fn from(error: PurchaseError) -> Self {
        match error {
            PurchaseError::NotOnSale => Self::OfferNotFound,
            PurchaseError::AlreadySubscribed => Self::AlreadySubscribed,
            PurchaseError::KeyReused => Self::KeyReused,
            PurchaseError::TooManyOpen => Self::RateLimited { retry_after: CHECKOUT_RETRY },
            PurchaseError::NoProfile => Self::NoProfile,
            PurchaseError::Provider(error) => error.into(),
            PurchaseError::Database(error) => error.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound => Self::NotFound,
            ChangeError::Ended => Self::SubscriptionEnded,
            ChangeError::Provider(error) => error.into(),
            ChangeError::Database(error) => error.into(),
        }
    }
}

impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Unavailable { .. } => Self::unavailable(error),
            // It refused what we made, or what it gave us is gone there.
            ProviderError::Rejected { .. } | ProviderError::Unknown { .. } | ProviderError::NotFound => {
                Self::internal(error)
            }
        }
    }
}
