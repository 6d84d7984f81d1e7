//! SQL: one mail to one user, from its rows to its end. Only the holder of the lease sends mail to the user.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use sqlx::{PgConnection, PgPool};

use super::letter::Told;
use super::rules::{End, Rows, UNHEARD_MAX, retry_after};
use super::{GATHER, LATE_MAX, LEASE, rows};
use crate::db;
use crate::ids::{LeaseId, MailId, UserId};
use crate::jobs::{self, Job, Queue};

/// What a worker finds that a job wakes.
#[derive(Debug)]
pub enum Taken {
    /// Nothing waits, it is not due, or another worker is at it.
    Nothing,
    /// A mail that is to be sent now, and ended with [`conclude`].
    Mail(Box<Mail>),
}

/// A mail whose id and rows are fixed.
#[derive(Debug)]
pub struct Mail {
    pub user_id: UserId,
    pub mail_id: MailId,
    /// The date it carries, the same at each try.
    pub dated: DateTime<Utc>,
    /// Where it goes; `None` where the user has no address.
    pub address: Option<SecretString>,
    /// The generations it names, in the order in which they ended.
    pub told: Vec<Told>,
    /// How many it is about, named or not.
    pub total: i64,
    lease_id: LeaseId,
    /// Times it may have gone out when this try is over.
    unheard: i16,
    /// Tries in a row before this one that did not end well.
    tries: i16,
}

/// What became of [`conclude`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is written.
    Written,
    /// The lease was lost: somebody else sends this mail now.
    LeaseLost,
}

/// The mailing as it is leased.
struct Leased {
    mail_id: Option<MailId>,
    mailed_at: Option<DateTime<Utc>>,
    unheard: i16,
    tries: i16,
    wanted: bool,
    now: DateTime<Utc>,
}

impl Leased {
    /// Whether its mail is sent no more: it has been often enough, or has become too old.
    fn is_vain(&self) -> bool {
        self.unheard >= UNHEARD_MAX || self.mailed_at.is_some_and(|dated| dated + LATE_MAX < self.now)
    }
}

/// Leases a user's mailing and fixes what is to be sent: the mail whose end nobody heard, or a new one of all that waits.
///
/// # Errors
/// Whatever the database says; then nothing is taken.
pub async fn take(pool: &PgPool, user_id: UserId) -> Result<Taken, sqlx::Error> {
    let mut tx = db::begin_for(pool, user_id).await?;
    let lease_id = LeaseId::generate();
    let Some(mut leased) = lease(&mut tx, user_id, lease_id).await? else { return Ok(Taken::Nothing) };
    rows::drop_vain(&mut tx, user_id, leased.wanted, leased.is_vain()).await?;
    if let Some(mail_id) = leased.mail_id
        && rows::count(&mut tx, mail_id).await? == 0
    {
        leased = Leased { mail_id: None, mailed_at: None, unheard: 0, ..leased };
    }
    let mail_id = match leased.mail_id {
        Some(mail_id) => mail_id,
        None => {
            let mail_id = MailId::generate();
            if rows::gather(&mut tx, user_id, mail_id).await? == 0 {
                rest(&mut tx, user_id, lease_id).await?;
                tx.commit().await?;
                return Ok(Taken::Nothing);
            }
            mail_id
        }
    };
    let (unheard, tries) = (leased.unheard + 1, leased.tries);
    let dated = fix(&mut tx, user_id, mail_id, unheard, leased.now).await?;
    let mail = Mail {
        address: rows::address(&mut tx, mail_id).await?,
        told: rows::list(&mut tx, mail_id).await?,
        total: rows::count(&mut tx, mail_id).await?,
        user_id,
        mail_id,
        dated,
        lease_id,
        unheard,
        tries,
    };
    tx.commit().await?;
    Ok(Taken::Mail(Box::new(mail)))
}

