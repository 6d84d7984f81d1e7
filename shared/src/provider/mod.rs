//! Calling a provider that is not trusted: one bounded exchange, and the kinds of failure that a decision needs.

mod error;
pub(crate) mod http;

pub use error::{ProviderError, Reason};
pub use http::RETRY_AFTER_MAX;
