//! A queue on a database of its own, with workers that can be stopped or killed and steps that do as told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use devstack::postgres::TestDatabase;
use secrecy::SecretString;
use shared::config::Database;
use shared::db;
use shared::ids::GenerationId;
use shared::jobs::{self, Job, Queue};
use shared::liveness::Liveness;
use shootx_worker::app::{RunError, attend_queues};
use shootx_worker::fence::{Step, StepResult};
use shootx_worker::queue::Settings;
use sqlx::PgPool;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longest a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(20);
/// Connections of one worker.
const POOL_MAX: u32 = 6;
/// A worker silent for this long is given up by the others: see [`brisk`].
pub(crate) const WINDOW: Duration = Duration::from_secs(2);

/// The product's settings, with beats short enough to wait for.
pub(crate) fn brisk() -> Settings {
    Settings {
        heartbeat: Duration::from_millis(500),
        heartbeats_missed: 4,
        tick: Duration::from_millis(200),
        ..Settings::default()
    }
}

/// Waits until `check` gives a value.
pub(crate) async fn eventually<T, Fut>(what: &str, check: impl Fn() -> Fut) -> T
where
    Fut: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A job as the queue's table has it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) status: String,
    pub(crate) attempts: i32,
    pub(crate) lock_by: Option<String>,
}

/// One database with a queue in it.
pub(crate) struct Bench {
    /// The superuser's: to look and to break things.
    pub(crate) pool: PgPool,
    database: TestDatabase,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::new().await;
        Self { pool: database.pool().clone(), database }
    }

    /// Enqueues a job that is due after `delay`; its own id and its generation's.
    pub(crate) async fn enqueue_in(&self, delay: TimeDelta) -> (String, GenerationId) {
        let (job_id, generation_id) = (jobs::new_job_id(), GenerationId::generate());
        let mut connection = self.pool.acquire().await.unwrap();
        jobs::enqueue(&mut connection, &job_id, Queue::Submit, Job::Generation(generation_id), delay).await.unwrap();
        (job_id, generation_id)
    }

    pub(crate) async fn enqueue(&self) -> (String, GenerationId) {
        self.enqueue_in(TimeDelta::zero()).await
    }

    pub(crate) async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    pub(crate) async fn row(&self, job_id: &str) -> Row {
        sqlx::query_as("select status, attempts, lock_by from apalis.jobs where id = $1")
            .bind(job_id)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// The connection on which a worker waits for its bell.
    pub(crate) async fn listener(&self) -> Option<i32> {
        let sql = "select pid from pg_stat_activity
                   where datname = current_database() and query ilike 'listen%' and state = 'idle'";
        sqlx::query_scalar(sql).fetch_optional(&self.pool).await.unwrap()
    }

    /// Waits until a job has `status`.
    pub(crate) async fn status_is(&self, job_id: &str, status: &str) -> Row {
        eventually(&format!("job is {status}"), || async {
            Some(self.row(job_id).await).filter(|row| row.status == status)
        })
        .await
    }

    /// Starts a worker in this process.
    pub(crate) fn start(&self, settings: Settings, step: Step) -> Worker {
        let stop = CancellationToken::new();
        let running = tokio::spawn(attend(self.database.worker_url(), settings, step, stop.clone()));
        Worker { stop, running }
    }

    /// Starts a worker that will not get to say goodbye.
    pub(crate) fn start_doomed(&self, settings: Settings, step: Step) -> Doomed {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(attend(self.database.worker_url(), settings, step, CancellationToken::new()));
        Doomed(Some(runtime))
    }
}

/// With a pool and grants as a worker process has them.
async fn attend(url: String, settings: Settings, step: Step, stop: CancellationToken) -> Result<(), RunError> {
    let database = Database { url: SecretString::from(url), pool_max: POOL_MAX, silence_max: Duration::from_secs(15) };
    let pool = db::pool(&database, "worker").unwrap();
    attend_queues(pool, settings, &Liveness::default(), vec![step], async move {
        stop.cancelled().await;
        Ok(())
    })
    .await
}

/// A worker in the test's own process.
pub(crate) struct Worker {
    stop: CancellationToken,
    running: JoinHandle<Result<(), RunError>>,
}

impl Worker {
    /// Tells it to stop without waiting for it.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    /// Waits for its end.
    pub(crate) async fn ended(self) -> Result<(), RunError> {
        tokio::time::timeout(DEADLINE, self.running).await.unwrap().unwrap()
    }

    pub(crate) async fn stop(self) {
        self.tell_to_stop();
        self.ended().await.unwrap();
    }
}

/// A worker on a runtime of its own, which can be killed: its tasks vanish where they stand and its connections break.
pub(crate) struct Doomed(Option<Runtime>);

impl Doomed {
    pub(crate) fn kill(mut self) {
        self.kill_once();
    }

    fn kill_once(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        self.kill_once();
    }
}

/// What steps have been asked to do.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<(GenerationId, Instant)>>>);

impl Calls {
    /// A step that notes its call and then does `then`.
    pub(crate) fn step<F, Fut>(&self, then: F) -> Step
    where
        F: Fn(GenerationId) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = StepResult> + Send + 'static,
    {
        let calls = self.clone();
        Step::new("submit", move |job| {
            let Job::Generation(generation_id) = job else { panic!("{job:?} is of no generation") };
            calls.0.lock().unwrap().push((generation_id, Instant::now()));
            then(generation_id)
        })
    }

    /// A step that takes `time` and ends well.
    pub(crate) fn step_of(&self, time: Duration) -> Step {
        self.step(move |_| async move {
            tokio::time::sleep(time).await;
            Ok("slept")
        })
    }

    /// A step that never ends.
    pub(crate) fn endless(&self) -> Step {
        self.step(|_| std::future::pending())
    }

    /// A step that ends well once it is let through, each call by one permit of the gate.
    pub(crate) fn gated(&self) -> (Step, Arc<Semaphore>) {
        let gate = Arc::new(Semaphore::new(0));
        let opened = gate.clone();
        let step = self.step(move |_| {
            let opened = opened.clone();
            async move {
                opened.acquire().await.unwrap().forget();
                Ok("let through")
            }
        });
        (step, gate)
    }

    pub(crate) fn of(&self, generation_id: GenerationId) -> usize {
        self.0.lock().unwrap().iter().filter(|(called, _)| *called == generation_id).count()
    }

    pub(crate) fn all(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// When a generation's step was first called.
    pub(crate) fn first(&self, generation_id: GenerationId) -> Option<Instant> {
        self.0.lock().unwrap().iter().find(|(called, _)| *called == generation_id).map(|(_, at)| *at)
    }

    /// Waits until there were `calls` calls for a generation.
    pub(crate) async fn reach(&self, generation_id: GenerationId, calls: usize) {
        eventually("the step is called", || async { (self.of(generation_id) >= calls).then_some(()) }).await;
    }
}
