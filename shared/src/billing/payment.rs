//! SQL: money that came, the credits it brought, and those it took back when it went. Every function but the first is
//! part of the caller's transaction, which has claimed the payment ([`super::object`]).

use sqlx::{PgConnection, PgPool};

use super::purchase::Purchase;
use super::rules;
use super::stripe::Payment;
use crate::credits::Credits;
use crate::ids::UserId;
use crate::ledger::{self, NewEntry, debt};

/// Whether this payment is one of ours.
pub(super) async fn is_known(pool: &PgPool, payment_id: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"select exists (select from gateway.payment where payment_id = $1) as "known!""#, payment_id)
        .fetch_one(pool)
        .await
}

/// Notes what was paid for a purchase, once.
pub(super) async fn insert(
    connection: &mut PgConnection,
    purchase: &Purchase,
    payment: &Payment,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        insert into gateway.payment (payment_id, user_id, purchase_id, name, amount_cents, paid_at)
        values ($1, $2, $3, $4, $5, gateway.now())
        on conflict (payment_id) do nothing
        "#,
        payment.id,
        purchase.user_id as UserId,
        purchase.purchase_id,
        purchase.name,
        i32::try_from(payment.amount_cents.max(0)).unwrap_or(i32::MAX),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds what a payment brings, once for each key, and has it repay what is owed; returns whether it was added now.
pub(super) async fn credit(
    connection: &mut PgConnection,
    payment_id: &str,
    entry: &NewEntry<'_>,
) -> Result<bool, sqlx::Error> {
    if !ledger::add(connection, entry).await? {
        return Ok(false);
    }
    sqlx::query!(
        "update gateway.payment set credits_granted = credits_granted + $2 where payment_id = $1",
        payment_id,
        entry.amount as Credits,
    )
    .execute(&mut *connection)
    .await?;
    debt::repay(connection, entry.user_id).await?;
    Ok(true)
}

/// Takes back, or gives back, what `reversed_cents` of the payment mean for what it brought so far.
pub(super) async fn reverse(
    connection: &mut PgConnection,
    payment_id: &str,
    reversed_cents: i64,
) -> Result<Credits, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        select user_id as "user_id: UserId", name, amount_cents, credits_granted as "credits_granted: Credits",
               credits_reversed, reversals
        from gateway.payment where payment_id = $1 for update
        "#,
        payment_id,
    )
    .fetch_one(&mut *connection)
    .await?;
    let reversed_cents = i32::try_from(reversed_cents.clamp(0, row.amount_cents.into())).expect("within the amount");
    let target = rules::credits_reversed(row.credits_granted, row.amount_cents, reversed_cents);
    let more = Credits::new(target.get() - row.credits_reversed);
    let number = row.reversals + i32::from(!more.is_zero());
    let entry_key = format!("reversal:{payment_id}:{number}");
    if more > Credits::ZERO {
        let what = format!("Taken back, because the payment of {} was refunded or disputed", row.name);
        debt::take_back(connection, row.user_id, more, (&what, &entry_key)).await?;
    } else if more < Credits::ZERO {
        let what = format!("Given back, because the payment of {} stands after all", row.name);
        debt::give_back(connection, row.user_id, Credits::new(-more.get()), (&what, &entry_key)).await?;
    }
    sqlx::query!(
        r#"
        update gateway.payment set amount_reversed_cents = $2, credits_reversed = $3, reversals = $4
        where payment_id = $1
        "#,
        payment_id,
        reversed_cents,
        target as Credits,
        number,
    )
    .execute(connection)
    .await?;
    Ok(more)
}
