//! Asks the provider about runs that are due, and at once about those that were rung for.

use std::time::{Duration, Instant};

use shared::generation::lease::{self, Leased};
use shared::generation::webhook::POLL_CHANNEL;
use shared::telemetry::names;
use sqlx::postgres::PgListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::attend;
use crate::state::WorkerState;
use crate::steps::StepError;

/// Longest time between two looks for due runs.
const TICK: Duration = Duration::from_secs(1);
/// Runs that one process asks about at once. One slow answer takes one of these, and holds up nobody else.
const AT_ONCE: usize = 32;
/// Pause after the database failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(2);

/// Looks until told to stop; a database that fails is waited for.
///
/// What is under way then is dropped: its lease expires and another poller takes it up.
pub async fn run(state: WorkerState, stop: CancellationToken) {
    let mut under_way = JoinSet::new();
    let mut bell = None;
    let pulse = state.liveness.register("poller");
    while !stop.is_cancelled() {
        if bell.is_none() {
            bell = listen(&state).await;
        }
        while under_way.try_join_next().is_some() {}
        let pause = start_due(&state, &mut under_way).await.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "due runs could not be read");
            FAILURE_PAUSE
        });
        let full = under_way.len() >= AT_ONCE;
        pulse.turn().await;
        tokio::select! {
            () = stop.cancelled() => return,
            _ = under_way.join_next(), if full => {}
            () = tokio::time::sleep(pause) => {}
            () = rung(&mut bell), if !full => {}
        }
    }
}

/// Leases as many due runs as there are free places and starts to ask about them; returns when to look again.
async fn start_due(state: &WorkerState, under_way: &mut JoinSet<()>) -> Result<Duration, sqlx::Error> {
    let free = AT_ONCE.saturating_sub(under_way.len());
    if free == 0 {
        return Ok(TICK);
    }
    let due = lease::due_for_poll(&state.pool, limit(free)).await?;
    let all_taken = due.len() == free;
    start_all(state, "poll", due, under_way);
    Ok(if all_taken { Duration::ZERO } else { TICK })
}

/// Attends to the runs that are due now, at most [`AT_ONCE`] of them; returns how many that were.
///
/// # Errors
/// If due runs could not be leased. What one run meets is logged and does not hold up the others.
pub async fn tick(state: &WorkerState) -> Result<usize, sqlx::Error> {
    let due = lease::due_for_poll(&state.pool, limit(AT_ONCE)).await?;
    let count = due.len();
    attend_all(state, "poll", due).await;
    Ok(count)
}

/// Free places as a bound for a query.
pub(crate) fn limit(places: usize) -> i64 {
    i64::try_from(places).expect("places are few")
}

/// Attends to all of these at once and waits for the last.
pub(crate) async fn attend_all(state: &WorkerState, step: &'static str, leased: Vec<Leased>) {
    futures::future::join_all(leased.into_iter().map(|leased| attend_one(state, step, leased))).await;
}

/// Starts to attend to all of these and does not wait.
pub(crate) fn start_all(state: &WorkerState, step: &'static str, leased: Vec<Leased>, under_way: &mut JoinSet<()>) {
    for leased in leased {
        let state = state.clone();
        under_way.spawn(async move { attend_one(&state, step, leased).await });
    }
}

/// Attends to one run, and logs and counts what came of it.
async fn attend_one(state: &WorkerState, step: &'static str, leased: Leased) {
    let span = tracing::info_span!(
        "step",
        step,
        attempt = leased.run.attempt,
        generation_id = tracing::field::Empty,
        request_id = tracing::field::Empty,
        trace_id = tracing::field::Empty,
    );
    let outcome = async {
        let begun = Instant::now();
        let outcome = named(attend::attend(state, step, &leased).await);
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(outcome, took_ms, "step ended");
        outcome
    };
    let outcome = outcome.instrument(span).await;
    metrics::counter!(names::STEPS_TOTAL, "step" => step, "outcome" => outcome).increment(1);
}

fn named(result: Result<&'static str, StepError>) -> &'static str {
    result.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "step failed; its lease will expire");
        "error"
    })
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
