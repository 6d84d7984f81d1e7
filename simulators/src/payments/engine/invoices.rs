//! Invoices of subscriptions.

use serde_json::{Value, json};

use super::charges::Bill;
use super::{Engine, text};
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
        let invoice = json!({
            "id": id, "object": "invoice", "amount_due": total, "amount_paid": 0, "amount_remaining": total,
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

    /// The bank is asked for the money, and gives it.
    pub(super) fn settle_invoice(&mut self, id: &str) {
        let Some(intent) = self.attempt(id) else { return };
        let charge = self.succeed(&intent);
        let now = self.unix();
        let Some(invoice) = self.shelves.find_mut(Kind::Invoice, id) else { return };
        invoice["status_transitions"]["paid_at"] = now.into();
        invoice["payments"]["data"] = json!([{
            "id": new_id("inpay_"), "object": "invoice_payment", "amount_paid": invoice["total"],
            "amount_requested": invoice["total"], "created": now, "currency": invoice["currency"], "invoice": id,
            "is_default": true, "livemode": false, "payment": {"type": "payment_intent", "payment_intent": intent},
            "status": "paid",
        }]);
        let total = invoice["total"].clone();
        self.change(
            Kind::Invoice,
            id,
            json!({"status": "paid", "paid": true, "amount_paid": total, "amount_remaining": 0, "charge": charge,
                "next_payment_attempt": null, "auto_advance": false}),
        );
        self.emit("invoice.paid", Kind::Invoice, id, None);
    }

    /// Counts an attempt to have an invoice paid; its payment intent.
    pub(super) fn attempt(&mut self, id: &str) -> Option<String> {
        let now = self.unix();
        let count = self.counts.charged + self.counts.declined + 1;
        let invoice = self.shelves.find_mut(Kind::Invoice, id)?;
        invoice["attempted"] = true.into();
        invoice["attempt_count"] = (invoice["attempt_count"].as_i64().unwrap_or_default() + 1).into();
        invoice["status"] = "open".into();
        if invoice["number"].is_null() {
            invoice["number"] = format!("SIM-{count:06}").into();
            invoice["status_transitions"]["finalized_at"] = now.into();
        }
        if let Some(intent) = invoice["payment_intent"].as_str() {
            return Some(intent.to_owned());
        }
        let (currency, customer) = (text(invoice, "currency"), invoice["customer"].clone());
        let amount = invoice["total"].as_i64().unwrap_or_default();
        let intent = self.make_payment_intent(&Bill {
            amount,
            currency: &currency,
            customer,
            metadata: json!({}),
            invoice: json!(id),
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
