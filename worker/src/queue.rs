//! The worker of one queue: one apalis worker at a time, made anew a bounded number of times when it dies.
//!
//! Any database error ends an apalis worker. Its own supervision restarts it at once and without end, so we
//! do it: with a pause that grows, under a new name each time (a dead worker's jobs are found by its name),
//! and never more often than [`Settings::lives_max`] times in a row.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis::layers::WorkerBuilderExt;
use apalis_core::backend::ext::poll_strategy::PollWith;
use apalis_core::backend::ext::with_codec::WithCodec;
use apalis_core::monitor::Monitor;
use apalis_core::task::attempt::Attempt;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use apalis_postgres::{Config, PostgresStorage, Pubsub};
use shared::liveness::{Liveness, Pulse};
use shared::{queue_housekeeping, retry};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::doorbell::Doorbell;
use crate::fence::{Fence, Fetched, Payload, PayloadCodec, Step};

/// Time for steps to be gone after they were cut off.
const CUT_TIME_MAX: Duration = Duration::from_secs(1);

/// How a queue's worker fetches, beats and gives up. The defaults are the product's; tests shorten them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often a worker says that it lives and looks for jobs of dead ones.
    pub heartbeat: Duration,
    /// Heartbeats after which a silent worker's jobs are given to others.
    pub heartbeats_missed: usize,
    /// Longest wait before a due job is looked for when no bell rings.
    pub tick: Duration,
    /// Steps of one queue that one process runs at once.
    pub concurrency: usize,
    /// Longest a step may take.
    pub step_time_max: Duration,
    /// Runs of one job; more are needed only when its workers die.
    pub attempts_max: usize,
    /// Lives of a worker in a row, each shorter than `life_sound`, after which the process gives up.
    pub lives_max: u32,
    /// A worker that lived this long starts counting anew.
    pub life_sound: Duration,
    /// Time for steps under way to end when the process is told to stop.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(4),
            heartbeats_missed: 4,
            tick: Duration::from_secs(1),
            concurrency: 8,
            step_time_max: Duration::from_mins(3),
            attempts_max: 5,
            lives_max: 10,
            life_sound: Duration::from_mins(10),
            grace: Duration::from_secs(25),
        }
    }
}

/// Why a queue's worker has ended for good.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("the worker of queue {queue} died {lives} times in a row: {reason}")]
    Died { queue: &'static str, lives: u32, reason: String },
}

/// What all queues of one process share.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pool: PgPool,
    pub(crate) settings: Settings,
    pub(crate) liveness: Liveness,
    /// Starts the name of every worker of this process and of no other: host, pid and a random part.
    pub(crate) prefix: String,
    pub(crate) under_way: TaskTracker,
    pub(crate) cut: CancellationToken,
}

