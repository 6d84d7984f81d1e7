//! The fence between the queue and the steps: whatever a step or a payload does, its job ends, once.
//!
//! A step runs in a task of its own, with a time limit and its panics caught *inside* it, and that task
//! writes the acknowledgement itself. Nothing is ever left to the queue's own retries: they know no delay. A
//! job that did not end well is killed; its run still says what is due, and the sweeper brings it back.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis_core::backend::codec::Codec;
use futures::FutureExt;
use futures::future::BoxFuture;
use shared::ids::GenerationId;
use shared::jobs::Job;
use shared::queue_housekeeping::{End, acknowledge};
use shared::retry;
use shared::telemetry::names;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::steps::StepError;

/// Times an acknowledgement is tried before its job is left to the hard limit of `housekeeping`.
const ACKNOWLEDGE_TRIES_MAX: u32 = 4;

/// What a step says: the name of its outcome, or why it could not commit.
pub type StepResult = Result<&'static str, StepError>;

/// One step, ready to be run for any generation.
#[derive(Clone)]
pub struct Step {
    name: &'static str,
    run: Arc<dyn Fn(GenerationId) -> BoxFuture<'static, StepResult> + Send + Sync>,
}

impl Step {
    /// A step under the name of its queue.
    pub fn new<F, Fut>(name: &'static str, run: F) -> Self
    where
        F: Fn(GenerationId) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = StepResult> + Send + 'static,
    {
        Self { name, run: Arc::new(move |generation_id| run(generation_id).boxed()) }
    }

    /// The name of the queue that wakes it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Step").field(&self.name).finish()
    }
}

/// What a job carries, as far as it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Job(Job),
    /// Not ours, or damaged. Decoding must not fail: that would end the worker, not the job.
    Unreadable,
}

/// Decodes every payload, whatever its bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PayloadCodec;

impl Codec<Payload> for PayloadCodec {
    type Error = std::convert::Infallible;
    type Compact = Vec<u8>;

    fn encode(&self, payload: &Payload) -> Result<Vec<u8>, Self::Error> {
        Ok(match payload {
            Payload::Job(job) => job.to_bytes(),
            Payload::Unreadable => Vec::new(),
        })
    }

    fn decode(&self, bytes: &Vec<u8>) -> Result<Payload, Self::Error> {
        Ok(serde_json::from_slice(bytes).map_or(Payload::Unreadable, Payload::Job))
    }
}

/// How a job went: the label it is counted under, and what is written about it.
#[derive(Debug)]
enum Outcome {
    Ended(&'static str),
    Failed(StepError),
    Overran,
    Panicked,
    Unreadable,
    TooManyAttempts,
}

impl Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Ended(label) => label,
            Self::Failed(_) => "error",
            Self::Overran => "timeout",
            Self::Panicked => "panic",
            Self::Unreadable => "unreadable",
            Self::TooManyAttempts => "too_many_attempts",
        }
    }

    fn end(&self) -> End {
        match self {
            Self::Ended(_) => End::Done,
            Self::Failed(_) | Self::Overran | Self::Panicked | Self::Unreadable | Self::TooManyAttempts => End::Killed,
        }
    }

    /// Kept with the killed job. Never an error's own text, which may quote what must not be stored.
    fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Ended(_) => None,
            other => Some(other.label()),
        }
    }

    /// The one log line of a job.
    fn log(&self, took: Duration) {
        let (outcome, took_ms) = (self.label(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        match self {
            Self::Ended(_) => tracing::info!(outcome, took_ms, "step ended"),
            Self::Failed(error) => {
                tracing::error!(
                    outcome,
                    took_ms,
                    error = error as &dyn std::error::Error,
                    "step failed; the sweeper will bring its run back"
                );
            }
            Self::Overran | Self::Panicked => {
                tracing::error!(outcome, took_ms, "step did not end; the sweeper will bring its run back")
            }
            Self::Unreadable => tracing::error!(outcome, "job killed: it carries no generation id"),
            Self::TooManyAttempts => tracing::error!(outcome, "job killed: each worker that ran it before has died"),
        }
    }
}

/// One job that a worker has fetched.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) job_id: String,
    pub(crate) payload: Payload,
    /// Which run of this job this is, from 1; raised whenever a worker dies with it.
    pub(crate) attempt: usize,
}

