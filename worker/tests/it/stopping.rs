//! SIGTERM finishes or hands back what is under way, and leaves alone what has not begun.

use std::time::{Duration, Instant};

use shootx_worker::queue::Settings;

use crate::bench::{Bench, Calls, WINDOW, brisk};

#[tokio::test]
async fn more_steps_than_the_librarys_channel_holds_end_before_the_worker_does() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let worker = bench.start(Settings { concurrency: 12, ..brisk() }, calls.step_of(Duration::from_millis(1500)));
    let mut jobs = Vec::new();
    for _ in 0..12 {
        jobs.push(bench.enqueue().await);
    }
    for (job_id, generation_id) in &jobs {
        calls.reach(*generation_id, 1).await;
        bench.status_is(job_id, "Running").await;
    }
    let (untouched, _) = bench.enqueue().await;
    let told = Instant::now();
    worker.stop().await;
    assert!(told.elapsed() < Duration::from_secs(5), "the worker waited for its grace: {:?}", told.elapsed());
    for (job_id, _) in &jobs {
        assert_eq!(bench.row(job_id).await.status, "Done");
    }
    assert_eq!((calls.all(), bench.row(&untouched).await.status.as_str()), (12, "Pending"));
}

#[tokio::test]
async fn a_stopping_worker_keeps_the_jobs_it_is_finishing() {
    let bench = Bench::new().await;
    let (stopping, other) = (Calls::default(), Calls::default());
    let worker = bench.start(brisk(), stopping.step_of(WINDOW * 2));
    let (job_id, generation_id) = bench.enqueue().await;
    stopping.reach(generation_id, 1).await;
    let taker = bench.start(brisk(), other.step_of(Duration::ZERO));
    worker.stop().await;
    assert_eq!(bench.row(&job_id).await.status, "Done");
    assert_eq!(other.all(), 0, "the library does not beat while it shuts down");
    taker.stop().await;
}

#[tokio::test]
async fn a_step_that_outlasts_the_grace_is_cut_off_and_its_job_handed_back() {
    let bench = Bench::new().await;
    let (endless, other) = (Calls::default(), Calls::default());
    let worker = bench.start(Settings { grace: Duration::from_millis(300), ..brisk() }, endless.endless());
    let (job_id, generation_id) = bench.enqueue().await;
    endless.reach(generation_id, 1).await;
    let told = Instant::now();
    worker.stop().await;
    assert!(told.elapsed() < Duration::from_secs(3));
    let row = bench.row(&job_id).await;
    assert_eq!((row.status.as_str(), row.attempts, row.lock_by), ("Pending", 0, None));
    let taker = bench.start(brisk(), other.step_of(Duration::ZERO));
    bench.status_is(&job_id, "Done").await;
    assert_eq!(other.of(generation_id), 1);
    taker.stop().await;
}

#[tokio::test]
async fn an_idle_worker_stops_at_once() {
    let bench = Bench::new().await;
    let worker = bench.start(brisk(), Calls::default().endless());
    let told = Instant::now();
    worker.stop().await;
    assert!(told.elapsed() < Duration::from_secs(2));
}
