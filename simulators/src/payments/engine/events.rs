//! Events, and the requests that carry them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Due, Engine, text};
use crate::fault::{Call, Operation};
use crate::payments::faults::{COPIES_MAX, EventFault, PaymentsEffect};
use crate::payments::shape::Shape;
use crate::payments::shelf::Kind;

/// Webhook requests that are remembered, the newest.
pub const DELIVERIES_MAX: usize = 10_000;

/// Webhook requests that wait to be sent, or to be overtaken; what comes beyond is dropped and counted.
pub const OUTBOX_MAX: usize = 100_000;

/// The longest pause between two attempts, and how long after the first one they end.
pub const PAUSE_MAX: Duration = Duration::from_hours(12);
/// How long an event that fails is repeated.
pub const RETRIED: Duration = Duration::from_hours(72);

/// The longest that an event waits for one to overtake it.
const HELD_MAX: Duration = Duration::from_mins(1);
/// Doublings that are counted; the pause has reached its limit long before.
const DOUBLINGS_MAX: u32 = 20;

/// One webhook request to come.
#[derive(Clone)]
pub(in crate::payments) struct Delivery {
    pub(in crate::payments) event: String,
    pub(in crate::payments) category: String,
    pub(in crate::payments) body: String,
    /// Counted from 1.
    pub(in crate::payments) attempt: u32,
    pub(in crate::payments) forged: bool,
    /// How old the signature is when it is sent.
    pub(in crate::payments) age: TimeDelta,
    first_at: DateTime<Utc>,
}

/// A webhook request that was made.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryView {
    /// The event's id.
    pub event: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub category: String,
    /// Counted from 1.
    pub attempt: u32,
    /// What was answered, if anything was.
    pub status: Option<u16>,
    /// When, by the simulator's clock.
    pub at: DateTime<Utc>,
}

impl Engine {
    /// Makes an event of an object as it is now, and has it sent.
    pub(super) fn emit(&mut self, category: &str, kind: Kind, id: &str, previous: Option<Value>) {
        let Some(object) = self.shelves.find(kind, id).cloned() else { return };
        self.emit_object(category, object, previous);
    }

    /// The same of any object; the event's id.
    pub(in crate::payments) fn emit_object(
        &mut self,
        category: &str,
        object: Value,
        previous: Option<Value>,
    ) -> String {
        let id = Kind::Event.new_id();
        let subject = format!("{category}/{}", text(&object, "id"));
        // An event keeps the endpoint's version, in whatever version it is read later.
        let shape = Shape { version: &self.options.api_version, expand: &[] };
        let kind = object["object"].clone();
        let mut event = json!({
            "id": id, "object": "event", "api_version": self.options.api_version, "created": self.unix(),
            "data": {"object": shape.of_part(&kind, object)}, "livemode": false,
            "pending_webhooks": i32::from(self.endpoint.url.is_some()), "request": self.cause, "type": category,
        });
        if let Some(previous) = previous {
            event["data"]["previous_attributes"] = shape.of_part(&kind, previous);
        }
        self.counts.events_made += 1;
        let faults = self.take_event_faults(&subject, &event);
        self.send(&event, &faults);
        self.shelves.put(Kind::Event, event);
        id
    }

    fn take_event_faults(&mut self, subject: &str, event: &Value) -> Vec<EventFault> {
        let call = Call { operation: Operation::Event, subject, input: Some(event) };
        let taken = self.script.take(&call, |effect| matches!(effect, PaymentsEffect::Event(_)));
        let of_event = |effect| match effect {
            PaymentsEffect::Event(fault) => Some(fault),
            PaymentsEffect::Http(_) | PaymentsEffect::Api(_) | PaymentsEffect::Decline(_) => None,
        };
        taken.into_iter().filter_map(of_event).collect()
    }

    /// Has an event sent under its faults.
    fn send(&mut self, event: &Value, faults: &[EventFault]) {
        if self.endpoint.url.is_none() || faults.contains(&EventFault::NeverSent) {
            return;
        }
        // Pretty, as Stripe sends it: who checks the signature of a body that was read and written again fails.
        let body = serde_json::to_string_pretty(event).unwrap_or_default();
        let mut delivery = Delivery {
            event: text(event, "id"),
            category: text(event, "type"),
            body,
            attempt: 1,
            forged: faults.contains(&EventFault::Forged),
            age: TimeDelta::zero(),
            first_at: self.now,
        };
        let (mut copies, mut delay) = (1, None);
        for fault in faults {
            match fault {
                EventFault::Duplicated { copies: more } => copies += (*more).min(COPIES_MAX),
                EventFault::Delayed { ms } => delay = Some(Duration::from_millis(*ms)),
                EventFault::StaleTimestamp { s } => delivery.age = TimeDelta::seconds(i64::from(*s)),
                EventFault::Reordered | EventFault::Forged | EventFault::NeverSent => {}
            }
        }
        let is_held = faults.contains(&EventFault::Reordered);
        for _ in 0..copies {
            match delay {
                Some(delay) => self.plan(self.after(delay), Due::Send(delivery.clone())),
                None if is_held && self.held.len() < OUTBOX_MAX => self.held.push(delivery.clone()),
                None => self.queue(delivery.clone()),
            }
        }
        if is_held {
            self.plan(self.after(HELD_MAX), Due::Release);
        } else {
            self.release();
        }
    }

    /// Lets go of the events that were to be overtaken.
    pub(super) fn release(&mut self) {
        for delivery in std::mem::take(&mut self.held) {
            self.queue(delivery);
        }
    }

    pub(super) fn queue(&mut self, delivery: Delivery) {
        if self.outbox.len() >= OUTBOX_MAX {
            self.counts.dropped += 1;
            return;
        }
        self.outbox.push_back(delivery);
    }

    /// Sends an event again, as the dashboard does; false if there is none, or nowhere to send it.
    pub(in crate::payments) fn resend(&mut self, id: &str) -> bool {
        let Some(event) = self.shelves.find(Kind::Event, id).cloned() else { return false };
        let before = self.outbox.len();
        self.send(&event, &[]);
        self.outbox.len() > before
    }

    /// Notes how a webhook request went; has it repeated if it failed and there is time.
    pub(in crate::payments) fn sent(&mut self, mut delivery: Delivery, status: Option<u16>) {
        let delivered = status.is_some_and(|status| (200..300).contains(&status));
        self.counts.webhooks_sent += 1;
        self.counts.webhooks_delivered += u64::from(delivered);
        if self.deliveries.len() == DELIVERIES_MAX {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(DeliveryView {
            event: delivery.event.clone(),
            category: delivery.category.clone(),
            attempt: delivery.attempt,
            status,
            at: self.now,
        });
        if delivered {
            if let Some(event) = self.shelves.find_mut(Kind::Event, &delivery.event) {
                event["pending_webhooks"] = 0.into();
            }
            return;
        }
        let doublings = (delivery.attempt - 1).min(DOUBLINGS_MAX);
        let pause = self.options.webhook_pause.saturating_mul(1 << doublings).min(PAUSE_MAX);
        let next = self.after(pause);
        if next - delivery.first_at > TimeDelta::from_std(RETRIED).unwrap_or(TimeDelta::MAX) {
            self.counts.webhooks_given_up += 1;
            return;
        }
        delivery.attempt += 1;
        self.plan(next, Due::Send(delivery));
    }
}
