//! SQL: corrections by hand. Each is an `adjustment` entry with its reason, written with the balance it changes.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::entry::EntryKind;
use super::store::{self, NewEntry};
use crate::credits::Credits;
use crate::db;
use crate::ids::UserId;

const REASON_CHARS_MAX: usize = 500;
const KEY_CHARS_MAX: usize = 200;

/// Why credits are corrected: 1 to 500 characters, which the user reads beside the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// What a correction is for, so that it happens once: 1 to 200 characters without spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

/// A correction that is asked for.
#[derive(Debug, Clone)]
pub struct Adjustment {
    pub user_id: UserId,
    /// What is added, or taken if it is negative. Never zero.
    pub amount: Credits,
    pub reason: Reason,
    pub key: Key,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjusted {
    /// The balance was changed; in a dry run, it would be.
    Done { before: Credits, after: Credits },
    /// The same correction was made `at` that time, so nothing is done.
    Repeated { at: DateTime<Utc>, balance: Credits },
}

/// Why a correction is refused.
#[derive(Debug, thiserror::Error)]
pub enum AdjustError {
    #[error("a reason has 1 to {REASON_CHARS_MAX} characters and is not blank")]
    Reason,
    #[error("a key has 1 to {KEY_CHARS_MAX} characters, none of them a space")]
    Key,
    #[error("an adjustment of 0 credits changes nothing")]
    Zero,
    #[error("there is no balance of a user {0}")]
    UnknownUser(UserId),
    #[error("the balance is {balance}: an adjustment of {amount} would bring it below zero")]
    BelowZero { balance: Credits, amount: Credits },
    #[error("the balance is {balance}: an adjustment of {amount} is more than a balance can hold")]
    TooMuch { balance: Credits, amount: Credits },
    #[error("the key {entry_key} is of another adjustment: of {amount}, for user {user_id}")]
    KeyReused { entry_key: String, user_id: UserId, amount: Credits },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl FromStr for Reason {
    type Err = AdjustError;

    fn from_str(text: &str) -> Result<Self, AdjustError> {
        let text = text.trim();
        let is_fit = !text.is_empty() && text.chars().count() <= REASON_CHARS_MAX && !text.contains(char::is_control);
        if is_fit { Ok(Self(text.to_owned())) } else { Err(AdjustError::Reason) }
    }
}

impl FromStr for Key {
    type Err = AdjustError;

    fn from_str(text: &str) -> Result<Self, AdjustError> {
        let is_odd = |character: char| character.is_control() || character.is_whitespace();
        let is_fit = !text.is_empty() && text.chars().count() <= KEY_CHARS_MAX && !text.contains(is_odd);
        if is_fit { Ok(Self(text.to_owned())) } else { Err(AdjustError::Key) }
    }
}

impl Key {
    /// A new one, for a correction that is not repeated.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7().to_string())
    }
}

impl Adjustment {
    /// The key of its entry.
    #[must_use]
    pub fn entry_key(&self) -> String {
        format!("adjustment:{}", self.key.0)
    }
}

/// Writes the correction's entry and the balance together, once for its key; never below zero. A dry run finds out the
/// same and changes nothing.
///
/// # Errors
/// [`AdjustError`] says why not; then nothing is written.
pub async fn adjust(pool: &PgPool, adjustment: &Adjustment, dry_run: bool) -> Result<Adjusted, AdjustError> {
    if adjustment.amount.is_zero() {
        return Err(AdjustError::Zero);
    }
    let mut tx = db::begin_for(pool, adjustment.user_id).await?;
    let balance = locked_balance(&mut tx, adjustment.user_id).await?;
    if let Some(repeated) = find_earlier(&mut tx, adjustment, balance).await? {
        return Ok(repeated);
    }
    let after = sum(balance, adjustment.amount)?;
    let entry_key = adjustment.entry_key();
    let entry = NewEntry {
        user_id: adjustment.user_id,
        amount: adjustment.amount,
        kind: EntryKind::Adjustment,
        description: &adjustment.reason.0,
        entry_key: &entry_key,
    };
    if !store::add(&mut tx, &entry).await? {
        // Another user's adjustment took the key at this moment.
        tx.rollback().await?;
        let earlier = find_earlier(&mut *pool.acquire().await?, adjustment, balance).await?;
        return earlier.ok_or(AdjustError::Database(sqlx::Error::RowNotFound));
    }
    if dry_run {
        tx.rollback().await?
    } else {
        tx.commit().await?
    }
    Ok(Adjusted::Done { before: balance, after })
}

fn sum(balance: Credits, amount: Credits) -> Result<Credits, AdjustError> {
    let after = balance.checked_add(amount).ok_or(AdjustError::TooMuch { balance, amount })?;
    if after < Credits::ZERO { Err(AdjustError::BelowZero { balance, amount }) } else { Ok(after) }
}

/// The balance, which nobody else changes until the transaction ends.
async fn locked_balance(connection: &mut PgConnection, user_id: UserId) -> Result<Credits, AdjustError> {
    sqlx::query_scalar!(
        r#"select balance as "balance!: Credits" from public.credits where user_id = $1 for update"#,
        user_id as UserId,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(AdjustError::UnknownUser(user_id))
}

/// What became of an earlier adjustment of this key, if there is one.
async fn find_earlier(
    connection: &mut PgConnection,
    adjustment: &Adjustment,
    balance: Credits,
) -> Result<Option<Adjusted>, AdjustError> {
    let entry_key = adjustment.entry_key();
    let earlier = sqlx::query!(
        r#"select user_id as "user_id: UserId", amount as "amount: Credits",
                  coalesce(created_at, 'epoch') as "created_at!"
           from public.credit_transactions where entry_key = $1"#,
        entry_key,
    )
    .fetch_optional(connection)
    .await?;
    let Some(earlier) = earlier else { return Ok(None) };
    if (earlier.user_id, earlier.amount) != (adjustment.user_id, adjustment.amount) {
        return Err(AdjustError::KeyReused { entry_key, user_id: earlier.user_id, amount: earlier.amount });
    }
    Ok(Some(Adjusted::Repeated { at: earlier.created_at, balance }))
}

#[cfg(test)]
mod tests {
    use super::{Key, Reason};

    #[test]
    fn a_reason_and_a_key_say_something_in_bounds() {
        for reason in ["x", "  Sorry for the outage ", &"x".repeat(500)] {
            assert!(reason.parse::<Reason>().is_ok(), "{reason}");
        }
        for reason in ["", "  \t", &"x".repeat(501), "two\nlines"] {
            assert!(reason.parse::<Reason>().is_err(), "{reason}");
        }
        for key in ["", "a b", "a\n", &"x".repeat(201)] {
            assert!(key.parse::<Key>().is_err(), "{key}");
        }
        assert!("ticket-4711".parse::<Key>().is_ok());
    }
}
