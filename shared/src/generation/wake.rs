//! SQL: new jobs for runs whose job was lost. Rows are the truth; a job is only a wake-up.

use chrono::TimeDelta;
use sqlx::PgPool;

use super::Stage;
use crate::ids::GenerationId;
use crate::jobs::{self, JOB_LOCK_MAX, Job, Queue, WAKE_GRACE};
use crate::telemetry::timed;

/// Enqueues a new job for at most `limit` queued or collecting runs that nobody holds and whose job is overdue
/// and dead; returns how many.
///
/// # Errors
/// Whatever the database says; then nothing is enqueued.
pub async fn wake_sleeping(pool: &PgPool, limit: i64) -> Result<usize, sqlx::Error> {
    timed("wake_sleeping", wake(pool, limit)).await
}

async fn wake(pool: &PgPool, limit: i64) -> Result<usize, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let sleeping = sqlx::query!(
        r#"
        select run.generation_id as "generation_id: GenerationId", run.stage as "stage: Stage"
        from gateway.run
        where run.stage in ('queued', 'collecting')
          and run.wake_at <= gateway.now() - make_interval(secs => $1)
          and (run.leased_until is null or run.leased_until <= gateway.now())
          and not exists (
              select from apalis.jobs
              where jobs.id = run.job_id
                and (jobs.status = 'Pending'
                     or (jobs.status in ('Queued', 'Running') and jobs.lock_at > now() - make_interval(secs => $2))))
        order by run.wake_at
        limit $3
        for update of run skip locked
        "#,
        WAKE_GRACE.as_secs_f64(),
        JOB_LOCK_MAX.as_secs_f64(),
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    for run in &sleeping {
        let queue = if run.stage == Stage::Collecting { Queue::Collect } else { Queue::Submit };
        let job_id = jobs::new_job_id();
        jobs::enqueue(&mut tx, &job_id, queue, Job::Generation(run.generation_id), TimeDelta::zero()).await?;
        sqlx::query!(
            "update gateway.run set job_id = $2, wake_at = gateway.now() where generation_id = $1",
            run.generation_id as GenerationId,
            job_id,
        )
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(sleeping.len())
}
