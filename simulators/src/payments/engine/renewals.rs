//! What the clock does to subscriptions: the next period, its invoice, attempts to have it paid, the end.

use serde_json::{Value, json};

use super::subscriptions::ended_for;
use super::{Due, Engine, text};
use crate::payments::shelf::Kind;

impl Engine {
    /// A period is over: the next begins, or the subscription ends.
    pub(super) fn end_period(&mut self, id: &str) {
        let Some(subscription) = self.shelves.find(Kind::Subscription, id).cloned() else { return };
        if subscription["status"] == "canceled" {
            return;
        }
        if subscription["cancel_at_period_end"] == true {
            self.end_subscription(id);
            return;
        }
        let period = |of: &Value| {
            json!({"current_period_start": of["current_period_start"], "current_period_end": of["current_period_end"],
                "items": of["items"], "latest_invoice": of["latest_invoice"]})
        };
        let previous = period(&subscription);
        self.begin_period(id);
        let items = subscription["items"]["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(invoice) = self.make_invoice(id, items, "subscription_cycle") else { return };
        // An invoice's own period is the one before, for what is charged by use; its lines have the one that is paid for.
        self.change(Kind::Invoice, &invoice, json!({ "period_start": subscription["current_period_start"] }));
        self.counts.renewed += 1;
        self.emit("customer.subscription.updated", Kind::Subscription, id, Some(previous));
        self.plan(self.after(self.options.draft_time), Due::InvoiceIsPaid(invoice));
    }

    /// An attempt to have an invoice paid, the first or a later one.
    pub(super) fn pay_invoice(&mut self, id: &str) {
        let Some(subscription) = self.invoiced(id) else { return };
        let Some(of) = self.shelves.find(Kind::Subscription, &subscription) else { return };
        let is_past_due = of["status"] == "past_due";
        let is_paid = self.shelves.find(Kind::Invoice, id).is_some_and(|invoice| invoice["status"] == "paid");
        if of["status"] == "canceled" || is_paid {
            return;
        }
        let subject = format!("{subscription}/{}", text(of, "customer"));
        match self.take_decline(&subject) {
            None => {
                self.settle_invoice(id);
                if is_past_due {
                    self.change_subscription(&subscription, json!({"status": "active"}));
                }
            }
            Some(decline) => {
                let Some(intent) = self.attempt(id) else { return };
                self.decline(&intent, &decline);
                self.invoice_failed(id, &subscription);
            }
        }
    }

    /// The invoice stays open until its next attempt; with the last one the subscription ends.
    fn invoice_failed(&mut self, id: &str, subscription: &str) {
        let attempts = self.shelves.find(Kind::Invoice, id).and_then(|invoice| invoice["attempt_count"].as_u64());
        let pauses_taken = usize::try_from(attempts.unwrap_or(1)).unwrap_or(usize::MAX).saturating_sub(1);
        let next = self.options.payment_retries.get(pauses_taken).map(|pause| self.after(*pause));
        let next_at = next.map(|next| next.timestamp());
        self.change(Kind::Invoice, id, json!({"next_payment_attempt": next_at, "auto_advance": next.is_some()}));
        self.emit("invoice.payment_failed", Kind::Invoice, id, None);
        match next {
            Some(next) => {
                self.change_subscription(subscription, json!({"status": "past_due"}));
                self.plan(next, Due::InvoiceIsPaid(id.to_owned()));
            }
            None => {
                let details = ended_for(Some("payment_failed"));
                self.change(Kind::Subscription, subscription, json!({ "cancellation_details": details }));
                self.end_subscription(subscription);
            }
        }
    }
}
