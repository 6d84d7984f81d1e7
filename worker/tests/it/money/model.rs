//! The reference model: what each user must have, computed from what was done to her and from the provider's own books,
//! by other means than the product's.

use std::collections::BTreeMap;

use chrono::{DateTime, Months, Utc};
use devstack::shop::{PLAN_CREDITS, STARTER};
use serde_json::Value;
use simulators::payments::{Kind, PaymentsHandle};
use uuid::Uuid;

/// What a generation was asked for, and what it must come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Generation {
    pub(super) user: usize,
    pub(super) price: i64,
    pub(super) asked: i64,
    /// Outputs that the provider delivers; all of it fails where there are none.
    pub(super) delivers: i64,
    /// Whether it was asked to be cancelled, or its deadline may have passed: then either may have come first.
    pub(super) may_end_early: bool,
}

/// What is known to have been done.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) generations: BTreeMap<Uuid, Generation>,
    /// The user and the months of one payment, by the provider's session.
    pub(super) sessions: BTreeMap<String, (usize, i64)>,
}

impl Model {
    /// What the user has, or owes, when all has been followed up; `now` is everybody's time.
    pub(super) fn net(&self, user: usize, payments: &PaymentsHandle, now: DateTime<Utc>) -> i64 {
        let spent: i64 =
            self.generations.values().filter(|generation| generation.user == user).map(Generation::cost).sum();
        let mut net = super::acts::WELCOME - spent;
        for (session, (_, months)) in self.sessions.iter().filter(|(_, (buyer, _))| *buyer == user) {
            let session = payments.object(session).expect("sessions stay");
            if *months == 0 {
                if session["payment_status"] == "paid" {
                    let credits = STARTER.1.into();
                    net += kept(payments, &session["payment_intent"], (credits, credits), STARTER.2.into());
                }
                continue;
            }
            for invoice in payments.objects(Kind::Invoice) {
                if invoice["subscription"] == session["subscription"] && invoice["status"] == "paid" {
                    let (month, price) = (i64::from(PLAN_CREDITS), invoice["total"].as_i64().expect("a number"));
                    let due = due_months(&invoice, *months, now) * month;
                    net += kept(payments, &invoice["payment_intent"], (due, months * month), price);
                }
            }
        }
        net
    }
}

impl Generation {
    fn cost(&self) -> i64 {
        self.price * self.delivers / self.asked
    }
}

/// Months of a paid period that have begun.
fn due_months(invoice: &Value, months: i64, now: DateTime<Utc>) -> i64 {
    let start = invoice["lines"]["data"][0]["period"]["start"].as_i64().expect("lines have periods");
    let start = DateTime::from_timestamp(start, 0).expect("a date");
    let begun = |month: &i64| start + Months::new(u32::try_from(*month).expect("small")) <= now;
    i64::try_from((0..months).filter(begun).count()).expect("small")
}

/// Of the credits that are due, what the money pays for that did not go back. All of it buys `total`.
fn kept(payments: &PaymentsHandle, payment_id: &Value, (due, total): (i64, i64), price: i64) -> i64 {
    // Where nothing was charged, nothing goes back.
    let payment = payment_id.as_str().and_then(|id| payments.object(id));
    let Some(payment) = payment.filter(|payment| payment["status"] == "succeeded") else { return due };
    let charge = payments.object(payment["latest_charge"].as_str().expect("it was charged")).expect("charges stay");
    let held = payments
        .objects(Kind::Dispute)
        .into_iter()
        .filter(|dispute| dispute["payment_intent"] == payment["id"] && dispute["status"] != "won");
    // Our balance is kept in the currency of our prices, whatever the bank's dispute is told in.
    let held: i64 = held.map(|dispute| -dispute["balance_transactions"][0]["amount"].as_i64().expect("a number")).sum();
    let amount = payment["amount"].as_i64().expect("a number");
    let gone = (charge["amount_refunded"].as_i64().expect("a number") + held).min(amount);
    // Of the price it may have paid a part; it may also have paid what the customer owed from before.
    let gone = amount.min(price) * gone / amount;
    due.min(total - total * gone / price)
}
