//! Looking after a run that waits for its provider: the one road on which results are learnt.
//!
//! The poller comes here when a run is due or was rung for by a webhook, the sweeper when nothing else will
//! move it. Every way to end early (cancelled, overdue) is decided here too.

use chrono::TimeDelta;
use shared::generation::attempt::{self, Attempt};
use shared::generation::budget::{self, STATUS_PER_SECOND};
use shared::generation::lease::Leased;
use shared::generation::output;
use shared::generation::{Callback, Event, Stage};
use shared::runpod::{Failure, FailureCode, ProviderError, Report, Retry};

use crate::state::WorkerState;
use crate::steps::submit::retry_in;
use crate::steps::{Keeper, StepError, conclude, traced};

/// Acts for one leased run and commits what came of it.
///
/// # Errors
/// Only if nothing could be committed.
pub async fn attend(state: &WorkerState, step: &'static str, leased: &Leased) -> Result<&'static str, StepError> {
    traced(step, leased, async {
        let _keeper = Keeper::start(&state.pool, leased);
        let event = act(state, leased).await?;
        conclude(state, leased, event, &[]).await
    })
    .await
}

/// What is to be said of the run now.
///
/// # Errors
/// Only if the database failed.
pub async fn act(state: &WorkerState, leased: &Leased) -> Result<Event, StepError> {
    let run = &leased.run;
    if run.stage == Stage::Collecting {
        return give_up_collecting(state, leased).await;
    }
    let jobs = attempt::list_open(&state.pool, run.generation_id).await?;
    if run.cancel_requested_at.is_some() {
        call_off(state, leased, &jobs).await;
        return Ok(Event::CancelRequested);
    }
    if leased.now() >= run.deadline_at {
        call_off(state, leased, &jobs).await;
        return Ok(Event::DeadlinePassed);
    }
    if run.stage == Stage::Running && run.kills_workers() {
        tracing::error!(generation_id = %run.generation_id, "given up: every worker that asked for it has died");
        call_off(state, leased, &jobs).await;
        let code = FailureCode::ProviderError.as_str();
        return Ok(Event::ProviderFailed { code, retry: Retry::Final, retry_in: TimeDelta::zero() });
    }
    Ok(match run.stage {
        Stage::Submitting => find_lost_answer(leased, &jobs),
        Stage::Running => look(state, leased, &jobs).await?,
        // Nobody leases these for this; the lifecycle notes it as late, or refuses.
        Stage::Queued | Stage::Collecting | Stage::Completed | Stage::Failed | Stage::Cancelled => {
            Event::ProviderPending
        }
    })
}

/// Long past the deadline, no step has come to an end with this result: what is stored by now is all there will be.
async fn give_up_collecting(state: &WorkerState, leased: &Leased) -> Result<Event, StepError> {
    let stored = output::list(&state.pool, leased.run.generation_id).await?.len();
    let delivered = i16::try_from(stored).expect("at most four outputs are asked for");
    Ok(Event::Collected { delivered, code: "result_lost" })
}

/// A submission whose answer was lost: a webhook may have brought the id meanwhile.
fn find_lost_answer(leased: &Leased, jobs: &[Attempt]) -> Event {
    match (jobs.first(), leased.run.unknown_until) {
        (Some(job), _) => {
            Event::Submitted { provider_job_id: job.provider_job_id.to_string(), callback: Callback::Received }
        }
        (None, Some(until)) if leased.now() >= until => Event::UnknownOutlasted,
        // Still waiting; or its worker died between recording the attempt and hearing the answer.
        (None, Some(_) | None) => Event::SubmitUnknown,
    }
}

/// Asks the provider for every job this run may have there; the first to be completed wins.
async fn look(state: &WorkerState, leased: &Leased, jobs: &[Attempt]) -> Result<Event, StepError> {
    let (mut seen, runpod) = (Seen::default(), state.runpod.within(leased.run.trace()));
    for job in jobs {
        match budget::take_slot(&state.pool, &leased.run.endpoint, "status", STATUS_PER_SECOND).await? {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Ok(Event::ProviderPending),
        }
        match runpod.status(&leased.run.endpoint, &job.provider_job_id).await {
            Ok(Report::Completed(..)) => {
                let others: Vec<_> =
                    jobs.iter().filter(|other| other.provider_job_id != job.provider_job_id).cloned().collect();
                call_off(state, leased, &others).await;
                return Ok(Event::ProviderCompleted { provider_job_id: job.provider_job_id.to_string() });
            }
            Ok(Report::Failed(failure)) => seen.failure = Some(failure),
            Ok(Report::Cancelled) => seen.failure = Some(Failure::CANCELLED_BY_PROVIDER),
            Ok(Report::Waiting | Report::Running) => seen.pending = true,
            Err(ProviderError::NotFound) => {}
            Err(ProviderError::Unavailable { alarm: true, .. }) => {
                tracing::error!(endpoint = leased.run.endpoint, "the provider refuses our key or endpoint");
                seen.pending = true;
            }
            Err(ProviderError::Rejected { .. } | ProviderError::Unavailable { .. } | ProviderError::Unknown { .. }) => {
                seen.pending = true;
            }
        }
    }
    Ok(seen.event(leased))
}

/// What the provider said of jobs that are not completed.
#[derive(Default)]
struct Seen {
    pending: bool,
    failure: Option<Failure>,
}

impl Seen {
    /// As long as one job may still deliver, none has failed.
    fn event(self, leased: &Leased) -> Event {
        match self.failure {
            _ if self.pending => Event::ProviderPending,
            Some(failure) => Event::ProviderFailed {
                code: failure.code.as_str(),
                retry: failure.retry,
                retry_in: retry_in(leased.run.attempt),
            },
            None => Event::ProviderNotFound,
        }
    }
}

/// Asks the provider to stop jobs that nobody waits for any more. Best effort: a late result changes nothing.
pub(crate) async fn call_off(state: &WorkerState, leased: &Leased, jobs: &[Attempt]) {
    let runpod = state.runpod.within(leased.run.trace());
    for job in jobs {
        if let Err(error) = runpod.cancel(&leased.run.endpoint, &job.provider_job_id).await {
            tracing::warn!(generation_id = %leased.run.generation_id, %error, "a provider job was not cancelled");
        }
    }
}
