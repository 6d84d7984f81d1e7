//! SQL: the time-limited right to act on a run. Every step starts here and ends in [`super::store::commit`].

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use super::run::COLLECT_GRACE;
use super::{Run, Stage};
use crate::credits::Credits;
use crate::ids::{GenerationId, LeaseId, UserId};
use crate::telemetry::timed;
use crate::workflow::Dialect;

/// How long a lease lasts unless it is renewed.
pub const LEASE: Duration = Duration::from_secs(20);
/// How often its holder renews it.
pub const LEASE_RENEWED_EVERY: Duration = Duration::from_secs(5);

/// A run, and the right to move it.
#[derive(Debug, Clone)]
pub struct Leased {
    /// The run as it was when it was leased.
    pub run: Run,
    /// The lease; a commit under another one is dropped.
    pub lease_id: LeaseId,
    taken_at: DateTime<Utc>,
    taken: Instant,
}

impl Leased {
    /// The time all processes agree on, carried on from the moment of leasing.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.taken_at + TimeDelta::from_std(self.taken.elapsed()).unwrap_or_default()
    }
}

/// Leases a queued run for submission and records its attempt, in one statement.
///
/// `None`: it is final, cancelled, overdue, not due yet, someone else has it, or the database is held after a restore.
///
/// # Errors
/// Whatever the database says.
pub async fn for_submission(pool: &PgPool, generation_id: GenerationId) -> Result<Option<Leased>, sqlx::Error> {
    let lease_id = LeaseId::generate();
    let query = sqlx::query_scalar!(
        r#"
        with taken as (
            update gateway.run
            set stage = 'submitting', lease_id = $2, leased_until = gateway.now() + make_interval(secs => $3),
                wake_at = null, progress = greatest(progress, 5)
            where generation_id = $1 and stage = 'queued' and cancel_requested_at is null
              and deadline_at > gateway.now()
              and (wake_at is null or wake_at <= gateway.now())
              and (leased_until is null or leased_until <= gateway.now())
              and not exists (select from gateway.hold)
            returning generation_id, attempt
        ), recorded as (
            insert into gateway.attempt (generation_id, attempt, started_at)
            select generation_id, attempt, gateway.now() from taken
            on conflict (generation_id, attempt) do nothing
        )
        insert into gateway.event (generation_id, kind, stage, attempt, created_at)
        select generation_id, 'leased_for_submission', 'submitting', attempt, gateway.now() from taken
        returning created_at
        "#,
        generation_id as GenerationId,
        lease_id as LeaseId,
        LEASE.as_secs_f64(),
    );
    let now = timed("lease_for_submission", query.fetch_optional(pool)).await?;
    Ok(load(pool, lease_id, now).await?.pop())
}

/// Leases a run whose outputs are to be collected. A lease that is still there was never given back: its holder
/// is gone, and is counted.
///
/// # Errors
/// Whatever the database says.
pub async fn for_collection(pool: &PgPool, generation_id: GenerationId) -> Result<Option<Leased>, sqlx::Error> {
    let lease_id = LeaseId::generate();
    let query = sqlx::query_scalar!(
        r#"
        update gateway.run
        set lease_id = $2, leased_until = gateway.now() + make_interval(secs => $3),
            leases_lost = leases_lost + (lease_id is not null)::int::smallint
        where generation_id = $1 and stage = 'collecting'
          and (wake_at is null or wake_at <= gateway.now())
          and (leased_until is null or leased_until <= gateway.now())
        returning gateway.now() as "now!"
        "#,
        generation_id as GenerationId,
        lease_id as LeaseId,
        LEASE.as_secs_f64(),
    );
    let now = timed("lease_for_collection", query.fetch_optional(pool)).await?;
    Ok(load(pool, lease_id, now).await?.pop())
}

