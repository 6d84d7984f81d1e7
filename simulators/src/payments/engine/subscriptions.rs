//! Subscriptions: begun at checkout, changed and ended on request.

use chrono::DateTime;
use serde_json::{Value, json};

use super::{Due, Engine, text};
use crate::payments::calendar::{Interval, period_end};
use crate::payments::form::Fields;
use crate::payments::refusal::Refusal;
use crate::payments::shelf::{Kind, new_id};

impl Engine {
    /// Begins the subscription that a session sold and has its first invoice paid; the ids of both.
    pub(super) fn start_subscription(
        &mut self,
        session: &Value,
        customer: &Value,
        metadata: &Value,
    ) -> (String, Option<String>) {
        let (id, now) = (Kind::Subscription.new_id(), self.unix());
        let lines = session["line_items"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let recurring = lines.iter().filter(|line| !line["price"]["recurring"].is_null());
        let items: Vec<Value> = recurring
            .map(|line| {
                json!({
                    "id": new_id("si_"), "object": "subscription_item", "created": now, "current_period_start": now,
                    "current_period_end": now, "metadata": {}, "price": line["price"], "quantity": line["quantity"],
                    "subscription": id,
                })
            })
            .collect();
        let url = format!("/v1/subscription_items?subscription={id}");
        let subscription = json!({
            "id": id, "object": "subscription", "billing_cycle_anchor": now, "cancel_at": null, "cancel_at_period_end": false,
            "canceled_at": null, "cancellation_details": {"comment": null, "feedback": null, "reason": null}, "collection_method": "charge_automatically", "created": now,
            "currency": session["currency"], "current_period_start": now, "current_period_end": now, "customer": customer,
            "default_payment_method": new_id("pm_"), "ended_at": null,
            "items": {"object": "list", "data": items, "has_more": false, "total_count": items.len(), "url": url},
            "latest_invoice": null, "livemode": false, "metadata": metadata, "start_date": now, "status": "active",
            "trial_end": null, "trial_start": null,
        });
        self.shelves.put(Kind::Subscription, subscription);
        self.begin_period(&id);
        let invoice = self.make_invoice(&id, lines, "subscription_create");
        self.emit("customer.subscription.created", Kind::Subscription, &id, None);
        if let Some(invoice) = &invoice {
            self.settle_invoice(invoice);
        }
        (id, invoice)
    }

    /// Moves the period on by one, and plans its end.
    pub(super) fn begin_period(&mut self, id: &str) {
        let Some(subscription) = self.shelves.find_mut(Kind::Subscription, id) else { return };
        let date = |field: &str| DateTime::from_timestamp(subscription[field].as_i64().unwrap_or_default(), 0);
        let recurring = &subscription["items"]["data"][0]["price"]["recurring"];
        let interval = recurring["interval"].as_str().and_then(Interval::find).unwrap_or(Interval::Month);
        let count = recurring["interval_count"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
        let (Some(anchor), Some(start)) = (date("billing_cycle_anchor"), date("current_period_end")) else { return };
        // Beyond the calendar nothing ends any more.
        let Some(end) = period_end(anchor, interval, count, start) else { return };
        let (from, to) = (start.timestamp(), end.timestamp());
        subscription["current_period_start"] = from.into();
        subscription["current_period_end"] = to.into();
        for item in subscription["items"]["data"].as_array_mut().into_iter().flatten() {
            item["current_period_start"] = from.into();
            item["current_period_end"] = to.into();
        }
        self.plan(end, Due::PeriodEnds(id.to_owned()));
    }

    pub(in crate::payments) fn update_subscription(&mut self, id: &str, fields: &Fields<'_>) -> Result<Value, Refusal> {
        fields.only(&["cancel_at_period_end", "metadata", "cancellation_details", "proration_behavior"])?;
        let before = self.shelves.get(Kind::Subscription, id, "id")?.clone();
        let metadata = fields.metadata(&before["metadata"])?;
        let cancels = fields.boolean("cancel_at_period_end")?;
        if before["status"] == "canceled" && cancels.is_some() {
            let message = "A canceled subscription can only update its cancellation_details and metadata.";
            return Err(Refusal::invalid(message));
        }
        let mut changes = json!({ "metadata": metadata });
        if let Some(cancels) = cancels {
            let (at, asked_at) = (before["current_period_end"].clone(), json!(self.unix()));
            changes["cancel_at_period_end"] = cancels.into();
            changes["cancel_at"] = if cancels { at } else { Value::Null };
            changes["canceled_at"] = if cancels { asked_at } else { Value::Null };
            changes["cancellation_details"] = ended_for(cancels.then_some("cancellation_requested"));
        }
        self.change_subscription(id, changes);
        self.shelves.get(Kind::Subscription, id, "id").cloned()
    }

    /// Changes a subscription, and says so if it is another after.
    pub(super) fn change_subscription(&mut self, id: &str, changes: Value) {
        let previous = self.change(Kind::Subscription, id, changes);
        if previous.as_object().is_some_and(|previous| !previous.is_empty()) {
            self.emit("customer.subscription.updated", Kind::Subscription, id, Some(previous));
        }
    }

    /// Ends a subscription at once, on request.
    pub(in crate::payments) fn cancel_subscription(&mut self, id: &str, fields: &Fields<'_>) -> Result<Value, Refusal> {
        fields.only(&["cancellation_details", "invoice_now", "prorate"])?;
        let found = self.shelves.get(Kind::Subscription, id, "id")?;
        if found["status"] == "canceled" {
            return Err(Refusal::no_such(Kind::Subscription, id, "id"));
        }
        let now = self.unix();
        let details = ended_for(Some("cancellation_requested"));
        self.change(Kind::Subscription, id, json!({ "canceled_at": now, "cancellation_details": details }));
        self.end_subscription(id);
        self.shelves.get(Kind::Subscription, id, "id").cloned()
    }

    pub(super) fn end_subscription(&mut self, id: &str) {
        let now = self.unix();
        let Some(subscription) = self.shelves.find_mut(Kind::Subscription, id) else { return };
        subscription["status"] = "canceled".into();
        subscription["ended_at"] = now.into();
        if subscription["canceled_at"].is_null() {
            subscription["canceled_at"] = now.into();
        }
        self.emit("customer.subscription.deleted", Kind::Subscription, id, None);
    }

    /// Changes fields of an object; those that were others, as they were.
    pub(super) fn change(&mut self, kind: Kind, id: &str, changes: Value) -> Value {
        let mut previous = json!({});
        let (Some(object), Value::Object(changes)) = (self.shelves.find_mut(kind, id), changes) else {
            return previous;
        };
        for (field, value) in changes {
            if object[&field] != value {
                previous[&field] = std::mem::replace(&mut object[&field], value);
            }
        }
        previous
    }

    /// The subscription an invoice is of.
    pub(super) fn invoiced(&self, invoice: &str) -> Option<String> {
        self.shelves.find(Kind::Invoice, invoice).map(|invoice| text(invoice, "subscription"))
    }
}

/// Why a subscription ends.
pub(super) fn ended_for(reason: Option<&str>) -> Value {
    json!({"comment": null, "feedback": null, "reason": reason})
}
