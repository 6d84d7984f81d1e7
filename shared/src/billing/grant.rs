//! SQL: a plan's credits, month by month of what was paid for. What one payment covers is planned when it comes; each
//! month becomes an entry on its day, unless all the money has gone back.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::payment;
use super::rules::month_due;
use crate::credits::Credits;
use crate::ids::UserId;
use crate::ledger::{EntryKind, NewEntry};

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

/// Grants at most `limit` months that are due, each in a transaction of its own; returns how many.
///
/// # Errors
/// Whatever the database says; what was granted before stays.
pub async fn grant_due(pool: &PgPool, limit: i64) -> Result<usize, sqlx::Error> {
    let mut granted = 0;
    for _ in 0..limit {
        if !grant_next(pool).await? {
            break;
        }
        granted += 1;
    }
    Ok(granted)
}

async fn grant_next(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let due = sqlx::query!(
        r#"
        select due.invoice_id, due.month, due.payment_id, due.entry_key, due.credits as "credits: Credits",
               payment.user_id as "user_id: UserId", payment.name, payment.amount_reversed_cents,
               (select count(*) from gateway.plan_grant where plan_grant.invoice_id = due.invoice_id) as "months!"
        from gateway.plan_grant as due join gateway.payment using (payment_id)
        where due.granted_at is null and due.due_at <= gateway.now()
          and (payment.amount_reversed_cents < payment.amount_cents or payment.amount_cents = 0)
        order by due.due_at, due.month
        limit 1
        for update skip locked
        "#,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(due) = due else { return Ok(false) };
    let description = match due.months {
        1 => format!("{}, this month's credits", due.name),
        months => format!("{}, month {} of {months}", due.name, due.month + 1),
    };
    let entry = NewEntry {
        user_id: due.user_id,
        amount: due.credits,
        kind: EntryKind::Subscription,
        description: &description,
        entry_key: &due.entry_key,
    };
    payment::credit(&mut tx, &due.payment_id, &entry).await?;
    payment::reverse(&mut tx, &due.payment_id, due.amount_reversed_cents.into()).await?;
    sqlx::query!(
        "update gateway.plan_grant set granted_at = gateway.now() where invoice_id = $1 and month = $2",
        due.invoice_id,
        due.month,
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    tracing::info!(payment_id = due.payment_id, month = due.month, "a plan's credits were granted");
    Ok(true)
}
