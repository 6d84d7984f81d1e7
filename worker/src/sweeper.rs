//! Finds what nothing else will move: overdue runs, runs of dead workers, runs whose job was lost.

use std::time::Duration;

use shared::generation::{lease, wake};
use tokio_util::sync::CancellationToken;

use crate::poller::attend_all;
use crate::state::WorkerState;

/// Time between two sweeps.
const EVERY: Duration = Duration::from_secs(5);
/// Runs that one sweep leases, and wakes, at most.
const BATCH: i64 = 100;

/// Sweeps until told to stop; a database that fails is waited for.
pub async fn run(state: WorkerState, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = tick(&state).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the sweep failed");
        }
    }
}

/// One sweep; returns how many runs it moved or woke.
///
/// # Errors
/// If the database failed; the next sweep does what this one left.
pub async fn tick(state: &WorkerState) -> Result<usize, sqlx::Error> {
    let woken = wake::wake_sleeping(&state.pool, BATCH).await?;
    if woken > 0 {
        tracing::warn!(woken, "runs had lost their jobs");
    }
    let stuck = lease::stuck(&state.pool, BATCH).await?;
    let moved = stuck.len();
    attend_all(state, "sweep", stuck).await;
    Ok(woken + moved)
}
