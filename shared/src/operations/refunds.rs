//! SQL: why credits came back to a user.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::ids::{GenerationId, UserId};

/// Refunds listed at most.
const REFUNDS_MAX: i64 = 1_000;

/// Credits that came back, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refund {
    pub at: DateTime<Utc>,
    pub generation_id: Option<GenerationId>,
    pub credits: i32,
    pub price: Option<i32>,
    pub outputs_asked: Option<i16>,
    pub outputs_delivered: Option<i16>,
    /// Why the generation failed, if it did.
    pub error_code: Option<String>,
    /// What the user was told.
    pub error_message: Option<String>,
}

/// The refunds of a user, the newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list_refunds(pool: &PgPool, user_id: UserId) -> Result<Vec<Refund>, sqlx::Error> {
    sqlx::query_as!(
        Refund,
        r#"
        select least(greatest(coalesce(entry.created_at, 'epoch'), '0001-01-01'), '9999-12-31') as "at!",
               entry.generation_id as "generation_id: GenerationId",
               entry.amount as credits, run.price as "price?", run.outputs_asked as "outputs_asked?",
               run.outputs_delivered, run.error_code, left(generations.error_message, 2000) as error_message
        from public.credit_transactions as entry
             left join gateway.run using (generation_id)
             left join public.generations on generations.id = entry.generation_id
        where entry.user_id = $1 and entry.transaction_type = 'refund'
        order by entry.created_at desc, entry.id desc
        limit $2
        "#,
        user_id as UserId,
        REFUNDS_MAX,
    )
    .fetch_all(pool)
    .await
}
