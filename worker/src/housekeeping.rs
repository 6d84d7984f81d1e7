//! Keeps the queue's locks honest, and the tables and the image store small. The queue's library deletes nothing by
//! itself, and frees a job only when its worker is gone.

use std::time::Duration;

use metrics::{counter, gauge};
use shared::queue_housekeeping::kill_overdue;
use shared::retention::{self, CleanupError, Report};
use shared::telemetry::names;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::state::WorkerState;

/// How often overdue locks and deleted pictures are looked for, and whether it is time to clean up.
const EVERY: Duration = Duration::from_mins(1);
/// Longest time of one cleanup; the rest waits for the next one.
const CLEAN_UP_TIME_MAX: Duration = Duration::from_hours(1);
/// Longer than any step may take and wait, together.
pub const LOCK_MAX: Duration = Duration::from_mins(10);

/// Keeps house until `stop`.
pub(crate) async fn run(state: WorkerState, stop: CancellationToken) {
    let pulse = state.liveness.register("housekeeping");
    loop {
        let work = async {
            if let Err(error) = free_locks(&state.pool, LOCK_MAX).await {
                tracing::warn!(%error, "overdue locks could not be looked for");
            }
            if let Err(error) = pulse.during(CLEAN_UP_TIME_MAX, clean_up(&state)).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "cleaning up failed; the next round goes on");
            }
            if let Err(error) = show_age(&state.pool).await {
                tracing::warn!(%error, "the age of the last cleaning up could not be read");
            }
        };
        let turn = async {
            work.await;
            pulse.rest(EVERY).await;
        };
        if stop.run_until_cancelled(turn).await.is_none() {
            return;
        }
    }
}

/// Kills jobs that are locked longer than any step may take, and returns how many. The sweeper wakes their runs.
///
/// # Errors
/// Whatever the database says.
pub async fn free_locks(pool: &PgPool, lock_max: Duration) -> Result<i64, sqlx::Error> {
    let killed = retention::in_batches(|limit| kill_overdue(pool, lock_max, limit)).await?;
    if killed > 0 {
        tracing::warn!(jobs = killed, "jobs killed: locked longer than any step may take");
    }
    Ok(killed)
}

/// Removes what users wait for, and, if it is time, all that is kept no longer.
///
/// # Errors
/// See [`CleanupError`]; what was done stays done.
pub async fn clean_up(state: &WorkerState) -> Result<Report, CleanupError> {
    let WorkerState { pool, images, retention: settings, .. } = state;
    let mut report = Report::default();
    let requested = retention::remove_requested(pool, &**images, &mut report).await;
    // The store may be away; the rows are not.
    retention::forget_uses(pool).await?;
    let is_due = retention::begin_if_due(pool).await?;
    let hourly = if is_due { retention::clean_up_hourly(pool, &**images, settings, &mut report).await } else { Ok(()) };
    count(&report);
    if is_due {
        let removed: u64 = report.kinds.values().map(|amount| amount.count).sum();
        tracing::info!(removed, unexpected = report.unexpected, "cleaned up what is kept no longer");
    }
    requested.and(hourly)?;
    Ok(report)
}

fn count(report: &Report) {
    for (kind, amount) in &report.kinds {
        counter!(names::CLEANUP_REMOVED_TOTAL, "kind" => kind.as_str()).increment(amount.count);
        counter!(names::CLEANUP_REMOVED_BYTES_TOTAL, "kind" => kind.as_str()).increment(amount.bytes);
    }
}

async fn show_age(pool: &PgPool) -> Result<(), sqlx::Error> {
    if let Some(age) = retention::age(pool).await? {
        gauge!(names::CLEANUP_AGE_SECONDS).set(age.as_secs_f64());
    }
    Ok(())
}
