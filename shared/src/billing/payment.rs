//! SQL: money that came, the credits it brought, and those it took back when it went. Every function but the first is
//! part of the caller's transaction, which has claimed the payment ([`super::object`]).

use sqlx::{PgConnection, PgPool};

use super::purchase::Purchase;
use super::rules;
use super::stripe::Payment;
use crate::credits::Credits;
use crate::ids::UserId;
use crate::ledger::{self, NewEntry, debt};

/// A payment of the price of a pack, or of one period of a plan. How it was paid decides how it can be refunded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paid<'a> {
    /// Stripe's id of the payment, or of the invoice if it has no payment.
    pub(super) payment_id: &'a str,
    /// The part of the price that the payment covered; the rest came from the customer's balance, or outside Stripe.
    pub(super) charged_cents: i32,
}

/// Finds the user of a payment, if it is one of ours.
pub(super) async fn owner(pool: &PgPool, payment_id: &str) -> Result<Option<UserId>, sqlx::Error> {
    sqlx::query_scalar!(r#"select user_id as "user_id: UserId" from gateway.payment where payment_id = $1"#, payment_id)
        .fetch_optional(pool)
        .await
}

/// Notes what was paid for a purchase, once.
pub(super) async fn insert(
    connection: &mut PgConnection,
    purchase: &Purchase,
    paid: Paid<'_>,
) -> Result<(), sqlx::Error> {
    let credits_total = purchase.credits.get().saturating_mul(i32::from(purchase.months.max(1)));
    sqlx::query!(
        r#"
        insert into gateway.payment
            (payment_id, user_id, purchase_id, name, amount_cents, charged_cents, credits_total, credits_paid, paid_at)
        values ($1, $2, $3, $4, $5, $6, $7, $7, gateway.now())
        on conflict (payment_id) do nothing
        "#,
        paid.payment_id,
        purchase.user_id as UserId,
        purchase.purchase_id,
        purchase.name,
        purchase.amount_cents,
        paid.charged_cents,
        credits_total,
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

/// How much of a payment went back to the payer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reversal {
    /// As much as its row states.
    Known,
    /// `reversed` of the `charged` units of its charge, in the charge's currency.
    Of { charged: i64, reversed: i64 },
}

impl From<&Payment> for Reversal {
    fn from(payment: &Payment) -> Self {
        Self::Of { charged: payment.charged, reversed: payment.reversed }
    }
}

/// Takes back or returns credits, according to how much of the payment went back to the payer.
pub(super) async fn reverse(
    connection: &mut PgConnection,
    payment_id: &str,
    reversal: Reversal,
) -> Result<(), sqlx::Error> {
    let row = sqlx::query!(
        r#"
        select user_id as "user_id: UserId", name, amount_cents, charged_cents, amount_reversed_cents,
               credits_total as "credits_total: Credits", credits_granted as "credits_granted: Credits",
               credits_reversed, reversals
        from gateway.payment where payment_id = $1 for update
        "#,
        payment_id,
    )
    .fetch_one(&mut *connection)
    .await?;
    let reversed_cents = match reversal {
        Reversal::Known => row.amount_reversed_cents,
        Reversal::Of { charged, reversed } => rules::cents_reversed(row.charged_cents, charged, reversed),
    };
    let paid = rules::credits_paid(row.credits_total, row.amount_cents, reversed_cents);
    let target = rules::credits_reversed(row.credits_granted, paid);
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
        update gateway.payment
        set amount_reversed_cents = $2, credits_paid = $3, credits_reversed = $4, reversals = $5
        where payment_id = $1
        "#,
        payment_id,
        reversed_cents,
        paid as Credits,
        target as Credits,
        number,
    )
    .execute(connection)
    .await?;
    Ok(())
}
