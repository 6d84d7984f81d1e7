//! SQL: what there is to tell, and whether somebody wants to hear it.

use chrono::TimeDelta;
use sqlx::{PgConnection, PgPool};

use super::{GATHER, Notify};
use crate::generation::{Run, Stage};
use crate::ids::{GenerationId, UserId};
use crate::jobs::{self, Job, Queue};

/// Notes, in the transaction that settles a run, that its user is to be told, unless mail is off or they unsubscribed.
/// A user's first waiting row adds the job. A run that they cancelled themselves is not reported.
///
/// # Errors
/// Whatever the database says; the caller's transaction is then lost as a whole.
pub async fn note(tx: &mut PgConnection, run: &Run, notify: Notify) -> Result<(), sqlx::Error> {
    let event = match run.stage {
        Stage::Completed => "completed",
        Stage::Failed => "failed",
        Stage::Cancelled | Stage::Queued | Stage::Submitting | Stage::Running | Stage::Collecting => return Ok(()),
    };
    if notify == Notify::Nobody {
        return Ok(());
    }
    let job_id = jobs::new_job_id();
    // A mailing that wakes anyway is locked all the same: its worker must see this row, or we its end.
    let woken = sqlx::query!(
        r#"
        with noted as (
            insert into gateway.notification (generation_id, event, user_id, created_at)
            select $1, $2, $3, gateway.now()
            where coalesce((select email_notifications from public.user_settings where user_id = $3), true)
            on conflict do nothing
            returning user_id
        )
        insert into gateway.mailing (user_id, wake_at, job_id)
        select user_id, gateway.now() + make_interval(secs => $4), $5 from noted
        on conflict (user_id) do update set wake_at = excluded.wake_at, job_id = excluded.job_id
        where mailing.wake_at is null
        "#,
        run.generation_id as GenerationId,
        event,
        run.user_id as UserId,
        GATHER.as_secs_f64(),
        job_id,
    )
    .execute(&mut *tx)
    .await?;
    if woken.rows_affected() == 1 {
        let delay = TimeDelta::from_std(GATHER).expect("a minute fits");
        jobs::enqueue(tx, &job_id, Queue::Notify, Job::User(run.user_id), delay).await?;
    }
    Ok(())
}

/// Notes that a user wants no more mail. Does nothing if they unsubscribed before, or were deleted.
///
/// # Errors
/// Whatever the database says.
pub async fn stop(pool: &PgPool, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        insert into public.user_settings (user_id, email_notifications)
        select id, false from public.profiles where id = $1
        on conflict (user_id) do update set email_notifications = false, updated_at = gateway.now()
        where user_settings.email_notifications is distinct from false
        "#,
        user_id as UserId,
    )
    .execute(pool)
    .await?;
    Ok(())
}
