//! Stripe's JSON of payments, their charges, and the disputes about them.
//!
//! A payer's bank may dispute in another currency than the charge's. The share of the charge that it holds is then
//! calculated in a currency in which Stripe states both amounts.

use serde::Deserialize;

/// A payment: the amounts paid and reversed, in the smallest units of the charge's currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub id: String,
    pub currency: String,
    pub charged: i64,
    /// Refunded, or held by the payer's bank in a dispute that is open or lost.
    pub reversed: i64,
    /// Whether all disputes could be compared with the charge; `reversed` leaves out those that could not.
    pub is_clear: bool,
}

#[derive(Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) amount_received: i64,
    pub(super) currency: String,
    pub(super) latest_charge: Option<Charge>,
}

#[derive(Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) amount_captured: i64,
    pub(super) currency: String,
    /// In the charge's own currency, as every refund is.
    pub(super) amount_refunded: i64,
    pub(super) disputed: bool,
    presentment_details: Option<Presentment>,
}

/// The amount and currency that the payer saw, if Stripe converted the price.
#[derive(Deserialize)]
struct Presentment {
    presentment_amount: i64,
    presentment_currency: String,
}

/// A charge with the amount that it added to our balance at Stripe.
#[derive(Deserialize)]
pub(super) struct SettledCharge {
    pub(super) balance_transaction: Option<Movement>,
}

/// A movement on our balance at Stripe, in the balance's currency.
#[derive(Deserialize)]
pub(super) struct Movement {
    amount: i64,
    currency: String,
}

#[derive(Deserialize)]
pub(super) struct Dispute {
    amount: i64,
    currency: String,
    status: String,
    #[serde(default)]
    balance_transactions: Vec<Movement>,
}

impl Dispute {
    /// Whether the bank holds the money: not during an inquiry, and not after it decided in our favour.
    pub(super) fn holds_money(&self) -> bool {
        matches!(self.status.as_str(), "needs_response" | "under_review" | "lost")
    }

    /// The part of the charge that it holds, in the charge's units, if both are stated in one currency: the charge's,
    /// or the one that the payer saw.
    pub(super) fn held_of(&self, charge: &Charge) -> Option<i64> {
        if self.currency == charge.currency {
            return Some(self.amount);
        }
        let seen = charge.presentment_details.as_ref().filter(|seen| seen.presentment_currency == self.currency)?;
        share(charge.amount_captured, self.amount, seen.presentment_amount)
    }

    /// The same, from the amounts that the charge added to our balance and the dispute took from it.
    pub(super) fn held_of_settled(&self, charge: &Charge, brought: &Movement) -> Option<i64> {
        if self.balance_transactions.is_empty()
            || self.balance_transactions.iter().any(|moved| moved.currency != brought.currency)
        {
            return None;
        }
        let taken: i64 = self.balance_transactions.iter().map(|moved| moved.amount.saturating_neg()).sum();
        share(charge.amount_captured, taken, brought.amount)
    }
}

/// ⌊whole × part ÷ of⌋, at most the whole.
fn share(whole: i64, part: i64, of: i64) -> Option<i64> {
    if of <= 0 {
        return None;
    }
    i64::try_from(i128::from(whole) * i128::from(part.clamp(0, of)) / i128::from(of)).ok()
}
