//! SQL: whether the system does its work, as far as its rows tell.

use std::time::Duration;

use serde::Serialize;
use sqlx::PgPool;

use crate::billing::event;
use crate::jobs::{self, Depth};
use crate::ledger::{self, READ_EVERY};
use crate::queue_housekeeping::seconds_since_a_worker_was_seen;

/// A worker that was not seen for this long is gone: four missed heartbeats of four seconds, and some.
const WORKER_SEEN_WITHIN: Duration = Duration::from_secs(30);
/// A job that is due waits no longer while there are enough workers.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Books that are older than three readings have no reader.
const BOOKS_AGE_MAX: Duration = READ_EVERY.saturating_mul(3);
/// What a payment brought is there within seconds.
const PAYMENT_WAIT_MAX: Duration = Duration::from_mins(5);
/// Failures of the last hour beyond this percentage are not single users' bad luck.
const FAILED_PERCENT_MAX: i64 = 5;
/// Fewer ends than this in an hour say nothing about a rate.
const ENDED_MIN: i64 = 20;

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    pub is_well: bool,
    /// What was seen, in plain words.
    pub seen: String,
}

/// Looks at everything that says whether the system works. Changes nothing, and asks nobody but the database.
///
/// # Errors
/// Whatever the database says: without it nothing works.
pub async fn check_health(pool: &PgPool) -> Result<Vec<Check>, sqlx::Error> {
    Ok(vec![
        workers(pool).await?,
        queues(pool).await?,
        runs(pool).await?,
        outcomes(pool).await?,
        books(pool).await?,
        payments(pool).await?,
    ])
}

async fn workers(pool: &PgPool) -> Result<Check, sqlx::Error> {
    let age = seconds_since_a_worker_was_seen(pool).await?;
    let seen = age.map_or_else(|| "none has ever been seen".to_owned(), |age| format!("one was seen {age:.0} s ago"));
    Ok(Check { name: "workers", is_well: age.is_some_and(|age| age <= WORKER_SEEN_WITHIN.as_secs_f64()), seen })
}

async fn queues(pool: &PgPool) -> Result<Check, sqlx::Error> {
    let depths = jobs::queue_depth(pool).await?;
    let waiting = depths.iter().filter(|depth| depth.status == Depth::WAITING);
    let (jobs, oldest) =
        waiting.fold((0, 0.0_f64), |(jobs, oldest), depth| (jobs + depth.jobs, oldest.max(depth.oldest_seconds)));
    let seen = format!("{jobs} jobs wait, the oldest has been due for {oldest:.0} s");
    Ok(Check { name: "queues", is_well: oldest <= WAIT_MAX.as_secs_f64(), seen })
}

async fn runs(pool: &PgPool) -> Result<Check, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        select count(*) as "open!",
               count(*) filter (where deadline_at < gateway.now() - interval '1 minute' and stage <> 'collecting')
                   as "overdue!"
        from gateway.run
        where stage in ('queued', 'submitting', 'running', 'collecting')
        "#
    )
    .fetch_one(pool)
    .await?;
    let seen = format!("{} are open, {} of them past their deadline", row.open, row.overdue);
    Ok(Check { name: "generations", is_well: row.overdue == 0, seen })
}

async fn outcomes(pool: &PgPool) -> Result<Check, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        select count(*) filter (where stage = 'completed') as "completed!",
               count(*) filter (where stage = 'failed'
                                  and error_code !~ '^(invalid_input|insufficient_resolution|input_.+)$') as "failed!"
        from gateway.run
        where settled_at > gateway.now() - interval '1 hour'
        "#
    )
    .fetch_one(pool)
    .await?;
    let ended = row.completed + row.failed;
    let is_well = ended < ENDED_MIN || row.failed * 100 <= ended * FAILED_PERCENT_MAX;
    let seen = format!(
        "{} were delivered within the last hour, {} failed for another reason than their pictures",
        row.completed, row.failed
    );
    Ok(Check { name: "outcomes", is_well, seen })
}

async fn books(pool: &PgPool) -> Result<Check, sqlx::Error> {
    let books = ledger::books(pool).await?;
    let open: i64 = books.open.iter().map(|(_, open)| open).sum();
    let age = books.age_seconds;
    let read = age.map_or_else(|| "never read".to_owned(), |age| format!("read {age:.0} s ago"));
    let is_well = open == 0 && age.is_some_and(|age| age <= BOOKS_AGE_MAX.as_secs_f64());
    Ok(Check { name: "books", is_well, seen: format!("{read}, {open} anomalies are open") })
}

async fn payments(pool: &PgPool) -> Result<Check, sqlx::Error> {
    let oldest = event::oldest(pool).await?;
    let seen = format!("the oldest event that waits has waited for {} s", oldest.as_secs());
    Ok(Check { name: "payments", is_well: oldest <= PAYMENT_WAIT_MAX, seen })
}
