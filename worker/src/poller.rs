//! Asks the provider about runs that are due, and at once about those that were rung for.

use std::time::Duration;

use futures::StreamExt as _;
use shared::generation::lease;
use shared::generation::webhook::POLL_CHANNEL;
use shared::telemetry::names;
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::attend;
use crate::state::WorkerState;
use crate::steps::StepError;

/// Longest time between two looks for due runs.
const TICK: Duration = Duration::from_secs(1);
/// Runs that one look leases, and asks about at once.
const BATCH: i64 = 16;
/// Pause after the database failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);

/// Looks until told to stop; a database that fails is waited for.
pub async fn run(state: WorkerState, stop: CancellationToken) {
    let mut bell = None;
    while !stop.is_cancelled() {
        if bell.is_none() {
            bell = listen(&state).await;
        }
        let pause = match tick(&state).await {
            Ok(0) => TICK,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "due runs could not be read");
                FAILURE_PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = rung(&mut bell), if !pause.is_zero() => {}
        }
    }
}

/// Attends to every run that is due now, at most one batch; returns how many that were.
///
/// # Errors
/// If due runs could not be leased. What one run meets is logged and does not hold up the others.
pub async fn tick(state: &WorkerState) -> Result<usize, sqlx::Error> {
    let due = lease::due_for_poll(&state.pool, BATCH).await?;
    let count = due.len();
    attend_all(state, "poll", due).await;
    Ok(count)
}

pub(crate) async fn attend_all(state: &WorkerState, step: &'static str, leased: Vec<lease::Leased>) {
    let at_once = leased.len().max(1);
    futures::stream::iter(leased)
        .for_each_concurrent(at_once, |leased| {
            let span = tracing::info_span!(
                "step",
                step,
                attempt = leased.run.attempt,
                generation_id = tracing::field::Empty,
                request_id = tracing::field::Empty
            );
            async move { count(step, attend::attend(state, &leased).await) }.instrument(span)
        })
        .await;
}

fn count(step: &'static str, result: Result<&'static str, StepError>) {
    let outcome = result.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "step failed; its lease will expire");
        "error"
    });
    metrics::counter!(names::STEPS_TOTAL, "step" => step, "outcome" => outcome).increment(1);
}

async fn listen(state: &WorkerState) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(&state.pool).await.ok()?;
    listener.listen(POLL_CHANNEL).await.ok()?;
    Some(listener)
}

/// Resolves when the bell rings. A bell that breaks is dropped, and hung anew on the next turn.
async fn rung(bell: &mut Option<PgListener>) {
    let Some(listener) = bell else { return std::future::pending().await };
    if listener.recv().await.is_err() {
        *bell = None;
    }
}
