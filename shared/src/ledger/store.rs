//! SQL: entries and balances.

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::entry::EntryKind;
use crate::credits::Credits;
use crate::ids::{GenerationId, UserId};

/// Gives `amount` back for a generation, at most once however often it is called. Nothing for zero.
///
/// Entry and balance change in one statement; a second refund meets the entry's key and does neither.
///
/// # Errors
/// Whatever the database says; then nothing is written.
pub async fn refund(
    connection: &mut PgConnection,
    user_id: UserId,
    generation_id: GenerationId,
    amount: Credits,
) -> Result<(), sqlx::Error> {
    if amount.is_zero() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        with entry as (
            insert into public.credit_transactions
                (user_id, amount, transaction_type, generation_id, description, entry_key, created_at)
            values ($1, $2, 'refund', $3, 'Refund of what was not delivered', 'refund:' || $3::uuid, gateway.now())
            on conflict (entry_key) do nothing
            returning user_id, amount
        )
        update public.credits
        set balance = balance + entry.amount, updated_at = now()
        from entry
        where credits.user_id = entry.user_id
        "#,
        user_id as UserId,
        amount as Credits,
        generation_id as GenerationId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An entry to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewEntry<'a> {
    pub user_id: UserId,
    /// Positive adds, negative spends; never zero.
    pub amount: Credits,
    pub kind: EntryKind,
    /// What it is for, in plain words.
    pub description: &'a str,
    /// Makes it happen once.
    pub entry_key: &'a str,
}

/// Writes an entry and changes the balance by it, at most once for each key; returns whether it did now.
///
/// Entries of one transaction have one time; their ids, made here, keep them in their order. Somebody without a
/// balance gets one: who signed up before this backend may have none.
///
/// # Errors
/// Whatever the database says, above all that the balance would be negative; then nothing is written.
pub async fn add(connection: &mut PgConnection, entry: &NewEntry<'_>) -> Result<bool, sqlx::Error> {
    let added = sqlx::query!(
        r#"
        with entry as (
            insert into public.credit_transactions
                (id, user_id, amount, transaction_type, description, entry_key, created_at)
            values ($6, $1, $2, $3, $4, $5, gateway.now())
            on conflict (entry_key) do nothing
            returning user_id, amount
        ), opened as (
            insert into public.credits (user_id)
            select user_id from entry
            on conflict (user_id) do nothing
        )
        select exists (select from entry) as "added!"
        "#,
        entry.user_id as UserId,
        entry.amount as Credits,
        entry.kind.as_str(),
        entry.description,
        entry.entry_key,
        Uuid::now_v7(),
    )
    .fetch_one(&mut *connection)
    .await?
    .added;
    if added {
        sqlx::query!(
            "update public.credits set balance = balance + $2, updated_at = now() where user_id = $1",
            entry.user_id as UserId,
            entry.amount as Credits,
        )
        .execute(connection)
        .await?;
    }
    Ok(added)
}

/// The user's balance; a user without a row has none.
///
/// # Errors
/// Whatever the database says.
pub async fn balance(pool: &PgPool, user_id: UserId) -> Result<Credits, sqlx::Error> {
    let balance = sqlx::query_scalar!(
        r#"select balance as "balance!: Credits" from public.credits where user_id = $1"#,
        user_id as UserId,
    )
    .fetch_optional(pool)
    .await?;
    Ok(balance.unwrap_or_default())
}