/// Writes how the try ended, gives the lease back, and has the user's mailing woken again if there is more to do.
///
/// # Errors
/// Whatever the database says; then the mail is sent again, under the same id, when the lease has expired.
pub async fn conclude(pool: &PgPool, mail: &Mail, end: End) -> Result<Ended, sqlx::Error> {
    let becomes = end.rows(mail.unheard);
    let unheard = if end == End::Refused { mail.unheard - 1 } else { mail.unheard };
    let tries = if matches!(becomes, Rows::Sent | Rows::GivenUp) { 0 } else { mail.tries.saturating_add(1) };
    let mut tx = db::begin_for(pool, mail.user_id).await?;
    // Before the rows, because it locks the mailing: what is noted from now on sees how this ended.
    let held = sqlx::query!(
        r#"
        update gateway.mailing
        set lease_id = null, leased_until = null, tries = $3,
            mail_id = case when $4 then mail_id end, mailed_at = case when $4 then mailed_at end,
            unheard = case when $4 then $5::smallint else 0 end
        where user_id = $1 and lease_id = $2
        "#,
        mail.user_id as UserId,
        mail.lease_id as LeaseId,
        tries,
        becomes == Rows::Kept,
        unheard,
    )
    .execute(&mut *tx)
    .await?;
    if held.rows_affected() == 0 {
        return Ok(Ended::LeaseLost);
    }
    if let Some(state) = becomes.state() {
        rows::end(&mut tx, mail.mail_id, state).await?;
    }
    wake(&mut tx, mail.user_id, tries).await?;
    tx.commit().await?;
    Ok(Ended::Written)
}

async fn lease(tx: &mut PgConnection, user_id: UserId, lease_id: LeaseId) -> Result<Option<Leased>, sqlx::Error> {
    sqlx::query_as!(
        Leased,
        r#"
        update gateway.mailing
        set lease_id = $2, leased_until = gateway.now() + make_interval(secs => $3)
        where user_id = $1 and wake_at <= gateway.now() and (leased_until is null or leased_until <= gateway.now())
        returning mail_id as "mail_id: MailId", mailed_at, unheard, tries, gateway.now() as "now!",
            coalesce((select email_notifications from public.user_settings where user_id = $1), true) as "wanted!"
        "#,
        user_id as UserId,
        lease_id as LeaseId,
        LEASE.as_secs_f64(),
    )
    .fetch_optional(tx)
    .await
}

/// Nothing waits: the next row that is noted wakes the user's mailing.
async fn rest(tx: &mut PgConnection, user_id: UserId, lease_id: LeaseId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        update gateway.mailing
        set wake_at = null, job_id = null, lease_id = null, leased_until = null,
            mail_id = null, mailed_at = null, unheard = 0, tries = 0
        where user_id = $1 and lease_id = $2
        "#,
        user_id as UserId,
        lease_id as LeaseId,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Counts the try before it is made, so that one whose worker dies counts as well. A mail keeps its first date.
async fn fix(
    tx: &mut PgConnection,
    user_id: UserId,
    mail_id: MailId,
    unheard: i16,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        update gateway.mailing
        set mail_id = $2, unheard = $3, mailed_at = case when mail_id = $2 then mailed_at else $4 end
        where user_id = $1
        returning mailed_at as "mailed_at!"
        "#,
        user_id as UserId,
        mail_id as MailId,
        unheard,
        now,
    )
    .fetch_one(tx)
    .await
}

/// Has the mailing woken after the backoff, or, if this try ended well, when what was noted meanwhile has gathered.
async fn wake(tx: &mut PgConnection, user_id: UserId, tries: i16) -> Result<(), sqlx::Error> {
    let delay = if tries > 0 { retry_after(tries) } else { GATHER };
    let job_id = jobs::new_job_id();
    let wakes = sqlx::query_scalar!(
        r#"
        with next as (
            select mail_id is not null
                   or exists (select from gateway.notification where user_id = $1 and state = 'waiting') as is_due
            from gateway.mailing where user_id = $1
        )
        update gateway.mailing
        set wake_at = case when is_due then gateway.now() + make_interval(secs => $2) end,
            job_id = case when is_due then $3 end
        from next
        where user_id = $1
        returning is_due as "is_due!"
        "#,
        user_id as UserId,
        delay.as_secs_f64(),
        job_id,
    )
    .fetch_one(&mut *tx)
    .await?;
    if wakes {
        let delay = TimeDelta::from_std(delay).expect("a backoff is at most minutes");
        jobs::enqueue(tx, &job_id, Queue::Notify, Job::User(user_id), delay).await?;
    }
    Ok(())
}
