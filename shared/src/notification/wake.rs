//! SQL: new jobs for mailings whose job was lost. Rows are the truth; a job is only a wake-up.

use chrono::TimeDelta;
use sqlx::PgPool;

use crate::ids::UserId;
use crate::jobs::{self, JOB_LOCK_MAX, Job, Queue, WAKE_GRACE};

/// Enqueues a new job for at most `limit` mailings that are due, that nobody holds and whose job is gone; returns how
/// many.
///
/// # Errors
/// Whatever the database says; then nothing is enqueued.
pub async fn wake_sleeping(pool: &PgPool, limit: i64) -> Result<usize, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let sleeping = sqlx::query_scalar!(
        r#"
        select mailing.user_id as "user_id: UserId"
        from gateway.mailing
        where mailing.wake_at <= gateway.now() - make_interval(secs => $1)
          and (mailing.leased_until is null or mailing.leased_until <= gateway.now())
          and not exists (
              select from apalis.jobs
              where jobs.id = mailing.job_id
                and (jobs.status = 'Pending'
                     or (jobs.status in ('Queued', 'Running') and jobs.lock_at > now() - make_interval(secs => $2))))
        order by mailing.wake_at
        limit $3
        for update of mailing skip locked
        "#,
        WAKE_GRACE.as_secs_f64(),
        JOB_LOCK_MAX.as_secs_f64(),
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    for user_id in &sleeping {
        let job_id = jobs::new_job_id();
        jobs::enqueue(&mut tx, &job_id, Queue::Notify, Job::User(*user_id), TimeDelta::zero()).await?;
        sqlx::query!("update gateway.mailing set job_id = $2 where user_id = $1", *user_id as UserId, job_id)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(sleeping.len())
}
