//! The worker process: what runs in it, how it stops, and [`drain`], which does its work without it.

use std::time::Duration;

use shared::ids::GenerationId;
use shared::jobs::{self, Queue};
use shared::telemetry::{watch_ledger, watch_process, watch_queues, watch_sizes};
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::fence::{Step, StepResult};
use crate::queue::{Process, QueueError, Settings};
use crate::state::WorkerState;
use crate::steps::{self, StepError};
use crate::{billing, housekeeping, poller, sweeper};

/// Rounds after which [`drain`] gives up: something keeps making work for itself.
const DRAIN_ROUNDS_MAX: usize = 1000;
/// Jobs one look of [`drain`] takes off a queue.
const DRAIN_BATCH: i64 = 100;
/// Time for the loops to end what they are in the middle of.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

/// Why the process must end with an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("the {0} ended though nobody asked it to")]
    Ended(&'static str),
    #[error("a part of the worker broke")]
    Broke(#[source] tokio::task::JoinError),
}

/// Why [`drain`] did not come to rest.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    #[error("still not idle after {DRAIN_ROUNDS_MAX} rounds")]
    NeverIdle,
    #[error("step {step} failed")]
    Step { step: &'static str, source: StepError },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Runs the whole worker until `stop` resolves; then finishes or hands back what is under way.
///
/// # Errors
/// A part that ended by itself takes the process with it.
pub async fn run(state: WorkerState, settings: Settings, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    let stopping = CancellationToken::new();
    let mut loops = spawn_loops(&state, &stopping);
    let steps = Queue::ALL.map(|queue| step(queue, &state)).into();
    let ended = attend_queues(state.pool.clone(), settings, steps, async {
        let ended = tokio::select! {
            () = stop => Ok(()),
            Some(ended) = loops.join_next() => Err(ended.map_or_else(RunError::Broke, RunError::Ended)),
        };
        // Before the queues: what the poller and the sweeper would begin now, no one would finish.
        stopping.cancel();
        ended
    })
    .await;
    stopping.cancel();
    if timeout(CLOSE_TIME_MAX, async { while loops.join_next().await.is_some() {} }).await.is_err() {
        tracing::info!("a loop was in the middle of something; its lease will expire");
    }
    ended
}

fn spawn_loops(state: &WorkerState, stopping: &CancellationToken) -> JoinSet<&'static str> {
    let mut loops = JoinSet::new();
    let (polled, stop) = (state.clone(), stopping.clone());
    loops.spawn(async move {
        poller::run(polled, stop).await;
        "poller"
    });
    let (swept, stop) = (state.clone(), stopping.clone());
    loops.spawn(async move {
        sweeper::run(swept, stop).await;
        "sweeper"
    });
    let (sold, stop) = (state.clone(), stopping.clone());
    loops.spawn(async move {
        billing::run(sold, stop).await;
        "billing"
    });
    let (kept, stop) = (state.clone(), stopping.clone());
    loops.spawn(async move {
        housekeeping::run(kept, stop).await;
        "housekeeping"
    });
    let (seen, stop) = (state.pool.clone(), stopping.clone());
    loops.spawn(async move {
        stop.run_until_cancelled(watch_queues(seen)).await;
        "queue gauges"
    });
    let (measured, stop) = (state.pool.clone(), stopping.clone());
    loops.spawn(async move {
        stop.run_until_cancelled(async { tokio::join!(watch_process(measured.clone()), watch_sizes(measured)) }).await;
        "database gauges"
    });
    let (booked, thresholds, stop) = (state.pool.clone(), state.anomalies, stopping.clone());
    loops.spawn(async move {
        stop.run_until_cancelled(watch_ledger(booked, thresholds)).await;
        "ledger gauges"
    });
    let (clock, pool, stop) = (state.clock.clone(), state.pool.clone(), stopping.clone());
    loops.spawn(async move {
        stop.run_until_cancelled(clock.follow(pool)).await;
        "clock"
    });
    loops
}

/// Runs one worker per step, each on the queue of the step's name, until `stop` resolves or a worker gives
/// up; then lets what is under way end for at most the grace and hands the rest back.
///
/// # Errors
/// What `stop` says, or why a worker gave up.
pub async fn attend_queues(
    pool: PgPool,
    settings: Settings,
    steps: Vec<Step>,
    stop: impl Future<Output = Result<(), RunError>>,
) -> Result<(), RunError> {
    let process = Process::new(pool, settings);
    let stopping = CancellationToken::new();
    let mut workers = JoinSet::new();
    for step in steps {
        workers.spawn(process.clone().attend(step, stopping.clone()));
    }
    let ended = tokio::select! {
        ended = stop => ended,
        Some(ended) = workers.join_next() => Err(match ended {
            Ok(Ok(())) => RunError::Ended("worker of a queue"),
            Ok(Err(error)) => error.into(),
            Err(error) => RunError::Broke(error),
        }),
    };
    stopping.cancel();
    process.finish(workers).await;
    ended
}

fn step(queue: Queue, state: &WorkerState) -> Step {
    let state = state.clone();
    Step::new(queue.as_str(), move |generation_id| {
        let state = state.clone();
        async move { run_step(queue, &state, generation_id).await }
    })
}

async fn run_step(queue: Queue, state: &WorkerState, generation_id: GenerationId) -> StepResult {
    match queue {
        Queue::Submit => steps::submit::submit(state, generation_id).await,
        Queue::Collect => steps::collect::collect(state, generation_id).await,
    }
}

/// Does everything that is due, without any queue worker, until a whole round moves nothing; returns how much
/// was moved. For tests and stacks that live in one process.
///
/// # Errors
/// The first step that could not commit, or work that never ends.
pub async fn drain(state: &WorkerState) -> Result<usize, DrainError> {
    let mut moved = 0;
    for _ in 0..DRAIN_ROUNDS_MAX {
        let mut round = 0;
        for queue in Queue::ALL {
            for generation_id in jobs::take_due(&state.pool, queue, DRAIN_BATCH).await? {
                round += 1;
                let ran = run_step(queue, state, generation_id).await;
                ran.map_err(|source| DrainError::Step { step: queue.as_str(), source })?;
            }
        }
        round += poller::tick(state).await?;
        round += sweeper::tick(state).await?;
        round += billing::tick(state).await?;
        if round == 0 {
            return Ok(moved);
        }
        moved += round;
    }
    Err(DrainError::NeverIdle)
}