impl Process {
    /// A process under a name that no other has had or will have.
    pub(crate) fn new(pool: PgPool, settings: Settings, liveness: Liveness) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let prefix = format!("{}-{}-{}", host.trim(), std::process::id(), Uuid::new_v4().simple());
        Self { pool, settings, liveness, prefix, under_way: TaskTracker::new(), cut: CancellationToken::new() }
    }

    fn fence(&self, step: Step) -> Fence {
        Fence {
            pool: self.pool.clone(),
            step,
            step_time_max: self.settings.step_time_max,
            attempts_max: self.settings.attempts_max,
            slots: Arc::new(Semaphore::new(self.settings.concurrency)),
            under_way: self.under_way.clone(),
            cut: self.cut.clone(),
        }
    }

    /// Runs the worker of one queue until `stop`, then until its jobs have ended.
    ///
    /// # Errors
    /// [`QueueError::Died`] when it has died too often.
    pub(crate) async fn attend(self, step: Step, stop: CancellationToken) -> Result<(), QueueError> {
        let queue = step.name();
        let fence = self.fence(step);
        let pulse = self.liveness.register(queue);
        let mut short_lives = 0;
        for restarts in 0_u64.. {
            let born = Instant::now();
            let reason = match self.live(&fence, &pulse, restarts, &stop).await {
                _ if stop.is_cancelled() => return Ok(()),
                Ok(()) => "it ended by itself".to_owned(),
                Err(reason) => reason,
            };
            short_lives = if born.elapsed() >= self.settings.life_sound { 1 } else { short_lives + 1 };
            if short_lives >= self.settings.lives_max {
                return Err(QueueError::Died { queue, lives: short_lives, reason });
            }
            tracing::warn!(queue, restarts, reason, "the queue's worker died and is restarted");
            if stop.run_until_cancelled(pulse.rest(retry::delay(short_lives))).await.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One life of a worker: until it dies, or until `stop` and its jobs have ended.
    async fn live(&self, fence: &Fence, pulse: &Pulse, restarts: u64, stop: &CancellationToken) -> Result<(), String> {
        let name = format!("{}-{}-{restarts}", self.prefix, fence.step.name());
        let monitor = self.monitor(name, fence.clone(), pulse.clone());
        let context = monitor.context();
        let running = monitor.run();
        tokio::pin!(running);
        let living = async {
            tokio::select! {
                ended = &mut running => ended,
                () = self.beat_while_full(fence, pulse) => unreachable!("it never ends"),
            }
        };
        let ended = match stop.run_until_cancelled(living).await {
            Some(ended) => ended,
            None => {
                // Sets a flag and wakes the worker; it cannot fail in this version.
                let _ = context.shutdown();
                running.await
            }
        };
        // Its text lists the workers that died, one a line below a heading; ours has one.
        ended.map_err(|error| error.to_string().trim_end().lines().last().unwrap_or_default().trim().to_owned())
    }

    /// Reports turns for a worker that fetches no jobs because its limit of running jobs is reached; each job has its
    /// own time limit.
    async fn beat_while_full(&self, fence: &Fence, pulse: &Pulse) {
        loop {
            tokio::time::sleep(self.settings.tick).await;
            if fence.slots.available_permits() == 0 {
                pulse.turn().await;
            }
        }
    }

    fn monitor(&self, name: String, fence: Fence, pulse: Pulse) -> Monitor {
        let (pool, settings) = (self.pool.clone(), self.settings.clone());
        Monitor::new().register(move |_| {
            let queue = fence.step.name();
            let storage = PostgresStorage::<Payload>::new(&pool).with_config(config(queue, &settings));
            let doorbell = Doorbell::new(settings.tick, Pubsub::new(pool.clone(), queue.to_owned()), pulse.clone());
            let fence = fence.clone();
            WorkerBuilder::new(name.as_str())
                .backend(WithCodec::new(PollWith::new(storage, doorbell), PayloadCodec))
                .concurrency(settings.concurrency)
                .build(move |payload: Payload, attempt: Attempt, id: TaskId, worker: WorkerContext| {
                    let fetched = Fetched { job_id: id.to_string(), payload, attempt: attempt.current() };
                    fence.clone().pass(worker.name().to_owned(), fetched)
                })
        })
    }
}

impl Process {
    /// Waits for `workers`, which were told to stop, and for all steps; cuts off what outlasts the grace,
    /// and hands its jobs back.
    pub(crate) async fn finish(&self, mut workers: JoinSet<Result<(), QueueError>>) {
        self.under_way.close();
        let ended = timeout(self.settings.grace, async {
            while workers.join_next().await.is_some() {}
            self.under_way.wait().await;
        });
        tokio::select! {
            ended = ended => if ended.is_err() {
                tracing::warn!(steps = self.under_way.len(), "the grace is over; steps are cut off, their leases will expire");
            },
            () = self.beat() => {}
        }
        self.cut.cancel();
        workers.shutdown().await;
        if timeout(CUT_TIME_MAX, self.under_way.wait()).await.is_err() {
            tracing::error!(steps = self.under_way.len(), "steps block their threads and cannot be cut off");
        }
        match queue_housekeeping::hand_back(&self.pool, &self.prefix).await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "unfinished jobs handed back"),
            Err(error) => {
                tracing::warn!(%error, "unfinished jobs are not handed back; they are found when this worker is missed")
            }
        }
    }

    /// Says that we live for as long as it is polled: the queue's library does not while it shuts down, and
    /// others would take over what we are about to finish.
    async fn beat(&self) {
        let mut ticks = interval(self.settings.heartbeat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = queue_housekeeping::beat(&self.pool, &self.prefix).await {
                tracing::warn!(%error, "no heartbeat while stopping");
            }
        }
    }
}

/// The queue library's settings. Two of them are not tuning:
///
/// A batch is one job, because a worker with jobs left in its buffer neither beats nor acknowledges. Results are not
/// persisted by the library, because its channel for them is not read while a worker shuts down and holds only a few:
/// the jobs that end after those would wait for ever. The fence acknowledges.
fn config(queue: &str, settings: &Settings) -> Config {
    Config::default()
        .queue(queue)
        .batch_size(1)
        .heartbeat_interval(settings.heartbeat)
        .missed_heartbeats(settings.heartbeats_missed)
        .lock_tasks(true)
        .persist_results(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::housekeeping::LOCK_MAX;

    #[test]
    fn a_killed_workers_jobs_are_taken_up_within_30_seconds() {
        let settings = Settings::default();
        let beats = u32::try_from(settings.heartbeats_missed).expect("a small number") + 1; // the last: of who notices
        assert!(settings.heartbeat * beats + settings.tick < Duration::from_secs(30));
    }

    #[test]
    fn no_job_is_overdue_while_its_step_may_still_run() {
        let settings = Settings::default();
        assert!(LOCK_MAX > settings.step_time_max * 2, "it may first wait for a slot");
    }
}
