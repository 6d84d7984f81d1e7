//! What is kept in the queue's tables, and that they are still the tables we write to.

use std::time::Duration;

use shared::retention::{Kind, Mode, purge};
use shootx_worker::housekeeping::{LOCK_MAX, free_locks};

use crate::bench::{Bench, Calls, WINDOW, brisk};

#[tokio::test]
async fn finished_jobs_are_purged() {
    let bench = Bench::new().await;
    bench
        .execute(
            "insert into apalis.workers (id, worker_type, storage_name, last_seen)
             select name, 'submit', 'test', now() - age::interval
             from (values ('gone', '2 hours'), ('gone but referred to', '2 hours'), ('alive', '1 second'))
                  as w (name, age);
             insert into apalis.jobs (id, job_type, job, status, done_at, lock_by)
             select name, 'submit', '{}', status, now() - age::interval, by
             from (values ('done, old', 'Done', '25 hours', null),
                          ('done', 'Done', '23 hours', 'gone but referred to'),
                          ('killed, old', 'Killed', '31 days', null), ('killed', 'Killed', '29 days', null),
                          ('failed, old', 'Failed', '31 days', null), ('failed', 'Failed', '29 days', null),
                          ('pending', 'Pending', null, null), ('running', 'Running', null, 'alive'))
                  as j (name, status, age, by)",
        )
        .await;
    for (kind, rows) in [(Kind::Workers, 1), (Kind::Jobs, 3)] {
        for (mode, rows) in [(Mode::Look, rows), (Mode::Look, rows), (Mode::Apply, rows), (Mode::Apply, 0)] {
            assert_eq!(purge(&bench.pool, kind, mode).await.unwrap(), rows, "{kind:?} {mode:?}");
        }
    }
    let jobs: Vec<String> =
        sqlx::query_scalar("select id from apalis.jobs order by id").fetch_all(&bench.pool).await.unwrap();
    assert_eq!(jobs, ["done", "failed", "killed", "pending", "running"]);
    let workers: Vec<String> =
        sqlx::query_scalar("select id from apalis.workers order by id").fetch_all(&bench.pool).await.unwrap();
    assert_eq!(workers, ["alive", "gone but referred to"]);
}

#[tokio::test]
async fn expired_quotes_are_purged_and_others_kept() {
    let bench = Bench::new().await;
    bench
        .execute(
            "insert into auth.users (id, email) values (gen_random_uuid(), 'ada@example.com');
             insert into gateway.quote (quote_id, user_id, fingerprint, price, created_at, expires_at)
             select gen_random_uuid(), profiles.id, sha256(''), price, gateway.now() - interval '1 hour',
                    gateway.now() + expiry::interval
             from public.profiles, (values (1, '-1 second'), (2, '0 seconds'), (3, '1 minute')) as q (price, expiry)",
        )
        .await;
    for mode in [Mode::Look, Mode::Apply] {
        assert_eq!(purge(&bench.pool, Kind::Quotes, mode).await.unwrap(), 2);
    }
    let kept: Vec<i32> = sqlx::query_scalar("select price from gateway.quote").fetch_all(&bench.pool).await.unwrap();
    assert_eq!(kept, [3]);
    assert_eq!(purge(&bench.pool, Kind::Quotes, Mode::Apply).await.unwrap(), 0);
}

#[tokio::test]
async fn a_job_locked_for_too_long_is_killed_though_its_worker_lives() {
    let bench = Bench::new().await;
    let calls = Calls::default();
    let worker = bench.start(brisk(), calls.endless());
    let (job_id, generation_id) = bench.enqueue().await;
    calls.reach(generation_id, 1).await;
    bench.status_is(&job_id, "Running").await;
    assert_eq!(free_locks(&bench.pool, LOCK_MAX).await.unwrap(), 0);
    tokio::time::sleep(WINDOW).await; // its worker beats on: nobody else would ever free it
    assert_eq!(bench.row(&job_id).await.status, "Running");
    assert_eq!(free_locks(&bench.pool, Duration::from_secs(1)).await.unwrap(), 1);
    assert_eq!(bench.row(&job_id).await.status, "Killed");
    drop(worker);
}

/// We write to the queue's table ourselves. When this fails after an upgrade of the queue's crates, read
/// `shared/src/jobs.rs`, `queue_housekeeping.rs` and `generation/accept.sql` against the new schema.
#[tokio::test]
async fn the_queue_schema_is_the_one_we_write_to() {
    let bench = Bench::new().await;
    let columns: Vec<String> = sqlx::query_scalar(
        "select table_name || '.' || column_name || ' ' || data_type || case is_nullable when 'NO' then '!' else '' end
         from information_schema.columns where table_schema = 'apalis' and table_name in ('jobs', 'workers')
         order by table_name, column_name",
    )
    .fetch_all(&bench.pool)
    .await
    .unwrap();
    assert_eq!(columns, COLUMNS);
    for (function, text) in [("get_jobs", GET_JOBS), ("notify_new_jobs", NOTIFY_NEW_JOBS)] {
        let body: String = sqlx::query_scalar(
            "select prosrc from pg_proc where pronamespace = 'apalis'::regnamespace and proname = $1",
        )
        .bind(function)
        .fetch_one(&bench.pool)
        .await
        .unwrap();
        assert_eq!(body.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
    }
}

const COLUMNS: [&str; 20] = [
    "jobs.attempts integer!",
    "jobs.done_at timestamp with time zone",
    "jobs.id text!",
    "jobs.idempotency_key text",
    "jobs.job bytea!",
    "jobs.job_type text!",
    "jobs.last_result jsonb",
    "jobs.lock_at timestamp with time zone",
    "jobs.lock_by text",
    "jobs.max_attempts integer!",
    "jobs.metadata USER-DEFINED",
    "jobs.priority integer",
    "jobs.run_at timestamp with time zone!",
    "jobs.status text!",
    "workers.id text!",
    "workers.last_seen timestamp with time zone!",
    "workers.layers text!",
    "workers.started_at timestamp with time zone",
    "workers.storage_name text!",
    "workers.worker_type text!",
];

const GET_JOBS: &str = "
    WITH jobs AS (
        SELECT id FROM apalis.jobs
        WHERE ( status = 'Pending' OR ( status = 'Failed' AND attempts < max_attempts ) )
            AND run_at < now()
            AND job_type = v_job_type
        ORDER BY priority DESC, run_at ASC
        LIMIT v_job_count
        FOR UPDATE SKIP LOCKED
    )
    UPDATE apalis.jobs j
    SET status = 'Queued', lock_by = worker_id, lock_at = now()
    FROM jobs WHERE j.id = jobs.id
    RETURNING j.*;";

const NOTIFY_NEW_JOBS: &str = "
    BEGIN
        IF NEW.run_at <= now() THEN
            PERFORM pg_notify(
                'apalis::job::insert',
                json_build_object( 'job_type', NEW.job_type, 'id', NEW.id, 'run_at', NEW.run_at )::text
            );
        END IF;
        RETURN NEW;
    END;";
