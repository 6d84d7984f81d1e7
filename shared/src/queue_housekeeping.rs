//! What the queue's library leaves undone: prompt acknowledgement, handing back, and cleaning up. SQL.
//!
//! It deletes nothing by itself, does not beat while it drains, and writes acknowledgements only between
//! fetches. All of this goes by the queue's own clock, `now()`: it is about real processes, not about runs.

use std::time::Duration;

use sqlx::PgPool;

/// How a job ended, as the queue spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its step ran to its end.
    Done,
    /// It did not, and shall not be tried again.
    Killed,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "Done",
            Self::Killed => "Killed",
        }
    }
}

/// Writes how a job ended. `false`: the job is no longer this worker's, and nothing was written.
///
/// `attempts` is which run of the job this was, from 1; `reason` is kept for whoever looks at a killed job.
///
/// # Errors
/// Whatever the database says.
pub async fn acknowledge(
    pool: &PgPool,
    job_id: &str,
    worker: &str,
    attempts: i32,
    end: End,
    reason: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query!(
        r#"
        update apalis.jobs
        set status = $3, attempts = $4, done_at = now(),
            last_result = case when $5::text is null then '{"Ok": null}'::jsonb else jsonb_build_object('Err', $5::text) end
        where id = $1 and lock_by = $2 and status in ('Queued', 'Running')
        "#,
        job_id,
        worker,
        end.as_str(),
        attempts,
        reason,
    )
    .execute(pool)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// Says that this process still lives, for every worker whose name starts with `prefix`.
///
/// # Errors
/// Whatever the database says.
pub async fn beat(pool: &PgPool, prefix: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("update apalis.workers set last_seen = now() where starts_with(id, $1)", prefix).execute(pool).await?;
    Ok(())
}

/// Gives the unfinished jobs of this process back to the others, and returns how many there were.
///
/// Their attempts are not raised: those count workers that died, and this one was told to stop.
///
/// # Errors
/// Whatever the database says.
pub async fn hand_back(pool: &PgPool, prefix: &str) -> Result<u64, sqlx::Error> {
    let handed = sqlx::query!(
        r#"
        update apalis.jobs
        set status = 'Pending', lock_by = null, lock_at = null, done_at = null,
            last_result = '{"Err": "handed back: its worker was stopped"}'
        where status in ('Queued', 'Running') and starts_with(lock_by, $1)
        "#,
        prefix,
    )
    .execute(pool)
    .await?;
    Ok(handed.rows_affected())
}

/// Seconds since any worker was last seen; `None` if there has been none.
///
/// # Errors
/// Whatever the database says.
pub async fn seconds_since_a_worker_was_seen(pool: &PgPool) -> Result<Option<f64>, sqlx::Error> {
    sqlx::query_scalar!("select extract(epoch from now() - max(last_seen))::float8 from apalis.workers")
        .fetch_one(pool)
        .await
}

/// Kills at most `limit` jobs that were locked longer ago than any step may take, though their worker lives.
/// The sweeper gives their runs new ones.
///
/// # Errors
/// Whatever the database says.
pub async fn kill_overdue(pool: &PgPool, older_than: Duration, limit: i64) -> Result<i64, sqlx::Error> {
    let killed = sqlx::query!(
        r#"
        update apalis.jobs
        set status = 'Killed', done_at = now(), last_result = '{"Err": "locked longer than any step may take"}'
        where id in (
            select id from apalis.jobs
            where status in ('Queued', 'Running') and lock_at < now() - make_interval(secs => $1)
            limit $2
            for update skip locked)
        "#,
        older_than.as_secs_f64(),
        limit,
    )
    .execute(pool)
    .await?;
    Ok(killed.rows_affected().cast_signed())
}

/// Counts at most `limit` jobs that were done before `done_for`, or failed before `failed_for`; with `apply` deletes them.
///
/// # Errors
/// Whatever the database says.
pub async fn purge_finished(
    pool: &PgPool,
    done_for: Duration,
    failed_for: Duration,
    limit: i64,
    apply: bool,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with due as (
            select id from apalis.jobs
            where (status = 'Done' and done_at < now() - make_interval(secs => $1))
               or (status in ('Failed', 'Killed') and done_at < now() - make_interval(secs => $2))
            limit $3
        ), gone as (
            delete from apalis.jobs
            where $4::boolean and id in (select id from due) and status in ('Done', 'Failed', 'Killed')
            returning 1
        )
        select case when $4 then (select count(*) from gone) else (select count(*) from due) end as "rows!"
        "#,
        done_for.as_secs_f64(),
        failed_for.as_secs_f64(),
        limit,
        apply,
    )
    .fetch_one(pool)
    .await
}

/// Counts at most `limit` workers that were not seen for `unseen_for` and that no job refers to; with `apply` deletes
/// them.
///
/// # Errors
/// Whatever the database says.
pub async fn forget_workers(pool: &PgPool, unseen_for: Duration, limit: i64, apply: bool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with due as (
            select id from apalis.workers
            where last_seen < now() - make_interval(secs => $1)
              and not exists (select from apalis.jobs where jobs.lock_by = workers.id)
            limit $2
        ), gone as (
            delete from apalis.workers
            where $3::boolean and id in (select id from due) and last_seen < now() - make_interval(secs => $1)
            returning 1
        )
        select case when $3 then (select count(*) from gone) else (select count(*) from due) end as "rows!"
        "#,
        unseen_for.as_secs_f64(),
        limit,
        apply,
    )
    .fetch_one(pool)
    .await
}

/// How many workers were seen within this time.
///
/// # Errors
/// Whatever the database says.
pub async fn count_alive(pool: &PgPool, within: Duration) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "alive!" from apalis.workers where last_seen > now() - make_interval(secs => $1)"#,
        within.as_secs_f64(),
    )
    .fetch_one(pool)
    .await
}

/// Deletes all jobs and workers, those of a world that is gone, and returns how many jobs that were. The sweeper gives
/// each run that needs one a new job.
///
/// # Errors
/// Whatever the database says; then nothing is deleted.
pub async fn empty(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let jobs = sqlx::query!("delete from apalis.jobs").execute(&mut *tx).await?.rows_affected();
    sqlx::query!("delete from apalis.workers").execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(jobs)
}
