//! What a job wakes. Every step is the same four things: lease, act, decide, commit.

pub mod collect;
mod keeper;
mod pictures;
mod submission;
pub mod submit;

use shared::generation::attempt;
use shared::generation::lease::Leased;
use shared::generation::lifecycle::{self, InvalidTransition};
use shared::generation::output::StoredOutput;
use shared::generation::store::{self, Committed};
use shared::generation::{Event, Stage, Transition};
use shared::retry;
use shared::telemetry::trace::StepTrace;
use thiserror::Error;
use tracing::field::display;
use tracing::{Instrument, Span};

use crate::state::WorkerState;

pub use keeper::Keeper;

/// A step that could not commit. Its run is as it was; the sweeper brings it back.
#[derive(Debug, Error)]
pub enum StepError {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Our bug: the step saw something that cannot happen.
    #[error("the step saw what cannot happen")]
    Invalid(#[from] InvalidTransition),
}

/// Outcome of a step that found nothing to do: another one was faster, or the run has moved on.
pub const NOTHING_TO_DO: &str = "nothing_to_do";
/// Outcome of a step that came too late to commit.
pub const LEASE_LOST: &str = "lease_lost";

/// Times a commit is tried before its step is given up.
const COMMIT_TRIES_MAX: u32 = 3;

/// Decides what `event` means and commits it; the name of what happened is the step's outcome.
///
/// # Errors
/// See [`StepError`]; then nothing was written.
pub async fn conclude(
    state: &WorkerState,
    leased: &Leased,
    event: Event,
    outputs: &[StoredOutput],
) -> Result<&'static str, StepError> {
    let transition = lifecycle::next(&leased.run, event, leased.now())?;
    let run = &leased.run;
    match commit(state, leased, &transition, outputs).await? {
        Committed::Written => {
            log(leased, &transition);
            Ok(transition.kind)
        }
        Committed::LeaseLost => {
            // Made, and heard of too late: whoever holds the run now shall not make another one.
            if let (Stage::Submitting, Some(made)) = (run.stage, &transition.run.provider_job_id) {
                attempt::remember(&state.pool, run.generation_id, run.attempt, made).await?;
            }
            Ok(LEASE_LOST)
        }
    }
}

/// A provider job whose id is not written down is made again after the wait, so a database that blinks is tried anew.
/// Harmless where only the answer was lost: the lease is given back with the commit, and the repeat finds none.
async fn commit(
    state: &WorkerState,
    leased: &Leased,
    transition: &Transition,
    outputs: &[StoredOutput],
) -> Result<Committed, sqlx::Error> {
    for tries in 1..COMMIT_TRIES_MAX {
        match store::commit(&state.pool, leased, transition, outputs).await {
            Err(error) => tracing::warn!(generation_id = %leased.run.generation_id, %error, "not committed yet"),
            committed => return committed,
        }
        tokio::time::sleep(retry::delay(tries)).await;
    }
    store::commit(&state.pool, leased, transition, outputs).await
}

fn log(leased: &Leased, transition: &Transition) {
    let run = &transition.run;
    tracing::info!(
        generation_id = %run.generation_id,
        request_id = run.request_id,
        attempt = leased.run.attempt,
        from = %leased.run.stage,
        to = %run.stage,
        refund = transition.refund.get(),
        error_code = run.error_code,
        "{}",
        transition.kind
    );
}

/// Does what follows a lease in the trace of the request that paid for the run, and ties the log lines to it.
pub(crate) async fn traced(
    step: &'static str,
    leased: &Leased,
    acting: impl Future<Output = Result<&'static str, StepError>>,
) -> Result<&'static str, StepError> {
    let run = &leased.run;
    let trace = StepTrace::begin(step, run.trace());
    trace.about("generation_id", run.generation_id);
    trace.about("request_id", &run.request_id);
    Span::current()
        .record("generation_id", display(run.generation_id))
        .record("request_id", &*run.request_id)
        .record("trace_id", display(trace.context().trace_id()));
    let ended = acting.instrument(trace.span()).await;
    trace.ended(ended.as_ref().map_or("error", |outcome| outcome), ended.is_err());
    ended
}
