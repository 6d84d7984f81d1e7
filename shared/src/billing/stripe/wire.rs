//! Stripe's JSON and forms: the objects that selling credits reads, and of each only what is used. Fields that Stripe
//! adds are ignored.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::metadata::{self, Metadata};
use crate::billing::purchase::Item;
use crate::ids::UserId;

/// A checkout to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// Names it on both sides, and makes its creation happen once.
    pub purchase_id: Uuid,
    /// From which the purchase can be made again, should its row be lost.
    pub user_id: UserId,
    /// The pack or plan.
    pub item: &'a Item,
    /// What the customer reads.
    pub name: &'a str,
    pub amount_cents: i32,
    pub currency: &'a str,
    /// `month` or `year`, of a plan.
    pub interval: Option<&'a str>,
    /// The user's customer id, if they bought before.
    pub customer_id: Option<&'a str>,
    pub expires_at: DateTime<Utc>,
    pub success_url: &'a str,
    pub cancel_url: &'a str,
}

/// A checkout.
#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    pub id: String,
    /// `open`, `complete` or `expired`.
    pub status: String,
    /// `paid`, `unpaid` or `no_payment_required`.
    pub payment_status: String,
    /// Where the customer pays, while it is open.
    pub url: Option<String>,
    pub payment_intent: Option<String>,
    pub customer: Option<String>,
    /// The subscription that it became, if it was for a plan and was paid.
    pub subscription: Option<String>,
    pub amount_total: Option<i64>,
    pub currency: Option<String>,
    #[serde(default)]
    pub metadata: Metadata,
}

/// A subscription.
#[derive(Debug, Clone, Deserialize)]
pub struct Subscription {
    pub id: String,
    pub status: String,
    pub cancel_at_period_end: bool,
    pub customer: String,
    #[serde(default)]
    pub metadata: Metadata,
    items: List<Period>,
    cancellation_details: Option<CancellationDetails>,
}

#[derive(Debug, Clone, Deserialize)]
struct CancellationDetails {
    reason: Option<String>,
}

/// What one payment of a plan covers.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Period {
    #[serde(alias = "current_period_start", with = "chrono::serde::ts_seconds")]
    pub start: DateTime<Utc>,
    #[serde(alias = "current_period_end", with = "chrono::serde::ts_seconds")]
    pub end: DateTime<Utc>,
}

impl Subscription {
    /// What the last payment covers.
    #[must_use]
    pub fn period(&self) -> Option<Period> {
        self.items.data.first().copied()
    }

    /// Why it ended, if Stripe says so.
    #[must_use]
    pub fn ended_for(&self) -> Option<&str> {
        self.cancellation_details.as_ref()?.reason.as_deref()
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
}

/// An invoice.
#[derive(Debug, Clone, Deserialize)]
pub struct Invoice {
    pub id: String,
    pub number: Option<String>,
    pub status: String,
    pub total: i64,
    /// Paid by payments, and outside Stripe.
    amount_paid: i64,
    /// The customer's balance before and after it was applied; below zero, the customer has credit. `None` before that.
    #[serde(default)]
    starting_balance: i64,
    ending_balance: Option<i64>,
    pub currency: String,
    /// `subscription_create`, `subscription_cycle`, or why else it was made.
    pub billing_reason: Option<String>,
    pub attempted: bool,
    #[serde(with = "chrono::serde::ts_seconds")]
    pub created: DateTime<Utc>,
    parent: Option<Parent>,
    lines: List<Line>,
    payments: Option<List<InvoicePayment>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Parent {
    subscription_details: Option<SubscriptionDetails>,
}

#[derive(Debug, Clone, Deserialize)]
struct SubscriptionDetails {
    subscription: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Line {
    period: Period,
}

#[derive(Debug, Clone, Deserialize)]
struct InvoicePayment {
    status: String,
    amount_paid: Option<i64>,
    payment: PaymentOf,
}

/// How an invoice was paid, besides what the customer's balance covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaidBy<'a> {
    /// All of it from the balance, or outside Stripe.
    None,
    /// By one payment, which covers this many cents of it.
    One { payment_id: &'a str, charged_cents: i32 },
    /// By several payments, or by one that is not a payment intent.
    Several,
}

#[derive(Debug, Clone, Deserialize)]
struct PaymentOf {
    #[serde(rename = "type", default)]
    kind: String,
    payment_intent: Option<String>,
}

impl Invoice {
    /// The subscription it is of; other invoices are not ours.
    #[must_use]
    pub fn subscription(&self) -> Option<&str> {
        Some(&self.parent.as_ref()?.subscription_details.as_ref()?.subscription)
    }

