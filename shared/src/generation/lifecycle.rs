//! The state machine of a generation: the only place that knows which stage follows which. Pure.
//!
//! The one move made elsewhere is taking a queued run for submission: `lease::for_submission` leases and moves
//! it in one statement, as [`Event::LeasedForSubmission`] says here.
//!
//! A step leases a run, acts, and turns what it saw into an [`Event`]; [`next`] says what that means as
//! data; `store::commit` writes it in one transaction.

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use super::Stage;
use super::event::{Callback, Event, NextJob, Transition};
use super::run::{ATTEMPTS_MAX, LOST_GRACE, LOST_LOOKS, Run, UNKNOWN_WAIT};
use crate::credits::Credits;
use crate::pricing;
use crate::queue::Queue;
use crate::runpod::Retry;

/// What is noted of a restored run that goes on from where it was.
pub const RESUMED: &str = "resumed";

/// An event that cannot happen in the run's stage: a bug, or a lease that was not held.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{event} cannot happen to a run that is {stage}")]
pub struct InvalidTransition {
    /// The event's name.
    pub event: &'static str,
    /// The stage it met.
    pub stage: Stage,
}

/// Decides what `event` means for `run` at `now`.
///
/// # Errors
/// [`InvalidTransition`] where the event cannot happen in that stage. What comes late (to a run that is
/// collecting or final) is no error: it is noted and changes nothing.
pub fn next(run: &Run, event: Event, now: DateTime<Utc>) -> Result<Transition, InvalidTransition> {
    match run.stage {
        Stage::Queued => from_queued(run, event, now),
        Stage::Submitting => from_submitting(run, event, now),
        Stage::Running => from_running(run, event, now),
        Stage::Collecting => Ok(from_collecting(run, event, now)),
        Stage::Completed | Stage::Failed | Stage::Cancelled => Ok(noted(run)),
    }
}

fn from_queued(run: &Run, event: Event, now: DateTime<Utc>) -> Result<Transition, InvalidTransition> {
    match event {
        Event::LeasedForSubmission => {
            let mut to = moved(run, Stage::Submitting, "leased_for_submission", now);
            to.run.wake_at = None;
            Ok(to)
        }
        Event::CancelRequested => Ok(cancelled(run, Credits::ZERO, now)),
        Event::DeadlinePassed => Ok(failed(run, "deadline", "deadline_passed", now)),
        Event::Restored { stored } => Ok(restored(run, stored, now)),
        other => Err(invalid(run, &other)),
    }
}

fn from_submitting(run: &Run, event: Event, now: DateTime<Utc>) -> Result<Transition, InvalidTransition> {
    match event {
        Event::Submitted { provider_job_id, callback } => Ok(submitted(run, provider_job_id, callback, now)),
        Event::SubmitUnavailable { .. } if now >= run.deadline_at => {
            Ok(failed(run, "provider_unavailable", "submit_unavailable", now))
        }
        Event::SubmitUnavailable { retry_in } => {
            let mut to = queued(run, "submit_unavailable", retry_in, now);
            to.run.tries = run.tries.saturating_add(1);
            Ok(to)
        }
        Event::SubmitRejected { code } => Ok(failed(run, code, "submit_rejected", now)),
        Event::InputUnusable { picture, code } => {
            Ok(Transition { picture: Some(picture), ..failed(run, code, "input_unusable", now) })
        }
        Event::SubmitUnknown => {
            let mut to = moved(run, Stage::Submitting, "submit_unknown", now);
            // Seen again while waiting, the wait does not begin anew.
            let until = run.unknown_until.unwrap_or((now + UNKNOWN_WAIT).min(run.deadline_at.max(now)));
            to.run.unknown_until = Some(until);
            to.run.poll_at = Some(until);
            Ok(to)
        }
        Event::UnknownOutlasted if run.attempt < ATTEMPTS_MAX => {
            Ok(next_attempt(run, "unknown_outlasted", TimeDelta::zero(), now))
        }
        Event::UnknownOutlasted => Ok(failed(run, "provider_unavailable", "unknown_outlasted", now)),
        Event::ProviderCompleted { provider_job_id } => Ok(completed_at_provider(run, provider_job_id, now)),
        Event::CancelRequested => Ok(cancelled(run, run.cancel_fee, now)),
        Event::DeadlinePassed => Ok(failed(run, "deadline", "deadline_passed", now)),
        Event::Restored { stored } => Ok(restored(run, stored, now)),
        other => Err(invalid(run, &other)),
    }
}

