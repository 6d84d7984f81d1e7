//! What only the database tells: one user's ledger as text, and how a run was made. SQL.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

/// Entries shown at most.
const ENTRIES_MAX: i64 = 100;

/// The entries of `user_id`, oldest first, with the balance after each.
///
/// # Errors
/// Whatever the database says.
pub async fn ledger(pool: &PgPool, user_id: Uuid) -> Result<String, sqlx::Error> {
    type Entry = (DateTime<Utc>, String, i32, i64, Option<String>);
    let entries: Vec<Entry> = sqlx::query_as(
        "select created_at, transaction_type, amount, sum(amount) over (order by created_at, amount desc), description
         from public.credit_transactions where user_id = $1 order by created_at, amount desc limit $2",
    )
    .bind(user_id)
    .bind(ENTRIES_MAX)
    .fetch_all(pool)
    .await?;
    let mut table = format!("  {:<10}  {:<12} {:>7} {:>8}  {}\n", "time", "entry", "credits", "balance", "for");
    for (at, kind, amount, balance, description) in entries {
        let (at, text) = (at.format("%H:%M:%S"), description.unwrap_or_default());
        let _ = writeln!(table, "  {at:<10}  {kind:<12} {amount:>+7} {balance:>8}  {text}");
    }
    Ok(table)
}

/// What the endpoint spoke that ran the generation.
///
/// # Errors
/// Whatever the database says.
pub async fn dialect(pool: &PgPool, generation_id: Uuid) -> Result<String, sqlx::Error> {
    let found = sqlx::query_scalar("select dialect from gateway.run where generation_id = $1");
    found.bind(generation_id).fetch_one(pool).await
}
