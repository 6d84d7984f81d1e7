//! One test for each defect of the queue's library, named after the defect, and one for each thing it must do.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures::future::join_all;
use shared::jobs::new_job_id;
use shootx_worker::queue::Settings;

use crate::bench::{Bench, Calls, WINDOW, brisk, eventually};

#[tokio::test]
async fn finished_jobs_are_acknowledged() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let worker = bench.start(brisk(), calls.step_of(Duration::ZERO));
    let (job_id, generation_id) = bench.enqueue().await;
    let row = bench.status_is(&job_id, "Done").await;
    assert_eq!((row.attempts, calls.of(generation_id)), (1, 1));
    worker.stop().await;
}

#[tokio::test]
async fn two_workers_that_share_a_queue_run_each_job_once() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let mut jobs = Vec::new();
    for _ in 0..40 {
        jobs.push(bench.enqueue().await);
    }
    let first = bench.start(brisk(), calls.step_of(Duration::from_millis(5)));
    let second = bench.start(brisk(), calls.step_of(Duration::from_millis(5)));
    join_all(jobs.iter().map(|(job_id, _)| bench.status_is(job_id, "Done"))).await;
    assert!(jobs.iter().all(|(_, generation_id)| calls.of(*generation_id) == 1));
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_full_fetch_buffer_does_not_stop_heartbeats() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let one_at_a_time = Settings { concurrency: 1, ..brisk() };
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(bench.enqueue().await);
    }
    let step = calls.step_of(WINDOW + Duration::from_millis(500));
    let first = bench.start(one_at_a_time.clone(), step.clone());
    let second = bench.start(one_at_a_time, step);
    join_all(jobs.iter().map(|(job_id, _)| bench.status_is(job_id, "Done"))).await;
    assert_eq!(calls.all(), 3, "a job that outlasts the window was given to the other worker");
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_wake_up_is_not_lost_between_tick_and_fetch() {
    let bench = Bench::new().await;
    bench.execute("alter table apalis.jobs disable trigger notify_workers").await;
    let calls = Calls::default();
    let ticking =
        Settings { tick: Duration::from_millis(10), heartbeat: Duration::from_secs(30), ..Settings::default() };
    let worker = bench.start(ticking, calls.step_of(Duration::ZERO));
    for _ in 0..5 {
        // Idle for many ticks: the library's own interval stops at the first fetch that ends as it fires.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (_, generation_id) = bench.enqueue().await;
        let enqueued = Instant::now();
        calls.reach(generation_id, 1).await;
        let waited = enqueued.elapsed();
        assert!(waited < Duration::from_secs(1), "a tick of 10 ms took {waited:?}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_new_job_rings_the_bell_and_a_broken_bell_is_hung_again() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let deaf_but_for_the_bell =
        Settings { tick: Duration::from_secs(4), heartbeat: Duration::from_secs(30), ..Settings::default() };
    let worker = bench.start(deaf_but_for_the_bell, calls.step_of(Duration::ZERO));
    let mut broken = 0;
    for _ in 0..3 {
        let bell = eventually("a new bell hangs", || async { bench.listener().await.filter(|pid| *pid != broken) });
        let pid = bell.await;
        let (_, generation_id) = bench.enqueue().await;
        let enqueued = Instant::now();
        calls.reach(generation_id, 1).await;
        assert!(enqueued.elapsed() < Duration::from_secs(1));
        sqlx::query("select pg_terminate_backend($1)").bind(pid).execute(&bench.pool).await.unwrap();
        broken = pid;
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_job_for_later_waits_until_it_is_due() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let worker = bench.start(brisk(), calls.step_of(Duration::ZERO));
    let enqueued = Instant::now();
    let (job_id, generation_id) = bench.enqueue_in(TimeDelta::milliseconds(900)).await;
    bench.status_is(&job_id, "Done").await;
    let waited = calls.first(generation_id).unwrap() - enqueued;
    assert!(waited > Duration::from_millis(850) && waited < Duration::from_secs(2), "{waited:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_panicking_step_does_not_leave_its_job_running() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let worker = bench.start(brisk(), calls.step(|_| async { panic!("a bug in a step") }));
    let (job_id, generation_id) = bench.enqueue().await;
    let row = bench.status_is(&job_id, "Killed").await;
    assert_eq!((row.attempts, calls.of(generation_id)), (1, 1));
    let (next, _) = bench.enqueue().await;
    bench.status_is(&next, "Killed").await; // the worker has survived it
    worker.stop().await;
}

#[tokio::test]
async fn a_step_that_overruns_its_time_does_not_leave_its_job_running() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let hurried = Settings { step_time_max: Duration::from_millis(200), concurrency: 1, ..brisk() };
    let worker = bench.start(hurried, calls.endless());
    for _ in 0..2 {
        let (job_id, generation_id) = bench.enqueue().await;
        bench.status_is(&job_id, "Killed").await;
        assert_eq!(calls.of(generation_id), 1);
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_failing_step_is_not_retried_in_a_tight_loop() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let worker = bench.start(brisk(), calls.step(|_| async { Err(sqlx::Error::PoolTimedOut.into()) }));
    let (job_id, generation_id) = bench.enqueue_in(TimeDelta::milliseconds(300)).await;
    bench.execute("update apalis.jobs set max_attempts = 25").await; // the library would use them all up at once
    bench.status_is(&job_id, "Killed").await;
    let (next, _) = bench.enqueue().await; // fetched after anything that is left of the first
    bench.status_is(&next, "Killed").await;
    assert_eq!(calls.of(generation_id), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_payload_that_does_not_decode_kills_only_its_job() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let (before, _) = bench.enqueue().await;
    let mut poison = Vec::new();
    for payload in ["", "not json", r#"{"generation_id": "nobody"}"#, "[1, 2]", "{}"] {
        let job_id = new_job_id();
        sqlx::query(
            "insert into apalis.jobs (id, job_type, job, metadata) values ($1, 'submit', $2, ''::public.hstore)",
        )
        .bind(&job_id)
        .bind(payload.as_bytes())
        .execute(&bench.pool)
        .await
        .unwrap();
        poison.push(job_id);
    }
    let (after, _) = bench.enqueue().await;
    let worker = bench.start(brisk(), calls.step_of(Duration::ZERO));
    for job_id in &poison {
        assert_eq!(bench.status_is(job_id, "Killed").await.attempts, 1);
    }
    for job_id in [&before, &after] {
        assert_eq!(bench.status_is(job_id, "Done").await.attempts, 1);
    }
    assert_eq!(bench.count("select count(*) from apalis.workers").await, 1, "no worker died of it");
    worker.stop().await;
}

#[tokio::test]
async fn a_late_acknowledgement_of_a_job_given_away_changes_nothing() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let (step, gate) = calls.gated();
    let worker = bench.start(Settings { concurrency: 1, ..brisk() }, step);
    let (job_id, generation_id) = bench.enqueue().await;
    calls.reach(generation_id, 1).await;
    bench.status_is(&job_id, "Running").await;
    bench
        .execute(
            "insert into apalis.workers (id, worker_type, storage_name) values ('another', 'submit', 'test');
             update apalis.jobs set lock_by = 'another', attempts = 7",
        )
        .await;
    let (next, _) = bench.enqueue().await;
    gate.add_permits(2);
    bench.status_is(&next, "Done").await; // one at a time: the first was acknowledged before
    let row = bench.row(&job_id).await;
    assert_eq!((row.status.as_str(), row.attempts, row.lock_by.as_deref()), ("Running", 7, Some("another")));
    worker.stop().await;
}