fn from_running(run: &Run, event: Event, now: DateTime<Utc>) -> Result<Transition, InvalidTransition> {
    match event {
        Event::ProviderPending => Ok(looked_again(run, "provider_pending", now)),
        Event::ProviderNotFound => Ok(not_found(run, now)),
        Event::ProviderCompleted { provider_job_id } => Ok(completed_at_provider(run, provider_job_id, now)),
        Event::ProviderFailed { code, retry, retry_in } => Ok(provider_failed(run, code, retry, retry_in, now)),
        Event::CancelRequested => Ok(cancelled(run, run.cancel_fee, now)),
        Event::DeadlinePassed => Ok(failed(run, "deadline", "deadline_passed", now)),
        Event::Restored { stored } => Ok(restored(run, stored, now)),
        other => Err(invalid(run, &other)),
    }
}

fn from_collecting(run: &Run, event: Event, now: DateTime<Utc>) -> Transition {
    match event {
        Event::Collected { delivered, code } => collected(run, delivered, code, now),
        Event::CollectUnavailable { retry_in, .. } if now < run.collect_until() => {
            let mut to = moved(run, Stage::Collecting, "collect_unavailable", now);
            to.run.tries = run.tries.saturating_add(1);
            wake(&mut to, Queue::Collect, retry_in, now);
            to
        }
        Event::CollectUnavailable { stored, .. } => collected(run, stored, "result_lost", now),
        Event::Restored { stored } => restored(run, stored, now),
        _late => noted(run),
    }
}

fn submitted(run: &Run, provider_job_id: String, callback: Callback, now: DateTime<Utc>) -> Transition {
    let mut to = moved(run, Stage::Running, "submitted", now);
    to.run.provider_job_id = Some(provider_job_id);
    to.run.submitted_at = Some(now);
    to.run.unknown_until = None;
    to.run.poll_at = Some(run.first_poll_at(now, callback));
    (to.run.tries, to.run.polls, to.run.lost_looks) = (0, 0, 0);
    to
}

fn looked_again(run: &Run, kind: &'static str, now: DateTime<Utc>) -> Transition {
    let mut to = moved(run, Stage::Running, kind, now);
    to.run.poll_at = Some(run.next_poll_at(now));
    to.run.polls = run.polls.saturating_add(1);
    to.run.lost_looks = 0;
    to
}

fn not_found(run: &Run, now: DateTime<Utc>) -> Transition {
    let looks = run.lost_looks.saturating_add(1);
    let young = run.submitted_at.is_some_and(|at| now < at + LOST_GRACE);
    if looks >= LOST_LOOKS && !young {
        let mut to = failed(run, "result_lost", "provider_lost", now);
        to.attempt_outcome = Some("lost");
        return to;
    }
    let mut to = looked_again(run, "provider_not_found", now);
    to.run.lost_looks = looks;
    to
}

fn completed_at_provider(run: &Run, provider_job_id: String, now: DateTime<Utc>) -> Transition {
    let mut to = moved(run, Stage::Collecting, "provider_completed", now);
    to.run.provider_job_id = Some(provider_job_id);
    to.run.submitted_at = run.submitted_at.or(Some(now));
    to.run.result_at = Some(now);
    (to.run.poll_at, to.run.unknown_until, to.run.tries) = (None, None, 0);
    to.attempt_outcome = Some("completed");
    wake(&mut to, Queue::Collect, TimeDelta::zero(), now);
    to
}

fn provider_failed(run: &Run, code: &'static str, retry: Retry, retry_in: TimeDelta, now: DateTime<Utc>) -> Transition {
    let again = match retry {
        Retry::Final => false,
        Retry::Retryable => true,
        Retry::Once => run.timeouts == 0,
    };
    let mut to = if again && run.attempt < ATTEMPTS_MAX && now < run.deadline_at {
        next_attempt(run, "provider_failed", retry_in, now)
    } else {
        failed(run, code, "provider_failed", now)
    };
    if retry == Retry::Once {
        to.run.timeouts = run.timeouts.saturating_add(1);
    }
    to.attempt_outcome = Some(code);
    to
}

fn collected(run: &Run, delivered: i16, code: &'static str, now: DateTime<Utc>) -> Transition {
    let delivered = delivered.clamp(0, run.outputs_asked);
    if delivered == 0 {
        return failed(run, code, "nothing_delivered", now);
    }
    completed(run, delivered, "completed", now)
}

fn completed(run: &Run, delivered: i16, kind: &'static str, now: DateTime<Utc>) -> Transition {
    let mut to = settled(run, Stage::Completed, kind, now);
    to.run.outputs_delivered = Some(delivered);
    to.refund = pricing::refund(run.price, delivered.unsigned_abs().into(), run.outputs_asked.unsigned_abs().into());
    to
}