/// Everything a fetched job passes through. Shared by all lives of one queue's worker.
#[derive(Debug, Clone)]
pub(crate) struct Fence {
    pub(crate) pool: PgPool,
    pub(crate) step: Step,
    pub(crate) step_time_max: Duration,
    pub(crate) attempts_max: usize,
    /// Bounds the steps of this queue, also those that outlived the worker which fetched them.
    pub(crate) slots: Arc<Semaphore>,
    /// The steps under way, waited for when the process stops.
    pub(crate) under_way: TaskTracker,
    /// Cuts steps off when the time to finish is over.
    pub(crate) cut: CancellationToken,
}

impl Fence {
    /// Runs one job to its end and acknowledges it. Never fails, never panics.
    ///
    /// The caller may be dropped: the step and its acknowledgement go on.
    pub(crate) async fn pass(self, worker: String, fetched: Fetched) {
        let span = tracing::info_span!(
            "step",
            step = self.step.name,
            job_id = %fetched.job_id,
            attempt = fetched.attempt,
            generation_id = tracing::field::Empty,
            request_id = tracing::field::Empty,
            trace_id = tracing::field::Empty,
        );
        let tracker = self.under_way.clone();
        let run = async move {
            let cut = self.cut.clone();
            // Nothing is written about a step that is cut off: its lease expires and its job is handed back.
            cut.run_until_cancelled(self.run(&worker, &fetched)).await;
        };
        if let Err(error) = tracker.spawn(run.instrument(span)).await {
            tracing::error!(%error, "a fence broke");
        }
    }

    async fn run(&self, worker: &str, fetched: &Fetched) {
        let Ok(_slot) = self.slots.acquire().await else { return };
        let started = Instant::now();
        let outcome = self.attend(fetched).await;
        outcome.log(started.elapsed());
        metrics::counter!(names::STEPS_TOTAL, "step" => self.step.name, "outcome" => outcome.label()).increment(1);
        self.acknowledge(worker, fetched, &outcome).await;
    }

    async fn attend(&self, fetched: &Fetched) -> Outcome {
        if fetched.attempt > self.attempts_max {
            return Outcome::TooManyAttempts;
        }
        let Payload::Job(job) = fetched.payload else { return Outcome::Unreadable };
        tracing::Span::current().record("generation_id", tracing::field::display(job.generation_id));
        let run = self.step.run.clone();
        let step = AssertUnwindSafe(async move { run(job.generation_id).await }).catch_unwind();
        match tokio::time::timeout(self.step_time_max, step).await {
            Ok(Ok(Ok(label))) => Outcome::Ended(label),
            Ok(Ok(Err(error))) => Outcome::Failed(error),
            Ok(Err(_panic)) => Outcome::Panicked,
            Err(_elapsed) => Outcome::Overran,
        }
    }

    async fn acknowledge(&self, worker: &str, fetched: &Fetched, outcome: &Outcome) {
        let attempts = i32::try_from(fetched.attempt).unwrap_or(i32::MAX);
        for tries in 1..=ACKNOWLEDGE_TRIES_MAX {
            match acknowledge(&self.pool, &fetched.job_id, worker, attempts, outcome.end(), outcome.reason()).await {
                Ok(true) => return,
                Ok(false) => {
                    tracing::info!("the job was given to another worker meanwhile");
                    return;
                }
                Err(error) if tries == ACKNOWLEDGE_TRIES_MAX => {
                    tracing::warn!(%error, "job not acknowledged; it stays locked until it is overdue");
                }
                Err(_) => tokio::time::sleep(retry::delay(tries)).await,
            }
        }
    }
}
