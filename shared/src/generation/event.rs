//! What can happen to a run, and what a transition changes. Pure.

use chrono::TimeDelta;

use super::run::Run;
use crate::credits::Credits;
use crate::queue::Queue;
use crate::runpod::Retry;

/// What was seen to happen to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A worker took it to submit it.
    LeasedForSubmission,
    /// The provider has it, under this id.
    Submitted {
        /// The provider's id of the job.
        provider_job_id: String,
        /// Whether its end will be told, or was told already.
        callback: Callback,
    },
    /// The provider surely made no job; try again in a while.
    SubmitUnavailable { retry_in: TimeDelta },
    /// The provider surely made no job and never will.
    SubmitRejected { code: &'static str },
    /// A picture of the request cannot be sent to the provider; nothing was.
    InputUnusable {
        /// Where it stands below `input_data`: `mask`, `input_images/2`.
        picture: String,
        /// Why.
        code: &'static str,
    },
    /// The answer was lost: a job may exist.
    SubmitUnknown,
    /// The wait for a lost answer is over, without news.
    UnknownOutlasted,
    /// The provider still works on it, or could not be asked.
    ProviderPending,
    /// The provider knows no such job.
    ProviderNotFound,
    /// The provider has a result.
    ProviderCompleted { provider_job_id: String },
    /// The provider has failed.
    ProviderFailed { code: &'static str, retry: Retry, retry_in: TimeDelta },
    /// Outputs were stored; `code` says why if it was none.
    Collected { delivered: i16, code: &'static str },
    /// The store or the provider could not be reached; so many outputs are stored.
    CollectUnavailable { stored: i16, retry_in: TimeDelta },
    /// The user asked to cancel.
    CancelRequested,
    /// The time allowed is over.
    DeadlinePassed,
    /// The run is of a restored backup: the world has gone on since, and so many of its outputs are in the store.
    Restored { stored: i16 },
}

/// The provider's call at the end of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callback {
    /// It was asked for and has not come yet.
    Awaited,
    /// It has come: that is how the job is known.
    Received,
    /// It was not asked for.
    Off,
}

/// A job to enqueue with the transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextJob {
    /// Which queue.
    pub queue: Queue,
    /// How long from now.
    pub delay: TimeDelta,
}

/// What one event changes. Everything in it is written together or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The run as it shall be.
    pub run: Run,
    /// Credits to give back.
    pub refund: Credits,
    /// The wake-up that carries the run on.
    pub job: Option<NextJob>,
    /// How the current attempt ended, if it did.
    pub attempt_outcome: Option<&'static str>,
    /// The picture of the request that was the reason, where one was.
    pub picture: Option<String>,
    /// Name of the event row.
    pub kind: &'static str,
}

impl Event {
    /// The event's name, for errors and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::LeasedForSubmission => "leased for submission",
            Self::Submitted { .. } => "submitted",
            Self::SubmitUnavailable { .. } => "submit unavailable",
            Self::SubmitRejected { .. } => "submit rejected",
            Self::InputUnusable { .. } => "input unusable",
            Self::SubmitUnknown => "submit unknown",
            Self::UnknownOutlasted => "unknown outlasted",
            Self::ProviderPending => "provider pending",
            Self::ProviderNotFound => "provider not found",
            Self::ProviderCompleted { .. } => "provider completed",
            Self::ProviderFailed { .. } => "provider failed",
            Self::Collected { .. } => "collected",
            Self::CollectUnavailable { .. } => "collect unavailable",
            Self::CancelRequested => "cancel requested",
            Self::DeadlinePassed => "deadline passed",
            Self::Restored { .. } => "restored",
        }
    }
}
