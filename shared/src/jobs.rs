//! The queue's jobs: wake-ups that carry an id and nothing else. SQL.
//!
//! Rows are the truth, jobs are wake-ups: losing or repeating one may delay work, never corrupt it. Who may
//! know the queue's tables is listed in `scripts/check-layers`.

use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use ulid::Ulid;

use crate::ids::{GenerationId, UserId};

pub use crate::queue::Queue;

/// What a job carries: whom or what to look at, and nothing of what is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// `{"generation_id": ..}`, for [`Queue::Submit`] and [`Queue::Collect`].
    #[serde(rename = "generation_id")]
    Generation(GenerationId),
    /// `{"user_id": ..}`, for [`Queue::Notify`].
    #[serde(rename = "user_id")]
    User(UserId),
}

impl Job {
    /// The job as the queue stores it.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("an id always serializes")
    }
}

/// A new job id; the queue takes nothing but ULIDs.
#[must_use]
pub fn new_job_id() -> String {
    Ulid::generate().to_string()
}

/// Adds a job to the caller's transaction, under an id from [`new_job_id`].
///
/// A job that is due at once gets a bare `now()`: the queue's trigger rings its bell only for those.
///
/// # Errors
/// Whatever the database says; the caller's transaction is then lost as a whole.
pub async fn enqueue(
    connection: &mut PgConnection,
    job_id: &str,
    queue: Queue,
    job: Job,
    delay: TimeDelta,
) -> Result<(), sqlx::Error> {
    let seconds = delay.as_seconds_f64().max(0.0);
    sqlx::query!(
        r#"
        insert into apalis.jobs (id, job_type, job, status, attempts, max_attempts, run_at, priority, metadata)
        values ($1, $2, $3, 'Pending', 0, 1, now() + make_interval(secs => $4), 0, ''::hstore)
        "#,
        job_id,
        queue.as_str(),
        job.to_bytes(),
        seconds,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes at most `limit` due jobs off a queue, without a worker: for tests and one-process stacks.
///
/// Due is what `gateway.now()` has reached, so that a moved clock also moves the queue.
///
/// # Errors
/// Whatever the database says.
pub async fn take_due(pool: &PgPool, queue: Queue, limit: i64) -> Result<Vec<Job>, sqlx::Error> {
    let taken = sqlx::query_scalar!(
        r#"
        update apalis.jobs
        set status = 'Done', done_at = now()
        where id in (
            select id from apalis.jobs
            where job_type = $1 and status = 'Pending' and run_at <= gateway.now()
            order by priority desc, run_at
            limit $2
            for update skip locked)
        returning job
        "#,
        queue.as_str(),
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(taken.iter().filter_map(|job| serde_json::from_slice(job).ok()).collect())
}

/// A job is missed only when it is overdue by this much.
pub(crate) const WAKE_GRACE: Duration = Duration::from_secs(5);
/// A job locked longer than this, whose row nobody holds, no longer counts as alive.
pub(crate) const JOB_LOCK_MAX: Duration = Duration::from_secs(30);

/// How many jobs of one queue are in one status, and how long the oldest due one has waited.
#[derive(Debug, Clone, PartialEq)]
pub struct Depth {
    /// The queue's name.
    pub queue: String,
    /// The queue's own word for where the jobs are.
    pub status: String,
    /// How many.
    pub jobs: i64,
    /// Seconds since the oldest of them became due; 0 if none is due.
    pub oldest_seconds: f64,
}

impl Depth {
    /// The status of jobs that nobody has taken yet.
    pub const WAITING: &'static str = "Pending";
    /// Every status of a job that is not done.
    pub(crate) const OPEN: [&'static str; 3] = [Self::WAITING, "Queued", "Running"];
}

/// What is in the queues and not done. Asked as two, each of which has its index: what is done stays for a day.
///
/// # Errors
/// Whatever the database says.
pub async fn queue_depth(pool: &PgPool) -> Result<Vec<Depth>, sqlx::Error> {
    sqlx::query_as!(
        Depth,
        r#"
        select job_type as "queue!", status as "status!", count(*) as "jobs!",
               greatest(extract(epoch from now() - min(run_at)), 0)::float8 as "oldest_seconds!"
        from (select job_type, status, run_at from apalis.jobs where status = 'Pending'
              union all
              select job_type, status, run_at from apalis.jobs where status in ('Queued', 'Running')) as open
        group by job_type, status
        "#,
    )
    .fetch_all(pool)
    .await
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_job_names_what_it_carries() {
        let id = Uuid::from_u128(7);
        for (job, name) in [(Job::Generation(GenerationId(id)), "generation_id"), (Job::User(UserId(id)), "user_id")] {
            assert_eq!(job.to_bytes(), format!(r#"{{"{name}":"{id}"}}"#).into_bytes());
            assert_eq!(serde_json::from_slice::<Job>(&job.to_bytes()).expect("what we write we read"), job);
        }
    }
}
