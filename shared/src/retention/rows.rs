//! SQL: rows that nobody asks for any more. One statement a kind, which counts what may go and, if it shall, deletes it.

use sqlx::PgPool;

use super::{
    EVENTS_KEPT, JOBS_DONE_KEPT, JOBS_FAILED_KEPT, Kind, Mode, NOTIFICATIONS_KEPT, PAYMENT_EVENTS_KEPT, PURCHASES_KEPT,
    WORKERS_KEPT, in_batches, seconds,
};
use crate::queue_housekeeping::{forget_workers, purge_finished};

/// Rows that a look counts at most.
const LOOK_MAX: i64 = 100_000;

/// Deletes what of a kind of rows may go, in batches, or counts it; returns how many rows that is.
///
/// # Errors
/// Whatever the database says.
pub async fn purge(pool: &PgPool, kind: Kind, mode: Mode) -> Result<i64, sqlx::Error> {
    if mode == Mode::Look {
        return batch(pool, kind, LOOK_MAX, false).await;
    }
    in_batches(|limit| batch(pool, kind, limit, true)).await
}

async fn batch(pool: &PgPool, kind: Kind, limit: i64, apply: bool) -> Result<i64, sqlx::Error> {
    match kind {
        Kind::IdempotencyKeys => idempotency_keys(pool, limit, apply).await,
        Kind::Quotes => quotes(pool, limit, apply).await,
        Kind::Events => events(pool, limit, apply).await,
        Kind::PaymentEvents => payment_events(pool, limit, apply).await,
        Kind::Purchases => purchases(pool, limit, apply).await,
        Kind::Notifications => notifications(pool, limit, apply).await,
        Kind::Workers => forget_workers(pool, WORKERS_KEPT, limit, apply).await,
        Kind::Jobs => purge_finished(pool, JOBS_DONE_KEPT, JOBS_FAILED_KEPT, limit, apply).await,
        Kind::RemovedUsers | Kind::ExpiredOutputs | Kind::DeletedGenerations | Kind::UnusedInputs | Kind::Orphans => {
            Ok(0)
        }
    }
}

async fn idempotency_keys(pool: &PgPool, limit: i64, apply: bool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with due as (
            select user_id, operation, key from gateway.idempotency_key where expires_at <= gateway.now() limit $1
        ), gone as (
            delete from gateway.idempotency_key
            where $2::boolean and (user_id, operation, key) in (select user_id, operation, key from due)
              and expires_at <= gateway.now()
            returning 1
        )
        select case when $2 then (select count(*) from gone) else (select count(*) from due) end as "rows!"
        "#,
        limit,
        apply,
    )
    .fetch_one(pool)
    .await
}

async fn quotes(pool: &PgPool, limit: i64, apply: bool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with due as (
            select quote_id from gateway.quote where expires_at <= gateway.now() limit $1
        ), gone as (
            delete from gateway.quote where $2::boolean and quote_id in (select quote_id from due) returning 1
        )
        select case when $2 then (select count(*) from gone) else (select count(*) from due) end as "rows!"
        "#,
        limit,
        apply,
    )
    .fetch_one(pool)
    .await
}

/// Looks at the oldest only: events are numbered as they happen, and a run is settled within the hour.
async fn events(pool: &PgPool, limit: i64, apply: bool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with oldest as (
            select id, generation_id, created_at from gateway.event order by id limit $1
        ), due as (
            select oldest.id
            from oldest join gateway.run using (generation_id)
            where oldest.created_at <= gateway.now() - make_interval(secs => $3)
              and run.settled_at <= gateway.now() - make_interval(secs => $3)
        ), gone as (
            delete from gateway.event where $2::boolean and id in (select id from due) returning 1
        )
        select case when $2 then (select count(*) from gone) else (select count(*) from due) end as "rows!"
        "#,
        limit,
        apply,
        seconds(EVENTS_KEPT),
    )
    .fetch_one(pool)
    .await
}

async fn payment_events(pool: &PgPool, limit: i64, apply: bool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with due as (
            select event_id from gateway.payment_event
            where ended_at <= gateway.now() - make_interval(secs => $3) limit $1
        ), gone as (
            delete from gateway.payment_event where $2::boolean and event_id in (select event_id from due) returning 1
        )
        select case when $2 then (select count(*) from gone) else (select count(*) from due) end as "rows!"
        "#,
        limit,
        apply,
        seconds(PAYMENT_EVENTS_KEPT),
    )
    .fetch_one(pool)
    .await
}

/// Nothing that a payment or a subscription came of.
async fn purchases(pool: &PgPool, limit: i64, apply: bool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with due as (
            select purchase_id from gateway.purchase
            where state <> 'paid' and expires_at <= gateway.now() - make_interval(secs => $3)
              and not exists (select from gateway.payment where payment.purchase_id = purchase.purchase_id)
              and not exists (select from gateway.subscription where subscription.purchase_id = purchase.purchase_id)
            limit $1
        ), gone as (
            delete from gateway.purchase
            where $2::boolean and purchase_id in (select purchase_id from due) and state <> 'paid'
            returning 1
        )
        select case when $2 then (select count(*) from gone) else (select count(*) from due) end as "rows!"
        "#,
        limit,
        apply,
        seconds(PURCHASES_KEPT),
    )
    .fetch_one(pool)
    .await
}

/// Nothing that is still to be told, or about which it is not known whether it was.
async fn notifications(pool: &PgPool, limit: i64, apply: bool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with due as (
            select generation_id, event from gateway.notification
            where state not in ('waiting', 'sending') and created_at <= gateway.now() - make_interval(secs => $3)
            limit $1
        ), gone as (
            delete from gateway.notification
            where $2::boolean and (generation_id, event) in (select generation_id, event from due)
            returning 1
        )
        select case when $2 then (select count(*) from gone) else (select count(*) from due) end as "rows!"
        "#,
        limit,
        apply,
        seconds(NOTIFICATIONS_KEPT),
    )
    .fetch_one(pool)
    .await
}
