//! Invoices of subscriptions.

use serde_json::{Value, json};

use super::charges::Bill;
use super::sessions::AMOUNT_MIN;
use super::{Engine, text};
use crate::payments::form::Fields;
use crate::payments::refusal::Refusal;
use crate::payments::shelf::{Kind, new_id};

impl Engine {
    /// Makes the invoice of a subscription's period, whose lines are those of its session or its items.
    pub(super) fn make_invoice(&mut self, subscription: &str, lines: &[Value], reason: &str) -> Option<String> {
        let (id, now) = (Kind::Invoice.new_id(), self.unix());
        let of = self.shelves.find(Kind::Subscription, subscription)?;
        let period = json!({"start": of["current_period_start"], "end": of["current_period_end"]});
        let data: Vec<Value> = lines.iter().map(|line| invoice_line(line, subscription, &period)).collect();
        let total: i64 = data.iter().filter_map(|line| line["amount"].as_i64()).sum();
        let details = json!({"metadata": of["metadata"], "subscription": subscription});
        let starting = self.shelves.find(Kind::Customer, &text(of, "customer"));
        let starting = starting.map_or(json!(0), |customer| customer["balance"].clone());
        let invoice = json!({
            "id": id, "object": "invoice", "starting_balance": starting, "ending_balance": null, "amount_due": total, "amount_paid": 0, "amount_remaining": total,
            "attempt_count": 0, "attempted": false, "auto_advance": true, "billing_reason": reason,
            "collection_method": "charge_automatically", "created": now, "currency": of["currency"],
            "customer": of["customer"], "livemode": false, "metadata": {}, "next_payment_attempt": null,
            "number": null, "period_start": now, "period_end": now,
            "status": "draft", "status_transitions": {"finalized_at": null, "marked_uncollectible_at": null,
                "paid_at": null, "voided_at": null},
            "subtotal": total, "total": total,
            "lines": {"object": "list", "data": data, "has_more": false, "total_count": lines.len(),
                "url": format!("/v1/invoices/{id}/lines")},
            "parent": {"type": "subscription_details", "quote_details": null, "subscription_details": details},
            "payments": {"object": "list", "data": [], "has_more": false, "url": format!("/v1/invoice_payments?invoice={id}")},
            "subscription": subscription, "payment_intent": null, "charge": null, "paid": false,
        });
        self.shelves.put(Kind::Invoice, invoice);
        self.change(Kind::Subscription, subscription, json!({ "latest_invoice": id }));
        Some(id)
    }

    /// The bank is asked for the money, and gives it. Nothing is left to be asked for where the customer's balance covers all.
    pub(super) fn settle_invoice(&mut self, id: &str) {
        let Some(intent) = self.attempt(id) else { return self.mark_paid(id, Value::Null) };
        let charge = self.succeed(&intent);
        let now = self.unix();
        let Some(invoice) = self.shelves.find_mut(Kind::Invoice, id) else { return };
        invoice["payments"]["data"] = json!([{
            "id": new_id("inpay_"), "object": "invoice_payment", "amount_paid": invoice["amount_due"],
            "amount_requested": invoice["amount_due"], "created": now, "currency": invoice["currency"], "invoice": id,
            "is_default": true, "livemode": false, "payment": {"type": "payment_intent", "payment_intent": intent},
            "status": "paid",
        }]);
        self.mark_paid(id, charge.into());
    }

    fn mark_paid(&mut self, id: &str, charge: Value) {
        let now = self.unix();
        let Some(invoice) = self.shelves.find_mut(Kind::Invoice, id) else { return };
        invoice["status_transitions"]["paid_at"] = now.into();
        let paid = invoice["amount_due"].clone();
        self.change(
            Kind::Invoice,
            id,
            json!({"status": "paid", "paid": true, "amount_paid": paid, "amount_remaining": 0, "charge": charge,
                "next_payment_attempt": null, "auto_advance": false}),
        );
        self.emit("invoice.paid", Kind::Invoice, id, None);
    }

