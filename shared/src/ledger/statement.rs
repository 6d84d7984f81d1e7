//! SQL: what users see of their credits. Every query is scoped by owner.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use super::entry::{Circumstances, EntryKind};
use crate::credits::Credits;
use crate::ids::{GenerationId, UserId};
use crate::telemetry::timed;

/// Entries on one page at most.
const PAGE_MAX: i64 = 100;

/// How a user's credits stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Credits that the user can spend.
    pub balance: Credits,
    /// Credits reserved by generations under way; they are off the balance already.
    pub reserved: Credits,
    /// Reserved since the month began (UTC), whatever came back of it.
    pub spent_this_month: Credits,
    /// Given back since the month began (UTC).
    pub refunded_this_month: Credits,
    /// Credits that the user owes since a payment was taken back. While they owe any, nothing new is accepted.
    pub debt: Credits,
}

/// One entry of a user's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: Uuid,
    /// Positive adds, negative spends.
    pub amount: Credits,
    /// Why credits moved.
    pub kind: EntryKind,
    /// The same in plain words.
    pub reason: String,
    /// The generation it pays for or gives back.
    pub generation_id: Option<GenerationId>,
    /// The purchase whose payment brought it or took it back.
    pub purchase_id: Option<Uuid>,
    /// The plan, if that is what was bought.
    pub plan_id: Option<Uuid>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// How the user's credits stand; a user without a row has none.
///
/// # Errors
/// Whatever the database says.
pub async fn standing(pool: &PgPool, user_id: UserId) -> Result<Standing, sqlx::Error> {
    let query = sqlx::query_as!(
        Standing,
        r#"
        select coalesce((select balance from public.credits where user_id = $1), 0) as "balance!: Credits",
               coalesce((select sum(price)::integer from gateway.run
                         where user_id = $1 and stage in ('queued', 'submitting', 'running', 'collecting')), 0)
                   as "reserved!: Credits",
               least(greatest(coalesce(-sum(amount) filter (where transaction_type = 'generation'), 0),
                              -2147483648), 2147483647)::integer
                   as "spent_this_month!: Credits",
               least(greatest(coalesce(sum(amount) filter (where transaction_type = 'refund'), 0),
                              -2147483648), 2147483647)::integer
                   as "refunded_this_month!: Credits",
               coalesce((select credits from gateway.debt where user_id = $1), 0) as "debt!: Credits"
        from public.credit_transactions
        where user_id = $1 and coalesce(created_at, 'epoch') >= date_trunc('month', gateway.now(), 'UTC')
        "#,
        user_id as UserId,
    );
    timed("read_credits", query.fetch_one(pool)).await
}

/// A page of a user's entries, newest first, after the given (`created_at`, `id`); at most [`PAGE_MAX`].
///
/// # Errors
/// Whatever the database says.
pub async fn list_entries(
    pool: &PgPool,
    user_id: UserId,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Entry>, sqlx::Error> {
    let query = sqlx::query!(
        r#"
        select entry.id, entry.amount as "amount: Credits", coalesce(entry.transaction_type, '') as "kind!",
               entry.generation_id as "generation_id: GenerationId", left(entry.description, 500) as description, entry_key,
               least(greatest(coalesce(entry.created_at, 'epoch'), '0001-01-01'), '9999-12-31') as "created_at!", run.stage as "stage?",
               run.outputs_asked as "outputs_asked?", run.outputs_delivered,
               purchase.purchase_id as "purchase_id?", purchase.plan_id
        from public.credit_transactions as entry left join gateway.run using (generation_id)
             left join gateway.plan_grant using (entry_key)
             -- Of a purchase and a reversal the key names the payment.
             left join gateway.payment on payment.payment_id = coalesce(plan_grant.payment_id,
                 case when transaction_type in ('purchase', 'reversal') then split_part(entry_key, ':', 2) end)
             left join gateway.purchase using (purchase_id)
        where entry.user_id = $1
          and ($2::timestamptz is null or (coalesce(entry.created_at, 'epoch'), entry.id) < ($2, $3::uuid))
        order by coalesce(entry.created_at, 'epoch') desc, entry.id desc
        limit $4
        "#,
        user_id as UserId,
        after.map(|(created_at, _)| created_at),
        after.map(|(_, id)| id),
        limit.clamp(1, PAGE_MAX),
    );
    let rows = timed("list_entries", query.fetch_all(pool)).await?;
    let entries = rows.into_iter().map(|row| {
        let kind = EntryKind::of_row(&row.kind, row.amount);
        let reason = kind.reason(Circumstances {
            description: row.description.as_deref(),
            entry_key: row.entry_key.as_deref(),
            stage: row.stage.as_deref(),
            outputs: row.outputs_asked.map(|asked| (row.outputs_delivered.unwrap_or(0), asked)),
        });
        let (id, amount, created_at) = (row.id, row.amount, row.created_at);
        let (generation_id, purchase_id, plan_id) = (row.generation_id, row.purchase_id, row.plan_id);
        Entry { id, amount, kind, reason, generation_id, purchase_id, plan_id, created_at }
    });
    Ok(entries.collect())
}
