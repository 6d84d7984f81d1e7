//! What can become of an object of the provider's.

use crate::provider::ProviderError;

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Our rows say now what the provider says.
    Applied,
    /// It is not yet decided, and whatever decides it is told by another event.
    Pending,
    /// It is none of ours.
    Foreign,
    /// It names a purchase that is not here: its user was deleted, or another deployment shares the provider's account.
    Orphaned,
    /// What was paid is not what was asked for: nothing was credited, and an operator must look.
    Mismatch,
}

impl Outcome {
    /// Its name in rows and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Foreign => "foreign",
            Self::Orphaned => "orphaned",
            Self::Mismatch => "mismatch",
        }
    }
}

/// Why it is not known what became of an object. It is to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Also where the provider has no such object: with another account's key it has none of ours.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the provider does not say yet what it has told of")]
    NotYet,
    #[error("others wrote of it again and again")]
    Contended,
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}
