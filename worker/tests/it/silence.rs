//! A whole worker whose database connections fall silent (stay open, but answer nothing), and loops that stand still.

use std::time::{Duration, Instant};

use devstack::builders::model;
use devstack::silent_proxy::SilentProxy;
use devstack::test_stack::TestStack;
use shared::config::Database;
use shared::db;
use shared::liveness::Liveness;
use shootx_worker::WorkerState;
use shootx_worker::queue::Settings;
use simulators::{RunPodOptions, Time};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::processes::{PATIENCE, until};

/// Every loop of a worker; a new one is added here, and so is silenced and halted below.
const LOOPS: [&str; 13] = [
    "billing",
    "billing looks",
    "clock",
    "collect",
    "database gauges",
    "housekeeping",
    "ledger gauges",
    "notify",
    "poller",
    "process gauges",
    "queue gauges",
    "submit",
    "sweeper",
];
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// Loops that rest for longer report several times within this.
const TURN_MAX: Duration = Duration::from_secs(12);
const ROUNDS: u64 = 4;

/// A worker on the database of `stack`, beside its own.
struct Running {
    liveness: Liveness,
    task: JoinHandle<()>,
}

impl Running {
    fn start(stack: &TestStack, database_url: String) -> Self {
        let settings = Database { url: database_url.into(), pool_max: 10, silence_max: SILENCE_MAX };
        let pool = db::pool(&settings, "silenced").unwrap();
        let liveness = Liveness::new(TURN_MAX);
        let state = WorkerState { pool, liveness: liveness.clone(), ..stack.worker.clone() };
        let task = tokio::spawn(async move {
            shootx_worker::app::run(state, Settings::default(), std::future::pending()).await.unwrap();
        });
        Self { liveness, task }
    }

    fn loops(&self) -> Vec<&'static str> {
        self.liveness.ages().into_iter().map(|(name, _)| name).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_connections_fall_silent_goes_on_with_others() {
    let options = RunPodOptions { time: Time::Running, picture_size: (96, 64), ..RunPodOptions::default() };
    let stack = TestStack::builder().runpod(options).start().await;
    let user = stack.user().await;
    let proxy = SilentProxy::start(&stack.database.worker_url()).await;
    let running = Running::start(&stack, proxy.url(&stack.database.worker_url()));
    for round in 0..ROUNDS {
        let id = user.generate(&model().build()).await.unwrap().generation_id();
        // Each time at a different moment of the generation and of the loops.
        sleep(Duration::from_millis(250 * round)).await;
        proxy.silence();
        let silenced = Instant::now();
        until("the generation is delivered", PATIENCE, async || {
            user.status(id).await.unwrap().body["stage"] == "completed"
        })
        .await;
        until("every loop goes on", PATIENCE, async || {
            running.liveness.ages().iter().all(|(_, age)| *age < silenced.elapsed())
        })
        .await;
        assert!(silenced.elapsed() < PATIENCE, "{:?}", silenced.elapsed());
        assert!(!running.task.is_finished());
    }
    assert_eq!(running.loops(), LOOPS);
    drop(running);
    stack.reconcile().await;
}

#[tokio::test]
async fn each_loop_that_stands_still_is_named() {
    let stack = TestStack::new().await;
    let mut workers = Vec::new();
    for halted in LOOPS {
        let running = Running::start(&stack, stack.database.worker_url());
        until("all loops are there", PATIENCE, async || running.loops() == LOOPS).await;
        running.liveness.halt(halted);
        workers.push((halted, running));
    }
    for (halted, running) in &workers {
        until(halted, PATIENCE, async || running.liveness.stalled().iter().any(|stalled| stalled.name == *halted))
            .await;
    }
}

#[tokio::test]
async fn a_worker_that_waits_for_work_is_well() {
    let stack = TestStack::new().await;
    let running = Running::start(&stack, stack.database.worker_url());
    sleep(TURN_MAX * 2).await;
    assert_eq!(running.liveness.problem(), None);
    assert_eq!(running.loops(), LOOPS);
}
