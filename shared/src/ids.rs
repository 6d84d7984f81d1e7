//! Typed ids over UUIDs, so that a user's id cannot be passed where a generation's is meant. Pure.

use derive_more::{Display, FromStr};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Who owns credits: the `sub` of a Supabase token, `profiles.id`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display, FromStr, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct UserId(pub Uuid);

/// One customer request to run one workflow: `generations.id`. Time-ordered when made by us.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display, FromStr, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct GenerationId(pub Uuid);

/// A price promised for one request. Time-ordered.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display, FromStr, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct QuoteId(pub Uuid);

/// The right to act on a run until its lease expires.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display, FromStr, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct LeaseId(pub Uuid);

/// One mail to one user; its Message-ID is made of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display, FromStr, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct MailId(pub Uuid);

impl MailId {
    /// A new, random id: it leaves the house, and tells nothing.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl GenerationId {
    /// A new, time-ordered id (`UUIDv7`).
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl QuoteId {
    /// A new, time-ordered id (`UUIDv7`).
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl LeaseId {
    /// A new, random id.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}
