//! SQL: a user's wish to cancel. Settled here only when nobody else holds the run.

use sqlx::PgPool;
use thiserror::Error;

use super::lease::{self, Leased};
use super::lifecycle::{self, InvalidTransition};
use super::webhook::POLL_CHANNEL;
use super::{Event, Generation, find, store};
use crate::ids::{GenerationId, UserId};
use crate::telemetry::timed;

/// Why a cancel could not be carried out.
#[derive(Debug, Error)]
pub enum CancelError {
    /// Our bug: a queued run refused to be cancelled.
    #[error("the run could not be cancelled")]
    Invalid(#[from] InvalidTransition),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Cancels a generation if it is not too late, and returns what it is now; `None` if there is none of hers.
///
/// Queued and held by nobody, it is settled at once. In a worker's or the provider's hands, the wish is
/// noted and whoever holds it acts. Collecting or final, nothing changes. Safe to repeat.
///
/// # Errors
/// See [`CancelError`].
pub async fn request_cancel(
    pool: &PgPool,
    user_id: UserId,
    generation_id: GenerationId,
) -> Result<Option<Generation>, CancelError> {
    note_wish(pool, user_id, generation_id).await?;
    if let Some(leased) = lease::cancelled_in_queue(pool, user_id, generation_id).await? {
        settle(pool, &leased).await?;
    }
    Ok(find(pool, user_id, generation_id).await?)
}

async fn settle(pool: &PgPool, leased: &Leased) -> Result<(), CancelError> {
    let transition = lifecycle::next(&leased.run, Event::CancelRequested, leased.now())?;
    store::commit(pool, leased, &transition, &[]).await?;
    Ok(())
}

/// One ring for one wish: repeating it does not make the poller work.
async fn note_wish(pool: &PgPool, user_id: UserId, generation_id: GenerationId) -> Result<(), sqlx::Error> {
    timed(
        "note_cancel",
        sqlx::query!(
            r#"
        with wished as (
            update gateway.run
            set cancel_requested_at = gateway.now(), rings = rings + 1,
                poll_at = case when stage = 'queued' then poll_at else gateway.now() end
            where generation_id = $1 and user_id = $2 and cancel_requested_at is null
              and stage in ('queued', 'submitting', 'running')
            returning generation_id, stage, attempt
        ), event as (
            insert into gateway.event (generation_id, kind, stage, attempt, created_at)
            select generation_id, 'cancel_requested', stage, attempt, gateway.now() from wished
        )
        select pg_notify($3, '')::text from wished
        "#,
            generation_id as GenerationId,
            user_id as UserId,
            POLL_CHANNEL,
        )
        .fetch_optional(pool),
    )
    .await?;
    Ok(())
}
