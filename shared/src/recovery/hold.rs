//! SQL: the row that says a database was restored and not yet recovered.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use thiserror::Error;

/// Why nothing may be submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Since when. Runs accepted later are of the new world, and none of recovery's business.
    pub held_at: DateTime<Utc>,
    /// Of when the rows are, if that is known.
    pub backup_at: Option<DateTime<Utc>>,
    /// In an operator's words.
    pub reason: String,
}

/// Why a worker may not start.
#[derive(Debug, Error)]
pub enum HoldError {
    #[error(
        "this database is held since {}: {}. What was under way must be settled first: run `shootx-worker recover`, \
         which says what it would do, then `shootx-worker recover --apply`", .0.held_at, .0.reason
    )]
    Held(Hold),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Passes where nothing is held.
///
/// # Errors
/// [`HoldError::Held`] says why not.
pub async fn ensure_none(pool: &PgPool) -> Result<(), HoldError> {
    match find(pool).await? {
        Some(hold) => Err(HoldError::Held(hold)),
        None => Ok(()),
    }
}

/// The hold, if there is one.
///
/// # Errors
/// Whatever the database says.
pub async fn find(pool: &PgPool) -> Result<Option<Hold>, sqlx::Error> {
    sqlx::query_as!(Hold, "select held_at, backup_at, reason from gateway.hold").fetch_optional(pool).await
}

/// Holds the database from now on; one that is held already stays as it is.
///
/// # Errors
/// Whatever the database says.
pub async fn place(pool: &PgPool, reason: &str) -> Result<Hold, sqlx::Error> {
    sqlx::query_as!(
        Hold,
        r#"
        with placed as (
            insert into gateway.hold (held_at, reason) values (gateway.now(), $1)
            on conflict do nothing
            returning held_at, backup_at, reason
        )
        select held_at as "held_at!", backup_at, reason as "reason!" from placed
        union all
        select held_at, backup_at, reason from gateway.hold
        limit 1
        "#,
        reason,
    )
    .fetch_one(pool)
    .await
}

/// Lets workers start again.
///
/// # Errors
/// Whatever the database says.
pub async fn lift(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from gateway.hold").execute(pool).await?;
    Ok(())
}
