//! The worker process: what runs in it, how it stops, and [`drain`], which does its work without it.

use std::time::Duration;

use shared::jobs::{self, Job, Queue};
use shared::liveness::Liveness;
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
    let ended = attend_queues(state.pool.clone(), settings, &state.liveness, steps, async {
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
    let pool = || state.pool.clone();
    let pulse = |name| state.liveness.register(name);
    watch(&mut loops, stopping, "queue gauges", watch_queues(pool(), pulse("queue gauges")));
    watch(&mut loops, stopping, "process gauges", watch_process(pool(), pulse("process gauges")));
    watch(&mut loops, stopping, "database gauges", watch_sizes(pool(), pulse("database gauges")));
    watch(&mut loops, stopping, "ledger gauges", watch_ledger(pool(), state.anomalies, pulse("ledger gauges")));
    let (clock, pool, pulse) = (state.clock.clone(), pool(), pulse("clock"));
    watch(&mut loops, stopping, "clock", async move { clock.follow(pool, pulse).await });
    loops
}

/// What watches for ever, and loses nothing where it is cut off.
fn watch(
    loops: &mut JoinSet<&'static str>,
    stopping: &CancellationToken,
    name: &'static str,
    watching: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stopping.clone();
    loops.spawn(async move {
        stop.run_until_cancelled(watching).await;
        name
    });
}

/// Runs one worker per step, each on the queue of the step's name, until `stop` resolves or a worker gives
/// up; then lets what is under way end for at most the grace and hands the rest back.
///
/// # Errors
/// What `stop` says, or why a worker gave up.
pub async fn attend_queues(
    pool: PgPool,
    settings: Settings,
    liveness: &Liveness,
    steps: Vec<Step>,
    stop: impl Future<Output = Result<(), RunError>>,
) -> Result<(), RunError> {
    let process = Process::new(pool, settings, liveness.clone());
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
    Step::new(queue.as_str(), move |job| {
        let state = state.clone();
        async move { run_step(queue, &state, job).await }
    })
}

async fn run_step(queue: Queue, state: &WorkerState, job: Job) -> StepResult {
    match (queue, job) {
        (Queue::Submit, Job::Generation(id)) => steps::submit::submit(state, id).await,
        (Queue::Collect, Job::Generation(id)) => steps::collect::collect(state, id).await,
        (Queue::Notify, Job::User(id)) => steps::notify::notify(state, id).await,
        (Queue::Submit | Queue::Collect, Job::User(_)) | (Queue::Notify, Job::Generation(_)) => {
            Err(StepError::Misaddressed)
        }
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
            for job in jobs::take_due(&state.pool, queue, DRAIN_BATCH).await? {
                round += 1;
                let ran = run_step(queue, state, job).await;
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
