//! Hands a queued run to the provider. Safe to run twice.

use std::time::Duration;

use chrono::TimeDelta;
use shared::generation::attempt;
use shared::generation::budget::{self, RUN_PER_SECOND};
use shared::generation::lease::{self, Leased};
use shared::generation::{Callback, Event};
use shared::ids::GenerationId;
use shared::jobs::Queue;
use shared::retry;
use shared::runpod::{ProviderError, ProviderJobId};
use shared::telemetry;

use super::{Keeper, NOTHING_TO_DO, StepError, conclude, submission, traced};
use crate::state::WorkerState;

/// Tries of one submission within one lease; later tries are later jobs.
const TRIES_IN_PLACE: u32 = 3;
/// Time that tries in place may take together, beside the calls themselves.
const TIME_IN_PLACE: Duration = Duration::from_secs(5);

/// Leases the run, hands it over, and commits what came of it.
///
/// # Errors
/// Only if nothing could be committed.
pub async fn submit(state: &WorkerState, generation_id: GenerationId) -> Result<&'static str, StepError> {
    let Some(leased) = lease::for_submission(&state.pool, generation_id).await? else {
        return Ok(NOTHING_TO_DO);
    };
    telemetry::count_begun(Queue::Submit, &leased.run, leased.now());
    traced("submit", &leased, async {
        let _keeper = Keeper::start(&state.pool, &leased);
        let event = act(state, &leased).await?;
        conclude(state, &leased, event, &[]).await
    })
    .await
}

/// Makes the provider job, unless an earlier attempt turns out to have made one.
///
/// # Errors
/// Only if the database failed before anything was sent.
pub async fn act(state: &WorkerState, leased: &Leased) -> Result<Event, StepError> {
    let run = &leased.run;
    // Wished between the lease and its reading: no ring will tell of it any more.
    if run.cancel_requested_at.is_some() {
        return Ok(Event::CancelRequested);
    }
    if let Some(known) = attempt::list_open(&state.pool, run.generation_id).await?.into_iter().next() {
        return Ok(submitted(&known.provider_job_id, Callback::Received));
    }
    let submission = match submission::prepare(state, leased).await? {
        Ok(submission) => submission,
        Err(event) => return Ok(event),
    };
    match budget::take_slot(&state.pool, &run.endpoint, "run", RUN_PER_SECOND).await? {
        Some(wait) => tokio::time::sleep(wait).await,
        None => return Ok(Event::SubmitUnavailable { retry_in: retry_in(run.tries) }),
    }
    // Whoever took the run over waits for this attempt only so long. What is said here is dropped by the commit.
    if !lease::renew(&state.pool, run.generation_id, leased.lease_id).await? {
        return Ok(Event::SubmitUnavailable { retry_in: retry_in(run.tries) });
    }
    let runpod = state.runpod.within(run.trace());
    let answer = retry::in_place(TRIES_IN_PLACE, TIME_IN_PLACE, || runpod.run(&run.endpoint, &submission)).await;
    Ok(match answer {
        Ok(provider_job_id) => {
            submitted(&provider_job_id, if state.webhooks_enabled { Callback::Awaited } else { Callback::Off })
        }
        Err(ProviderError::Rejected { .. }) => Event::SubmitRejected { code: "provider_rejected" },
        Err(ProviderError::Unavailable { alarm, retry_after, .. }) => {
            if alarm {
                tracing::error!(endpoint = run.endpoint, "the provider refuses our key or endpoint");
            }
            let asked = retry_after.and_then(|after| TimeDelta::from_std(after).ok()).unwrap_or_default();
            Event::SubmitUnavailable { retry_in: retry_in(run.tries).max(asked) }
        }
        Err(ProviderError::Unknown { .. } | ProviderError::NotFound) => Event::SubmitUnknown,
    })
}

fn submitted(provider_job_id: &ProviderJobId, callback: Callback) -> Event {
    Event::Submitted { provider_job_id: provider_job_id.to_string(), callback }
}

/// The wait before another job, after so many tries in a row.
pub(crate) fn retry_in(tries: i16) -> TimeDelta {
    let tries = u32::from(tries.unsigned_abs()).saturating_add(1);
    TimeDelta::from_std(retry::delay(tries)).expect("a backoff is at most 30 s")
}
