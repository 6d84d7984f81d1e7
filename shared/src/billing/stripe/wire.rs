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
    /// Who she is, if she bought before.
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
    /// What it became, if it was of a plan and was paid.
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
    pub amount_paid: i64,
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
    payment: PaymentOf,
}

#[derive(Debug, Clone, Deserialize)]
struct PaymentOf {
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

    /// The payment that paid it.
    #[must_use]
    pub fn payment(&self) -> Option<&str> {
        let paid = self.payments.iter().flat_map(|payments| &payments.data).find(|payment| payment.status == "paid");
        paid?.payment.payment_intent.as_deref()
    }
}

/// A payment: what came, and what went back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub id: String,
    pub amount_cents: i64,
    /// Refunded, or held by the payer's bank in a dispute that is open or lost.
    pub reversed_cents: i64,
}

#[derive(Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) amount_received: i64,
    pub(super) latest_charge: Option<Charge>,
}

#[derive(Deserialize)]
pub(super) struct Charge {
    pub(super) amount_refunded: i64,
    pub(super) disputed: bool,
}

#[derive(Deserialize)]
pub(super) struct Dispute {
    pub(super) amount: i64,
    status: String,
}

impl Dispute {
    /// Whether the bank has the money: not in an inquiry, nor once it decided for us.
    pub(super) fn holds_money(&self) -> bool {
        matches!(self.status.as_str(), "needs_response" | "under_review" | "lost")
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
