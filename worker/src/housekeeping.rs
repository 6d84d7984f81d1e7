//! Keeps tables small and the queue's locks honest. The queue's library deletes nothing by itself, and
//! frees a job only when its worker is gone.

use std::time::Duration;

use shared::generation::accept::purge_expired_keys;
use shared::generation::quote::purge_expired_quotes;
use shared::notification::purge_ended;
use shared::queue_housekeeping::{forget_workers, kill_overdue, purge_finished};
use sqlx::PgPool;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often overdue locks are looked for.
const LOCKS_EVERY: Duration = Duration::from_mins(1);
/// How often finished jobs and gone workers are deleted.
const PURGE_EVERY: Duration = Duration::from_hours(1);
/// Rows one statement deletes or changes.
const BATCH: i64 = 1000;
/// Statements of one kind in one round; what is left waits for the next.
const BATCHES_MAX: usize = 100;

/// How long rows of the queue are kept. The defaults are the product's; tests shorten them.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Jobs that were done.
    pub done: Duration,
    /// Jobs that failed or were killed: somebody may want to know why.
    pub failed: Duration,
    /// Notifications that were sent or given up.
    pub notifications: Duration,
    /// Workers that no job refers to.
    pub workers: Duration,
    /// Longer than any step may take and wait, together.
    pub lock_max: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            done: Duration::from_hours(24),
            failed: Duration::from_hours(24 * 30),
            notifications: Duration::from_hours(24 * 30),
            workers: Duration::from_hours(1),
            lock_max: Duration::from_mins(10),
        }
    }
}

/// Keeps house until `stop`.
pub(crate) async fn run(pool: PgPool, stop: CancellationToken) {
    let retention = Retention::default();
    let mut ticks = interval(LOCKS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut purged_at: Option<Instant> = None;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let purging = purged_at.is_none_or(|at| at.elapsed() >= PURGE_EVERY);
        let work = async {
            free_locks(&pool, &retention).await?;
            if purging { purge(&pool, &retention).await } else { Ok(0) }
        };
        match stop.run_until_cancelled(work).await {
            Some(Ok(rows)) if purging => {
                tracing::info!(rows, "rows that are kept no longer were purged");
                purged_at = Some(Instant::now());
            }
            Some(Err(error)) => tracing::warn!(%error, "housekeeping failed; the next round repeats it"),
            Some(Ok(_)) | None => {}
        }
    }
}

/// Kills jobs that are locked longer than any step may take, and returns how many. The sweeper wakes their runs.
///
/// # Errors
/// Whatever the database says.
pub async fn free_locks(pool: &PgPool, retention: &Retention) -> Result<u64, sqlx::Error> {
    let killed = in_batches(|| kill_overdue(pool, retention.lock_max, BATCH)).await?;
    if killed > 0 {
        tracing::warn!(jobs = killed, "jobs killed: locked longer than any step may take");
    }
    Ok(killed)
}

/// Deletes what is kept no longer, and returns how many rows that were.
///
/// # Errors
/// Whatever the database says.
pub async fn purge(pool: &PgPool, retention: &Retention) -> Result<u64, sqlx::Error> {
    let jobs = in_batches(|| purge_finished(pool, retention.done, retention.failed, BATCH)).await?;
    let workers = in_batches(|| forget_workers(pool, retention.workers, BATCH)).await?;
    let keys = in_batches(|| purge_expired_keys(pool, BATCH)).await?;
    let quotes = in_batches(|| purge_expired_quotes(pool, BATCH)).await?;
    let notifications = in_batches(|| purge_ended(pool, retention.notifications, BATCH)).await?;
    Ok(jobs + workers + keys + quotes + notifications)
}

/// Repeats a statement as long as it finds a full batch.
async fn in_batches<Fut>(statement: impl Fn() -> Fut) -> Result<u64, sqlx::Error>
where
    Fut: Future<Output = Result<u64, sqlx::Error>>,
{
    let mut rows = 0;
    for _ in 0..BATCHES_MAX {
        let batch = statement().await?;
        rows += batch;
        if batch < BATCH.unsigned_abs() {
            break;
        }
    }
    Ok(rows)
}