/// A row of a restored backup. What is stored is adopted. What RunPod is known to have is asked for, or collected to
/// its end; of anything else nobody can tell whether it was submitted meanwhile, so it is given back and never is again.
fn restored(run: &Run, stored: i16, now: DateTime<Utc>) -> Transition {
    let stored = stored.clamp(0, run.outputs_asked);
    let is_known_to_run_pod = match run.stage {
        Stage::Running | Stage::Collecting => true,
        Stage::Queued | Stage::Submitting => false,
        Stage::Completed | Stage::Failed | Stage::Cancelled => return noted(run),
    };
    if stored == run.outputs_asked || (stored > 0 && !is_known_to_run_pod) {
        return completed(run, stored, "adopted", now);
    }
    if !is_known_to_run_pod {
        return failed(run, "restored", "restored", now);
    }
    let is_running = run.stage == Stage::Running && stored == 0;
    let mut to = moved(run, if is_running { Stage::Running } else { Stage::Collecting }, RESUMED, now);
    // The outage is not its fault: it has its time again, or it would be given up before RunPod is asked.
    to.run.deadline_at = run.deadline_at.max(now + (run.deadline_at - run.accepted_at));
    if is_running {
        (to.run.poll_at, to.run.lost_looks) = (Some(now), 0);
    } else {
        to.run.result_at = run.result_at.or(Some(now));
        (to.run.poll_at, to.run.tries) = (None, 0);
        wake(&mut to, Queue::Collect, TimeDelta::zero(), now);
    }
    to
}

/// Cancelling a queued run is free, even if it was submitted when the cancel was requested and is queued again since.
fn cancelled(run: &Run, fee: Credits, now: DateTime<Utc>) -> Transition {
    let mut to = refunded(run, Stage::Cancelled, "cancelled", "cancelled", now);
    (to.run.cancel_fee, to.refund) = (fee, run.price.checked_sub(fee).expect("a fee is at most the price"));
    to
}

fn failed(run: &Run, code: &'static str, kind: &'static str, now: DateTime<Utc>) -> Transition {
    refunded(run, Stage::Failed, code, kind, now)
}

fn refunded(run: &Run, stage: Stage, code: &'static str, kind: &'static str, now: DateTime<Utc>) -> Transition {
    let mut to = settled(run, stage, kind, now);
    to.run.outputs_delivered = Some(0);
    to.run.error_code = Some(code.to_owned());
    to.refund = run.price;
    to.attempt_outcome = Some(code);
    to
}

fn settled(run: &Run, stage: Stage, kind: &'static str, now: DateTime<Utc>) -> Transition {
    let mut to = moved(run, stage, kind, now);
    (to.run.poll_at, to.run.wake_at, to.run.unknown_until) = (None, None, None);
    (to.run.settled_at, to.run.cancel_fee) = (Some(now), Credits::ZERO);
    to
}

fn next_attempt(run: &Run, kind: &'static str, retry_in: TimeDelta, now: DateTime<Utc>) -> Transition {
    let mut to = queued(run, kind, retry_in, now);
    to.run.attempt = run.attempt + 1;
    to.run.tries = 0;
    (to.run.provider_job_id, to.run.submitted_at) = (None, None);
    to.attempt_outcome = Some(kind);
    to
}

fn queued(run: &Run, kind: &'static str, retry_in: TimeDelta, now: DateTime<Utc>) -> Transition {
    let mut to = moved(run, Stage::Queued, kind, now);
    (to.run.poll_at, to.run.unknown_until) = (None, None);
    let delay = retry_in.min(run.deadline_at - now).max(TimeDelta::zero());
    wake(&mut to, Queue::Submit, delay, now);
    to
}

fn wake(to: &mut Transition, queue: Queue, delay: TimeDelta, now: DateTime<Utc>) {
    to.run.wake_at = Some(now + delay);
    to.job = Some(NextJob { queue, delay });
}

/// The run in `stage`, with nothing else decided; progress only grows.
fn moved(run: &Run, stage: Stage, kind: &'static str, now: DateTime<Utc>) -> Transition {
    let mut to = noted_as(run, kind);
    to.run.progress = run.progress_at(now);
    to.run.stage = stage;
    to
}

/// What comes to a run that is collecting or final: a row of history, nothing else.
fn noted(run: &Run) -> Transition {
    noted_as(run, "late")
}

fn noted_as(run: &Run, kind: &'static str) -> Transition {
    Transition { run: run.clone(), refund: Credits::ZERO, job: None, attempt_outcome: None, picture: None, kind }
}

fn invalid(run: &Run, event: &Event) -> InvalidTransition {
    InvalidTransition { event: event.name(), stage: run.stage }
}

#[cfg(test)]
mod tests;
