//! What Stripe would keep and do: the objects, what is due and when, and the events that are to be sent.

mod charges;
mod customers;
mod disputes;
mod events;
mod invoices;
mod items;
mod listing;
mod renewals;
mod sessions;
mod subscriptions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};

pub(super) use self::events::Delivery;
pub use self::events::{DELIVERIES_MAX, DeliveryView, OUTBOX_MAX, PAUSE_MAX, RETRIED};
pub(super) use self::sessions::Ending;
use super::faults::{Decline, PaymentsEffect};
use super::idempotency::Keys;
use super::options::PaymentsOptions;
use super::shelf::{OBJECTS_MAX, Shelves};
use crate::fault::{Call, Operation, Script};

/// Things that are due at a time; what comes beyond is dropped and counted.
pub const AGENDA_MAX: usize = 100_000;

/// Things done in one step of the clock; the rest is done in the next.
const DONE_AT_ONCE_MAX: usize = 100_000;

/// What is to be done at its time.
pub(super) enum Due {
    SessionExpires(String),
    PeriodEnds(String),
    InvoiceIsPaid(String),
    Send(Delivery),
    Release,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests by operation, refused and failed ones too.
    pub requests: BTreeMap<Operation, u64>,
    /// Requests that got the answer of an earlier one with their idempotency key.
    pub replayed: u64,
    /// Sessions, customers and refunds that were made.
    pub sessions_made: u64,
    /// Customers that were made, by a request or at checkout.
    pub customers_made: u64,
    /// Refunds that were made.
    pub refunds_made: u64,
    /// Customers who left the checkout page.
    pub abandoned: u64,
    /// Charges that went well, renewals too.
    pub charged: u64,
    /// Charges that were declined.
    pub declined: u64,
    /// Periods that were begun after the first.
    pub renewed: u64,
    /// Events that were made, sent or not.
    pub events_made: u64,
    /// Webhook requests, repetitions and copies too.
    pub webhooks_sent: u64,
    /// Webhook requests that were answered with 2xx.
    pub webhooks_delivered: u64,
    /// Events that were given up after all repetitions.
    pub webhooks_given_up: u64,
    /// What was dropped because [`AGENDA_MAX`] things were due, or [`OUTBOX_MAX`] waited to be sent.
    pub dropped: u64,
}

/// Where events go.
pub(super) struct Endpoint {
    pub(super) url: Option<String>,
    /// The newest first; a second one only while they are being changed.
    pub(super) secrets: Vec<String>,
}

/// All that is kept of one seller.
pub(super) struct Engine {
    pub(super) shelves: Shelves,
    pub(super) script: Script<PaymentsEffect>,
    pub(super) counts: Counts,
    pub(super) keys: Keys,
    pub(super) endpoint: Endpoint,
    pub(super) outbox: VecDeque<Delivery>,
    pub(super) sending: bool,
    pub(super) deliveries: VecDeque<DeliveryView>,
    /// What sessions give on to the payment intent or the subscription that they make.
    inner_metadata: InnerMetadata,
    /// Adaptive Pricing as the seller's dashboard has it: a currency, and what a price comes to in it, in percent.
    pub(super) adaptive: Option<(String, i64)>,
    /// `{id, idempotency_key}` of the request that is being answered, for the events it makes.
    pub(super) cause: Value,
    options: Arc<PaymentsOptions>,
    base_url: String,
    now: DateTime<Utc>,
    agenda: BTreeMap<(DateTime<Utc>, u64), Due>,
    entries: u64,
    held: Vec<Delivery>,
}

impl Engine {
    pub(super) fn new(options: Arc<PaymentsOptions>, base_url: String, now: DateTime<Utc>) -> Self {
        Self {
            shelves: Shelves::default(),
            script: Script::new(options.seed),
            counts: Counts::default(),
            keys: Keys::default(),
            endpoint: Endpoint { url: options.webhook_url.clone(), secrets: vec![options.webhook_secret.clone()] },
            outbox: VecDeque::new(),
            sending: false,
            deliveries: VecDeque::new(),
            inner_metadata: InnerMetadata::default(),
            adaptive: None,
            cause: no_cause(),
            options,
            base_url,
            now,
            agenda: BTreeMap::new(),
            entries: 0,
            held: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Seconds since 1970.
    pub(super) fn unix(&self) -> i64 {
        self.now.timestamp()
    }

    /// Does all that is due, each at its own time, in order.
    pub(super) fn tick(&mut self, now: DateTime<Utc>) {
        for _ in 0..DONE_AT_ONCE_MAX {
            let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) else { break };
            let ((at, _), due) = entry.remove_entry();
            self.now = self.now.max(at);
            match due {
                Due::SessionExpires(id) => drop(self.expire_session(&id)),
                Due::PeriodEnds(id) => self.end_period(&id),
                Due::InvoiceIsPaid(id) => self.pay_invoice(&id),
                Due::Send(delivery) => self.queue(delivery),
                Due::Release => self.release(),
            }
        }
        self.now = self.now.max(now);
    }

    /// When something is due next.
    pub(super) fn due(&self) -> Option<DateTime<Utc>> {
        self.agenda.first_key_value().map(|((at, _), _)| *at)
    }

    fn plan(&mut self, at: DateTime<Utc>, due: Due) {
        if self.agenda.len() >= AGENDA_MAX {
            self.counts.dropped += 1;
            return;
        }
        self.entries += 1;
        self.agenda.insert((at, self.entries), due);
    }

    fn after(&self, pause: std::time::Duration) -> DateTime<Utc> {
        let pause = TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
        self.now.checked_add_signed(pause).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Whether the bank declines this attempt to take money.
    fn take_decline(&mut self, subject: &str) -> Option<Decline> {
        let call = Call { operation: Operation::Charge, subject, input: None };
        let taken = self.script.take(&call, |effect| matches!(effect, PaymentsEffect::Decline(_)));
        taken.into_iter().find_map(|effect| match effect {
            PaymentsEffect::Decline(decline) => Some(decline),
            PaymentsEffect::Http(_) | PaymentsEffect::Api(_) | PaymentsEffect::Event(_) => None,
        })
    }
}

/// Metadata by session, for as many sessions as are kept.
#[derive(Default)]
struct InnerMetadata(VecDeque<(String, Value)>);

impl InnerMetadata {
    fn put(&mut self, session: &str, metadata: Value) {
        if metadata.as_object().is_none_or(serde_json::Map::is_empty) {
            return;
        }
        if self.0.len() == OBJECTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((session.to_owned(), metadata));
    }

    fn find(&self, session: &str) -> Value {
        let found = self.0.iter().find(|(id, _)| id == session);
        found.map_or_else(|| json!({}), |(_, metadata)| metadata.clone())
    }
}

/// What an event says that no request made.
pub(super) fn no_cause() -> Value {
    json!({"id": null, "idempotency_key": null})
}

/// A text field of an object that has it.
pub(super) fn text(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().to_owned()
}