/// Leases a queued run whose user has asked to cancel it, if nobody else holds it.
///
/// # Errors
/// Whatever the database says.
pub async fn cancelled_in_queue(
    pool: &PgPool,
    user_id: UserId,
    generation_id: GenerationId,
) -> Result<Option<Leased>, sqlx::Error> {
    let lease_id = LeaseId::generate();
    let now = sqlx::query_scalar!(
        r#"
        update gateway.run
        set lease_id = $3, leased_until = gateway.now() + make_interval(secs => $4)
        where generation_id = $1 and user_id = $2 and stage = 'queued' and cancel_requested_at is not null
          and (leased_until is null or leased_until <= gateway.now())
        returning gateway.now() as "now!"
        "#,
        generation_id as GenerationId,
        user_id as UserId,
        lease_id as LeaseId,
        LEASE.as_secs_f64(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(load(pool, lease_id, now).await?.pop())
}

/// Leases at most `limit` runs whose provider is due to be asked. Counts holders that are gone, as [`for_collection`].
///
/// # Errors
/// Whatever the database says.
pub async fn due_for_poll(pool: &PgPool, limit: i64) -> Result<Vec<Leased>, sqlx::Error> {
    let lease_id = LeaseId::generate();
    let query = sqlx::query_scalar!(
        r#"
        update gateway.run
        set lease_id = $1, leased_until = gateway.now() + make_interval(secs => $2),
            leases_lost = leases_lost + (lease_id is not null)::int::smallint
        where generation_id in (
            select generation_id from gateway.run
            where stage in ('submitting', 'running') and poll_at <= gateway.now()
              and (leased_until is null or leased_until <= gateway.now())
            order by poll_at
            limit $3
            for update skip locked)
        returning gateway.now() as "now!"
        "#,
        lease_id as LeaseId,
        LEASE.as_secs_f64(),
        limit,
    );
    let now = timed("lease_due_for_poll", query.fetch_all(pool)).await?;
    load(pool, lease_id, now.first().copied()).await
}

/// Leases at most `limit` runs that nothing else will move: overdue, cancelled while queued, abandoned by a
/// worker that died while submitting, or collecting in vain.
///
/// # Errors
/// Whatever the database says.
pub async fn stuck(pool: &PgPool, limit: i64) -> Result<Vec<Leased>, sqlx::Error> {
    let lease_id = LeaseId::generate();
    let query = sqlx::query_scalar!(
        r#"
        update gateway.run
        set lease_id = $1, leased_until = gateway.now() + make_interval(secs => $2)
        where generation_id in (
            select generation_id from gateway.run
            where stage in ('queued', 'submitting', 'running')
              and (leased_until is null or leased_until <= gateway.now())
              and (deadline_at <= gateway.now()
                   or (stage = 'queued' and cancel_requested_at is not null)
                   or (stage = 'submitting' and poll_at is null))
               or stage = 'collecting'
              and (leased_until is null or leased_until <= gateway.now())
              and deadline_at + make_interval(secs => $4) <= gateway.now()
            order by deadline_at
            limit $3
            for update skip locked)
        returning gateway.now() as "now!"
        "#,
        lease_id as LeaseId,
        LEASE.as_secs_f64(),
        limit,
        COLLECT_GRACE.as_seconds_f64(),
    );
    let now = timed("lease_stuck", query.fetch_all(pool)).await?;
    load(pool, lease_id, now.first().copied()).await
}

/// Leases a run of a restored backup, as it is. A lease taken before `held_at` is of a holder that is gone.
///
/// # Errors
/// Whatever the database says.
pub async fn after_restore(
    pool: &PgPool,
    generation_id: GenerationId,
    held_at: DateTime<Utc>,
) -> Result<Option<Leased>, sqlx::Error> {
    let lease_id = LeaseId::generate();
    let now = sqlx::query_scalar!(
        r#"
        update gateway.run
        set lease_id = $2, leased_until = gateway.now() + make_interval(secs => $3)
        where generation_id = $1 and stage in ('queued', 'submitting', 'running', 'collecting')
          and (leased_until is null or leased_until <= greatest(gateway.now(), $4::timestamptz + make_interval(secs => $3)))
        returning gateway.now() as "now!"
        "#,
        generation_id as GenerationId,
        lease_id as LeaseId,
        LEASE.as_secs_f64(),
        held_at,
    )
    .fetch_optional(pool)
    .await?;
    Ok(load(pool, lease_id, now).await?.pop())
}

/// Renews a lease; `false` means that it was lost.
///
/// # Errors
/// Whatever the database says.
pub async fn renew(pool: &PgPool, generation_id: GenerationId, lease_id: LeaseId) -> Result<bool, sqlx::Error> {
    let query = sqlx::query!(
        r#"
        update gateway.run
        set leased_until = gateway.now() + make_interval(secs => $3)
        where generation_id = $1 and lease_id = $2
        "#,
        generation_id as GenerationId,
        lease_id as LeaseId,
        LEASE.as_secs_f64(),
    );
    let renewed = timed("renew_lease", query.execute(pool)).await?;
    Ok(renewed.rows_affected() == 1)
}

/// The runs that `lease_id` was just given, at `taken_at`; none if it was given none.
async fn load(pool: &PgPool, lease_id: LeaseId, taken_at: Option<DateTime<Utc>>) -> Result<Vec<Leased>, sqlx::Error> {
    let (taken, Some(taken_at)) = (Instant::now(), taken_at) else { return Ok(Vec::new()) };
    let runs = sqlx::query_as!(
        Run,
        r#"
        select generation_id as "generation_id: GenerationId", user_id as "user_id: UserId", workflow, endpoint,
               dialect as "dialect: Dialect", stage as "stage: Stage", price as "price: Credits", outputs_asked,
               outputs_delivered, output_format, seed, request_id, traceparent, accepted_at, deadline_at, target_seconds,
               max_seconds, attempt, timeouts, tries, polls, lost_looks, provider_job_id, submitted_at,
               unknown_until, result_at, poll_at, wake_at, rings, leases_lost, cancel_requested_at,
               cancel_fee as "cancel_fee: Credits", progress,
               error_code, settled_at
        from gateway.run
        where lease_id = $1
        "#,
        lease_id as LeaseId,
    )
    .fetch_all(pool)
    .await?;
    Ok(runs.into_iter().map(|run| Leased { run, lease_id, taken_at, taken }).collect())
}
