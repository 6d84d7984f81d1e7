//! SQL: keeping a user while more than one row of theirs is locked (invariant 7).

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use crate::ids::UserId;

/// Keeps a user from being deleted until the transaction ends. A transaction that locks more than one row of a user does
/// this before any of them; of a user who is gone there is no row left to lock.
///
/// # Errors
/// Whatever the database says.
pub async fn keep_user(connection: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!("select gateway.keep_user($1)", user_id as UserId).fetch_one(connection).await?;
    Ok(())
}

/// Begins a transaction which keeps a user.
///
/// # Errors
/// Whatever the database says.
pub async fn begin_for(pool: &PgPool, user_id: UserId) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    keep_user(&mut tx, user_id).await?;
    Ok(tx)
}
