//! SQL: a plan's credits, month by month of what was paid for. What one payment covers is planned when it comes; each
//! month becomes an entry on its day, unless the money that was kept pays for no more than was granted before
//! ([`super::rules::credits_paid`]).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::payment::{self, Reversal};
use super::rules::month_due;
use crate::credits::Credits;
use crate::db;
use crate::ids::UserId;
use crate::ledger::{EntryKind, NewEntry};

/// How long a grant that failed waits.
const PUT_OFF: Duration = Duration::from_hours(1);

/// A period that was paid for.
#[derive(Debug, Clone, Copy)]
pub(super) struct PaidPeriod<'a> {
    pub(super) invoice_id: Uuid,
    /// The provider's id of the invoice: what entries are named by.
    pub(super) provider_id: &'a str,
    pub(super) payment_id: &'a str,
    pub(super) credits: Credits,
    pub(super) months: i16,
    pub(super) start: DateTime<Utc>,
}

/// Plans the months of a period, once, in the caller's transaction.
pub(super) async fn plan(connection: &mut PgConnection, paid: &PaidPeriod<'_>) -> Result<(), sqlx::Error> {
    let months = u8::try_from(paid.months.clamp(1, 12)).expect("between 1 and 12");
    for month in 0..months {
        let entry_key = match month {
            0 => format!("subscription:{}", paid.provider_id),
            _ => format!("subscription:{}:{month}", paid.provider_id),
        };
        // Beyond the calendar nothing is due.
        let Some(due_at) = month_due(paid.start, month) else { break };
        sqlx::query!(
            r#"
            insert into gateway.plan_grant (invoice_id, month, payment_id, entry_key, credits, due_at)
            values ($1, $2, $3, $4, $5, $6)
            on conflict (invoice_id, month) do nothing
            "#,
            paid.invoice_id,
            i16::from(month),
            paid.payment_id,
            entry_key,
            paid.credits as Credits,
            due_at,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Grants at most `limit` months that are due, each in a transaction of its own; returns how many. One that fails is
/// put off, so that it keeps no other waiting.
///
/// # Errors
/// Whatever the database says of all; what was granted before stays.
pub async fn grant_due(pool: &PgPool, limit: i64) -> Result<usize, sqlx::Error> {
    let due = sqlx::query!(
        r#"
        select plan_grant.invoice_id, plan_grant.month, payment.user_id as "user_id: UserId"
        from gateway.plan_grant join gateway.payment using (payment_id)
        where granted_at is null and due_at <= gateway.now()
          and credits_granted < credits_paid
        order by due_at, month
        limit $1
        "#,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let mut granted = 0;
    for month in due {
        match grant(pool, month.user_id, (month.invoice_id, month.month)).await {
            Ok(done) => granted += usize::from(done),
            Err(error) => {
                tracing::error!(
                    invoice_id = %month.invoice_id,
                    month = month.month,
                    error = &error as &dyn std::error::Error,
                    "a plan's credits were not granted"
                );
                put_off(pool, month.invoice_id, month.month).await?;
            }
        }
    }
    Ok(granted)
}

async fn put_off(pool: &PgPool, invoice_id: Uuid, month: i16) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        update gateway.plan_grant set due_at = gateway.now() + make_interval(secs => $3)
        where invoice_id = $1 and month = $2 and granted_at is null
        "#,
        invoice_id,
        month,
        PUT_OFF.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Grants one month; `false` if another worker does or did, or if the month is not paid for. If the money that we kept
/// pays for only a part of the month, the rest is taken back at once.
async fn grant(pool: &PgPool, user_id: UserId, (invoice_id, month): (Uuid, i16)) -> Result<bool, sqlx::Error> {
    let mut tx = db::begin_for(pool, user_id).await?;
    let due = sqlx::query!(
        r#"
        select due.payment_id, due.entry_key, due.credits as "credits: Credits",
               payment.name,
               (select count(*) from gateway.plan_grant where plan_grant.invoice_id = due.invoice_id) as "months!"
        from gateway.plan_grant as due join gateway.payment using (payment_id)
        where due.invoice_id = $1 and due.month = $2 and due.granted_at is null
          and payment.credits_granted < payment.credits_paid
        for update skip locked
        "#,
        invoice_id,
        month,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(due) = due else { return Ok(false) };
    let description = match due.months {
        1 => format!("{}, this month's credits", due.name),
        months => format!("{}, month {} of {months}", due.name, month + 1),
    };
    let entry = NewEntry {
        user_id,
        amount: due.credits,
        kind: EntryKind::Subscription,
        description: &description,
        entry_key: &due.entry_key,
    };
    payment::credit(&mut tx, &due.payment_id, &entry).await?;
    payment::reverse(&mut tx, &due.payment_id, Reversal::Known).await?;
    sqlx::query!(
        "update gateway.plan_grant set granted_at = gateway.now() where invoice_id = $1 and month = $2",
        invoice_id,
        month,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    tracing::info!(payment_id = due.payment_id, month, "a plan's credits were granted");
    Ok(true)
}