    /// Pays an invoice on request: outside Stripe, or by the customer's payment method.
    pub(in crate::payments) fn pay_now(&mut self, id: &str, fields: &Fields<'_>) -> Result<Value, Refusal> {
        fields.only(&["paid_out_of_band", "payment_method", "off_session", "forgive"])?;
        let invoice = self.shelves.get(Kind::Invoice, id, "id")?;
        if !["draft", "open"].contains(&invoice["status"].as_str().unwrap_or_default()) {
            let message =
                if invoice["status"] == "paid" { "Invoice is already paid" } else { "Invoice cannot be paid" };
            return Err(Refusal::invalid(message));
        }
        let subscription = text(invoice, "subscription");
        if fields.boolean("paid_out_of_band")? == Some(true) {
            let intent = self.attempt(id);
            if let Some(intent) = intent {
                self.change(Kind::PaymentIntent, &intent, json!({"status": "canceled", "canceled_at": self.unix()}));
            }
            self.mark_paid(id, Value::Null);
            if self.shelves.find(Kind::Subscription, &subscription).is_some_and(|of| of["status"] == "past_due") {
                self.change_subscription(&subscription, json!({"status": "active"}));
            }
        } else {
            self.pay_invoice(id);
        }
        self.shelves.get(Kind::Invoice, id, "id").cloned()
    }

    /// Makes an invoice final: it gets its number, and the customer's balance is applied. What is too little to be charged
    /// is owed with the next one.
    fn finalize(&mut self, id: &str, number: u64) {
        let now = self.unix();
        let Some(invoice) = self.shelves.find_mut(Kind::Invoice, id) else { return };
        invoice["number"] = format!("SIM-{number:06}").into();
        invoice["status_transitions"]["finalized_at"] = now.into();
        let (total, customer_id) = (invoice["total"].as_i64().unwrap_or_default(), text(invoice, "customer"));
        let starting =
            self.shelves.find(Kind::Customer, &customer_id).and_then(|customer| customer["balance"].as_i64());
        let starting = starting.unwrap_or_default();
        let left = total + starting;
        let (due, ending) = if left < AMOUNT_MIN { (0, left) } else { (left, 0) };
        let applied = json!({
            "starting_balance": starting, "ending_balance": ending, "amount_due": due, "amount_remaining": due,
        });
        self.change(Kind::Invoice, id, applied);
        self.change(Kind::Customer, &customer_id, json!({ "balance": ending }));
    }

    /// Counts an attempt to have an invoice paid; its payment intent, unless nothing is to be charged.
    pub(super) fn attempt(&mut self, id: &str) -> Option<String> {
        let count = self.counts.charged + self.counts.declined + 1;
        let invoice = self.shelves.find_mut(Kind::Invoice, id)?;
        invoice["attempted"] = true.into();
        invoice["attempt_count"] = (invoice["attempt_count"].as_i64().unwrap_or_default() + 1).into();
        invoice["status"] = "open".into();
        if invoice["number"].is_null() {
            self.finalize(id, count);
        }
        let invoice = self.shelves.find_mut(Kind::Invoice, id)?;
        if invoice["amount_due"] == 0 {
            return None;
        }
        if let Some(intent) = invoice["payment_intent"].as_str() {
            return Some(intent.to_owned());
        }
        let (currency, customer) = (text(invoice, "currency"), invoice["customer"].clone());
        let amount = invoice["amount_due"].as_i64().unwrap_or_default();
        let intent = self.make_payment_intent(&Bill {
            amount,
            currency: &currency,
            customer,
            metadata: json!({}),
            invoice: json!(id),
            presentment: Value::Null,
        });
        self.change(Kind::Invoice, id, json!({ "payment_intent": intent }));
        Some(intent)
    }
}

fn invoice_line(line: &Value, subscription: &str, period: &Value) -> Value {
    let price = &line["price"];
    let quantity = line["quantity"].as_i64().unwrap_or(1);
    let amount = price["unit_amount"].as_i64().unwrap_or_default().saturating_mul(quantity);
    let item = json!({"proration": false, "subscription": subscription, "subscription_item": line["id"]});
    json!({
        "id": new_id("il_"), "object": "line_item", "amount": amount, "currency": price["currency"],
        "description": line["description"], "livemode": false, "metadata": {}, "period": period, "quantity": quantity,
        "price": price, "subscription": subscription, "type": "subscription",
        "parent": {"type": "subscription_item_details", "invoice_item_details": null, "subscription_item_details": item},
        "pricing": {"type": "price_details", "price_details": {"price": price["id"], "product": price["product"]},
            "unit_amount_decimal": price["unit_amount_decimal"]},
    })
}
