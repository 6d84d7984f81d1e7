//! SQL: the invoices that users see.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::ids::UserId;

/// Invoices on one page at most.
const PAGE_MAX: i64 = 100;

/// An invoice of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    pub invoice_id: Uuid,
    pub invoice_number: String,
    pub plan_name: String,
    pub amount_cents: i64,
    /// `paid`, `pending` or `failed`.
    pub status: String,
    pub date: DateTime<Utc>,
}

/// A user's invoices, the newest first, after the given (`date`, `id`).
///
/// # Errors
/// Whatever the database says.
pub async fn list_invoices(
    pool: &PgPool,
    user_id: UserId,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Invoice>, sqlx::Error> {
    sqlx::query_as!(
        Invoice,
        r#"
        select id as invoice_id, left(invoice_number, 100) as "invoice_number!",
               left(plan_name, 200) as "plan_name!",
               -- Not a number counts as greater than any number.
               case when abs(amount) < 1e15 then round(amount * 100)::bigint else 0 end as "amount_cents!",
               left(status, 100) as "status!",
               least(greatest(coalesce(date, 'epoch'), '0001-01-01'), '9999-12-31') as "date!"
        from public.invoices
        where user_id = $1 and ($2::timestamptz is null or (coalesce(date, 'epoch'), id) < ($2, $3::uuid))
        order by coalesce(date, 'epoch') desc, id desc limit $4
        "#,
        user_id as UserId,
        after.map(|(date, _)| date),
        after.map(|(_, id)| id),
        limit.clamp(1, PAGE_MAX),
    )
    .fetch_all(pool)
    .await
}
