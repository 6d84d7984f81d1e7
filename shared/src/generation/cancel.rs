//! SQL: a user's wish to cancel. Settled here only when nobody else holds the run.

use sqlx::PgPool;
use thiserror::Error;

use super::lease::{self, Leased};
use super::lifecycle::{self, InvalidTransition};
use super::webhook::POLL_CHANNEL;
use super::{Event, Generation, find, store};
use crate::ids::{GenerationId, UserId};
use crate::notification::Notify;
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

/// Cancels a generation if it is not too late, and returns what it is now; `None` if the user has no such generation.
///
/// Queued and held by nobody, it is settled at once. In a worker's or the provider's hands, the wish is
/// noted and the holder of its lease acts: the user's first `free_per_day` such cancels in a day (UTC) are free,
/// further ones cost the generation's price. Collecting or final, nothing changes. Safe to repeat.
///
/// # Errors
/// See [`CancelError`].
pub async fn request_cancel(
    pool: &PgPool,
    user_id: UserId,
    generation_id: GenerationId,
    free_per_day: u32,
) -> Result<Option<Generation>, CancelError> {
    note_wish(pool, user_id, generation_id, free_per_day).await?;
    if let Some(leased) = lease::cancelled_in_queue(pool, user_id, generation_id).await? {
        settle(pool, &leased).await?;
    }
    Ok(find(pool, user_id, generation_id).await?)
}

async fn settle(pool: &PgPool, leased: &Leased) -> Result<(), CancelError> {
    let transition = lifecycle::next(&leased.run, Event::CancelRequested, leased.now())?;
    store::commit(pool, leased, &transition, &[], Notify::Nobody).await?;
    Ok(())
}

/// Notifies the poller once per cancel: repeating it does not wake the poller again, and counts once.
///
/// Locks the user, the run, then the user's limit: two cancels at once cannot both take the last free one.
async fn note_wish(
    pool: &PgPool,
    user_id: UserId,
    generation_id: GenerationId,
    free_per_day: u32,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query!(
        r#"
        with kept as materialized (
            select gateway.keep_user($2) as user_known
        ), found as (
            select generation_id, user_id, stage, price
            from gateway.run cross join kept
            where user_known and generation_id = $1 and user_id = $2 and cancel_requested_at is null
              and stage in ('queued', 'submitting', 'running')
            for update of run
        ), counted as (
            insert into gateway.user_limit as held (user_id, full_at, cancels, cancels_on)
            select user_id, gateway.now(), 1, (gateway.now() at time zone 'utc')::date from found where stage <> 'queued'
            on conflict (user_id) do update
            set cancels = case when held.cancels_on = excluded.cancels_on then held.cancels + 1 else 1 end,
                cancels_on = excluded.cancels_on
            returning user_id, cancels
        ), wished as (
            update gateway.run
            set cancel_requested_at = gateway.now(), rings = run.rings + 1,
                poll_at = case when found.stage = 'queued' then run.poll_at else gateway.now() end,
                cancel_fee = case when counted.cancels > $4 then found.price else 0 end
            from found left join counted using (user_id)
            where run.generation_id = found.generation_id
            returning run.generation_id, run.stage, run.attempt
        ), event as (
            insert into gateway.event (generation_id, kind, stage, attempt, created_at)
            select generation_id, 'cancel_requested', stage, attempt, gateway.now() from wished
        )
        select pg_notify($3, '')::text from wished
        "#,
        generation_id as GenerationId,
        user_id as UserId,
        POLL_CHANNEL,
        i32::try_from(free_per_day).unwrap_or(i32::MAX),
    );
    timed("note_cancel", query.fetch_optional(pool)).await?;
    Ok(())
}
