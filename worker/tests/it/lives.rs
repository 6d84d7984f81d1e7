//! What happens to jobs when their worker dies, and to a worker when its database fails it.

use std::time::{Duration, Instant};

use shootx_worker::app::RunError;
use shootx_worker::queue::{QueueError, Settings};

use crate::bench::{Bench, Calls, WINDOW, brisk, eventually};

const BREAK_FETCHING: &str = "alter function apalis.get_jobs rename to get_jobs_away";
const MEND_FETCHING: &str = "alter function apalis.get_jobs_away rename to get_jobs";
const WORKERS: &str = "select count(*) from apalis.workers";

#[tokio::test]
async fn a_killed_workers_job_is_taken_over_by_another() {
    let bench = Bench::new().await;
    let (dead, alive) = (Calls::default(), Calls::default());
    let doomed = bench.start_doomed(brisk(), dead.endless());
    let (job_id, generation_id) = bench.enqueue().await;
    dead.reach(generation_id, 1).await;
    bench.status_is(&job_id, "Running").await;
    let worker = bench.start(brisk(), alive.step_of(Duration::ZERO));
    doomed.kill();
    let killed = Instant::now();
    assert_eq!(bench.status_is(&job_id, "Done").await.attempts, 2);
    let took = killed.elapsed();
    assert!(took < WINDOW + Duration::from_secs(2), "{took:?}");
    assert_eq!(alive.of(generation_id), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_restarted_worker_does_not_inherit_a_dead_ones_jobs() {
    let bench = Bench::new().await;
    let (dead, alive) = (Calls::default(), Calls::default());
    let doomed = bench.start_doomed(brisk(), dead.endless());
    let (job_id, generation_id) = bench.enqueue().await;
    dead.reach(generation_id, 1).await;
    let held_by = bench.status_is(&job_id, "Running").await.lock_by;
    doomed.kill();
    // Restarted at once and alone: under the old name it would keep the dead one's lock alive for ever.
    let worker = bench.start(brisk(), alive.step_of(Duration::ZERO));
    let row = bench.status_is(&job_id, "Done").await;
    assert_ne!(row.lock_by, held_by);
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_kills_its_process_does_not_loop_for_ever() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let settings = Settings { attempts_max: 2, ..brisk() };
    let (job_id, generation_id) = bench.enqueue().await;
    for deaths in 1..=2 {
        let doomed = bench.start_doomed(settings.clone(), calls.endless());
        calls.reach(generation_id, deaths).await;
        bench.status_is(&job_id, "Running").await;
        doomed.kill();
    }
    let worker = bench.start(settings, calls.step_of(Duration::ZERO));
    assert_eq!(bench.status_is(&job_id, "Killed").await.attempts, 3);
    assert_eq!(calls.of(generation_id), 2, "the third worker does not touch it");
    worker.stop().await;
}

#[tokio::test]
async fn a_database_error_restarts_the_worker_a_bounded_number_of_times() {
    let bench = Bench::new().await;
    bench.execute(BREAK_FETCHING).await;
    let worker = bench.start(Settings { lives_max: 3, ..brisk() }, Calls::default().endless());
    let error = worker.ended().await.unwrap_err();
    assert!(matches!(error, RunError::Queue(QueueError::Died { lives: 3, .. })), "{error}");
    assert_eq!(bench.count(WORKERS).await, 3, "each life has a name of its own");
}

#[tokio::test]
async fn a_worker_that_dies_of_a_database_error_does_not_take_its_steps_along() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let (step, gate) = calls.gated();
    let worker = bench.start(Settings { heartbeats_missed: 60, ..brisk() }, step);
    let (job_id, generation_id) = bench.enqueue().await;
    calls.reach(generation_id, 1).await;
    bench.execute(BREAK_FETCHING).await;
    eventually("the worker lives again", || async { (bench.count(WORKERS).await >= 2).then_some(()) }).await;
    bench.execute(MEND_FETCHING).await;
    gate.add_permits(2);
    assert_eq!(bench.status_is(&job_id, "Done").await.attempts, 1);
    let (next, _) = bench.enqueue().await;
    bench.status_is(&next, "Done").await;
    assert_eq!(calls.of(generation_id), 1);
    worker.stop().await;
}
