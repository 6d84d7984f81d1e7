//! SQL: credits that were taken back when they had been spent.
//!
//! A reversal takes at most the balance; the rest is a debt. While it is open nothing new is accepted, and whatever
//! comes repays it first, each time as an entry. Every function is part of the caller's transaction.

use sqlx::{PgConnection, PgPool};

use super::entry::EntryKind;
use super::store::{self, NewEntry};
use crate::credits::Credits;
use crate::ids::UserId;

/// Takes `credits` from the user: of the balance what there is, the rest as a debt. `entry_key` names the entry.
///
/// # Errors
/// Whatever the database says; then the caller's transaction is undone.
pub async fn take_back(
    connection: &mut PgConnection,
    user_id: UserId,
    credits: Credits,
    (description, entry_key): (&str, &str),
) -> Result<(), sqlx::Error> {
    let taken = lock_balance(connection, user_id).await?.min(credits);
    if taken > Credits::ZERO {
        let amount = Credits::new(-taken.get());
        let entry = NewEntry { user_id, amount, kind: EntryKind::Reversal, description, entry_key };
        store::add(connection, &entry).await?;
    }
    let owed = credits.get() - taken.get();
    if owed > 0 {
        sqlx::query!(
            r#"
            insert into gateway.debt as held (user_id, credits) values ($1, $2)
            on conflict (user_id) do update set credits = held.credits + excluded.credits
            "#,
            user_id as UserId,
            owed,
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Gives back what [`take_back`] took: first by forgiving the debt, the rest as an entry.
///
/// # Errors
/// Whatever the database says; then the caller's transaction is undone.
pub async fn give_back(
    connection: &mut PgConnection,
    user_id: UserId,
    credits: Credits,
    (description, entry_key): (&str, &str),
) -> Result<(), sqlx::Error> {
    lock_balance(connection, user_id).await?;
    let forgiven = sqlx::query_scalar!(
        r#"
        with held as (select user_id, least(credits, $2) as forgiven from gateway.debt where user_id = $1 for update)
        update gateway.debt set credits = credits - forgiven
        from held where debt.user_id = held.user_id
        returning forgiven as "forgiven!"
        "#,
        user_id as UserId,
        credits as Credits,
    )
    .fetch_optional(&mut *connection)
    .await?
    .unwrap_or(0);
    let amount = Credits::new(credits.get() - forgiven);
    if amount.is_zero() {
        return Ok(());
    }
    let entry = NewEntry { user_id, amount, kind: EntryKind::Reversal, description, entry_key };
    store::add(connection, &entry).await.map(drop)
}

/// Has the balance repay the debt, as far as both go; returns whether anything was repaid.
///
/// # Errors
/// Whatever the database says; then the caller's transaction is undone.
pub async fn repay(connection: &mut PgConnection, user_id: UserId) -> Result<bool, sqlx::Error> {
    let balance = lock_balance(connection, user_id).await?;
    let repaid = sqlx::query!(
        r#"
        with held as (
            select user_id, least(credits, $2) as repaid from gateway.debt
            where user_id = $1 and credits > 0 and $2 > 0
            for update
        )
        update gateway.debt set credits = credits - repaid, repayments = repayments + 1
        from held where debt.user_id = held.user_id
        returning repaid as "repaid!", repayments
        "#,
        user_id as UserId,
        balance as Credits,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = repaid else { return Ok(false) };
    let entry = NewEntry {
        user_id,
        amount: Credits::new(-row.repaid),
        kind: EntryKind::Reversal,
        description: "Repaid what was owed since its payment was taken back",
        entry_key: &format!("reversal:debt:{user_id}:{}", row.repayments),
    };
    store::add(connection, &entry).await
}

/// Users who owe and have a balance to repay with, at most `limit`: a refund may have come since.
///
/// # Errors
/// Whatever the database says.
pub async fn list_payable(pool: &PgPool, limit: i64) -> Result<Vec<UserId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select user_id as "user_id: UserId"
        from gateway.debt join public.credits using (user_id)
        where debt.credits > 0 and credits.balance > 0
        limit $1
        "#,
        limit,
    )
    .fetch_all(pool)
    .await
}

/// Locks the user's balance, as the first of the two: then no two of these functions wait for each other.
async fn lock_balance(connection: &mut PgConnection, user_id: UserId) -> Result<Credits, sqlx::Error> {
    let balance = sqlx::query_scalar!(
        r#"select balance as "balance!: Credits" from public.credits where user_id = $1 for update"#,
        user_id as UserId,
    )
    .fetch_optional(connection)
    .await?;
    Ok(balance.unwrap_or_default())
}