    /// The period that it pays for: its own dates are about the one before.
    #[must_use]
    pub fn period(&self) -> Option<Period> {
        self.lines.data.first().map(|line| line.period)
    }

    /// The amount paid: by payments, outside Stripe, and from the customer's balance.
    #[must_use]
    pub fn settled_cents(&self) -> i64 {
        let from_balance = self.ending_balance.unwrap_or(self.starting_balance).saturating_sub(self.starting_balance);
        self.amount_paid.saturating_add(from_balance)
    }

    /// How it was paid.
    #[must_use]
    pub fn paid_by(&self) -> PaidBy<'_> {
        let all = self.payments.iter().flat_map(|payments| &payments.data);
        // Payments that were only recorded at Stripe have their own type: they can be neither refunded nor disputed
        // there.
        let mut paid = all.filter(|payment| payment.status == "paid" && payment.payment.kind != "payment_record");
        match (paid.next(), paid.next()) {
            (None, _) => PaidBy::None,
            (Some(InvoicePayment { payment, amount_paid, .. }), None) => match &payment.payment_intent {
                Some(payment_id) => {
                    // The payment may also have covered an earlier debt of the customer.
                    let cents = amount_paid.unwrap_or(self.amount_paid).min(self.settled_cents()).max(0);
                    PaidBy::One { payment_id, charged_cents: i32::try_from(cents).unwrap_or(i32::MAX) }
                }
                None => PaidBy::Several,
            },
            (Some(_), Some(_)) => PaidBy::Several,
        }
    }
}

/// Something that happened at Stripe.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub data: EventData,
}

/// What it happened to.
#[derive(Debug, Clone, Deserialize)]
pub struct EventData {
    pub object: EventObject,
}

/// Of an event's object only what names it is read: the rest may be old when it arrives.
#[derive(Debug, Clone, Deserialize)]
pub struct EventObject {
    pub id: Option<String>,
    pub payment_intent: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct EventPage {
    pub(super) data: Vec<Event>,
    pub(super) has_more: bool,
}

/// The form that makes a checkout, in one order: Stripe compares a repeat with the first.
pub(super) fn session_form(new: &NewSession<'_>) -> Vec<(&'static str, String)> {
    let purchase_id = new.purchase_id.to_string();
    let mut form = vec![
        ("client_reference_id", purchase_id.clone()),
        ("expires_at", new.expires_at.timestamp().to_string()),
        ("success_url", new.success_url.to_owned()),
        ("cancel_url", new.cancel_url.to_owned()),
        // Otherwise the account's setting may show the price, and allow disputes, in the payer's currency.
        ("adaptive_pricing[enabled]", "false".to_owned()),
        ("line_items[0][quantity]", "1".to_owned()),
        ("line_items[0][price_data][currency]", new.currency.to_owned()),
        ("line_items[0][price_data][unit_amount]", new.amount_cents.to_string()),
        ("line_items[0][price_data][product_data][name]", new.name.to_owned()),
    ];
    form.extend(metadata::fields(new).map(|([name, _], value)| (name, value)));
    match new.interval {
        Some(interval) => {
            form.push(("mode", "subscription".to_owned()));
            form.push(("line_items[0][price_data][recurring][interval]", interval.to_owned()));
            form.extend(metadata::fields(new).map(|([_, name], value)| (name, value)));
        }
        None => {
            form.push(("mode", "payment".to_owned()));
            form.push(("payment_intent_data[metadata][purchase_id]", purchase_id));
            if new.customer_id.is_none() {
                form.push(("customer_creation", "always".to_owned()));
            }
        }
    }
    if let Some(customer) = new.customer_id {
        form.push(("customer", customer.to_owned()));
    }
    form
}
