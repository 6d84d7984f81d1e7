//! SQL: payments that an operator must decide on, because they differ from what was agreed or cannot be compared with
//! it. Each is an anomaly from the start, until it is applied after all or an operator deletes its row.

use sqlx::{PgConnection, PgPool};

use super::purchase::Purchase;
use super::stripe::{Invoice, PaidBy};
use crate::ids::UserId;
use crate::ledger::{AnomalyKind, open_at_once};

/// Why a payment is left to an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Less or more was paid than was agreed: a discount, a credit note, another price.
    Amount,
    /// It was paid in another currency than was agreed.
    Currency,
    /// It bills something other than a period of the plan.
    Billing,
    /// It was paid by several payments, each of which may be refunded.
    SeveralPayments,
    /// It is paid, but names no payment that could be refunded.
    NoPayment,
    /// A second subscription refers to the same purchase as the first.
    SecondSubscription,
    /// A dispute cannot be compared with the charge it is about.
    Dispute,
}

impl Reason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Amount => "another amount",
            Self::Currency => "another currency",
            Self::Billing => "billed besides the plan",
            Self::SeveralPayments => "several payments",
            Self::NoPayment => "paid without a payment",
            Self::SecondSubscription => "second subscription of a purchase",
            Self::Dispute => "dispute in another currency",
        }
    }
}

/// Whether a paid invoice is for one period of the plan, at the agreed price, by whatever means it was paid (the
/// customer's balance included). Anything else that an operator bills brings no credits.
pub(super) fn agrees(invoice: &Invoice, purchase: &Purchase) -> Result<(), Reason> {
    if !matches!(invoice.billing_reason.as_deref(), Some("subscription_create" | "subscription_cycle")) {
        return Err(Reason::Billing);
    }
    if invoice.currency != purchase.currency {
        return Err(Reason::Currency);
    }
    if invoice.settled_cents() != i64::from(purchase.amount_cents) {
        return Err(Reason::Amount);
    }
    if matches!(invoice.paid_by(), PaidBy::Several) { Err(Reason::SeveralPayments) } else { Ok(()) }
}

/// Leaves an object at Stripe to an operator: `paid_cents`, or another of its statements, differs from what `purchase`
/// agreed on.
pub(super) async fn note(
    pool: &PgPool,
    (object_id, reason): (&str, Reason),
    (user_id, paid_cents, agreed_cents): (UserId, i64, i64),
) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        r#"
        insert into gateway.undecided_payment (object_id, user_id, reason, paid_cents, agreed_cents)
        values ($1, $2, $3, $4, $5)
        on conflict (object_id) do update
        set reason = excluded.reason, paid_cents = excluded.paid_cents, agreed_cents = excluded.agreed_cents
        "#,
        object_id,
        user_id as UserId,
        reason.as_str(),
        paid_cents,
        agreed_cents,
    )
    .execute(&mut *tx)
    .await?;
    let detail = format!("{}: {object_id}", reason.as_str());
    let about = (AnomalyKind::UndecidedPayment, user_id.0);
    open_at_once(&mut tx, about, (paid_cents, agreed_cents), &detail).await?;
    tx.commit().await
}

/// The same for an object of a purchase, with the amount paid.
pub(super) async fn note_paid(
    pool: &PgPool,
    purchase: &Purchase,
    (object_id, reason): (&str, Reason),
    paid_cents: i64,
) -> Result<(), sqlx::Error> {
    note(pool, (object_id, reason), (purchase.user_id, paid_cents, purchase.amount_cents.into())).await
}

/// Deletes an object's row, because the caller's transaction applies the object after all.
pub(super) async fn clear(connection: &mut PgConnection, object_id: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from gateway.undecided_payment where object_id = $1", object_id).execute(connection).await?;
    Ok(())
}
