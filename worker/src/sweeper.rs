//! Finds what nothing else will move: overdue runs, runs of dead workers, runs and mailings whose job was lost.

use std::time::Duration;

use shared::generation::{lease, wake};
use shared::notification;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::poller::{attend_all, limit, start_all};
use crate::state::WorkerState;

/// Time between two sweeps.
const EVERY: Duration = Duration::from_secs(5);
/// Runs that one sweep wakes, and that are attended to at once. A provider that hangs does not delay the next sweep.
const BATCH: usize = 100;

/// Sweeps until told to stop; a database that fails is waited for.
///
/// What is under way then is dropped: its lease expires and another sweeper takes it up.
pub async fn run(state: WorkerState, stop: CancellationToken) {
    let mut under_way = JoinSet::new();
    let pulse = state.liveness.register("sweeper");
    while stop.run_until_cancelled(pulse.rest(EVERY)).await.is_some() {
        while under_way.try_join_next().is_some() {}
        if let Err(error) = sweep(&state, &mut under_way).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the sweep failed");
        }
    }
}

async fn sweep(state: &WorkerState, under_way: &mut JoinSet<()>) -> Result<(), sqlx::Error> {
    wake(state).await?;
    let free = BATCH.saturating_sub(under_way.len());
    start_all(state, "sweep", lease::stuck(&state.pool, limit(free)).await?, under_way);
    Ok(())
}

async fn wake(state: &WorkerState) -> Result<usize, sqlx::Error> {
    let woken = wake::wake_sleeping(&state.pool, limit(BATCH)).await?;
    if woken > 0 {
        tracing::warn!(woken, "runs had lost their jobs");
    }
    if state.mailer.is_none() {
        return Ok(woken);
    }
    let mailings = notification::wake_sleeping(&state.pool, limit(BATCH)).await?;
    if mailings > 0 {
        tracing::warn!(mailings, "mailings had lost their jobs");
    }
    Ok(woken + mailings)
}

/// One sweep; returns how many runs it moved or woke.
///
/// # Errors
/// If the database failed; the next sweep does what this one left.
pub async fn tick(state: &WorkerState) -> Result<usize, sqlx::Error> {
    let woken = wake(state).await?;
    let stuck = lease::stuck(&state.pool, limit(BATCH)).await?;
    let moved = stuck.len();
    attend_all(state, "sweep", stuck).await;
    Ok(woken + moved)
}
