//! Money taken, refused and given back: payment intents, their charges, and refunds.

use serde_json::{Value, json};

use super::{Engine, text};
use crate::payments::faults::Decline;
use crate::payments::form::Fields;
use crate::payments::refusal::Refusal;
use crate::payments::shelf::{Kind, new_id};

/// What is to be paid.
pub(super) struct Bill<'a> {
    pub(super) amount: i64,
    pub(super) currency: &'a str,
    pub(super) customer: Value,
    pub(super) metadata: Value,
    pub(super) invoice: Value,
    /// What the payer sees, where the price is converted.
    pub(super) presentment: Value,
}

impl Engine {
    /// A payment intent that nobody has tried to pay yet.
    pub(super) fn make_payment_intent(&mut self, bill: &Bill<'_>) -> String {
        let id = Kind::PaymentIntent.new_id();
        let intent = json!({
            "id": id, "object": "payment_intent", "amount": bill.amount, "amount_capturable": 0, "amount_received": 0,
            "canceled_at": null, "capture_method": "automatic", "client_secret": new_id(&format!("{id}_secret_")),
            "created": self.unix(), "currency": bill.currency, "customer": bill.customer, "description": null,
            "invoice": bill.invoice, "last_payment_error": null, "latest_charge": null, "livemode": false,
            "metadata": bill.metadata, "next_action": null, "payment_method": null, "payment_method_types": ["card"],
            "presentment_details": bill.presentment,
            "status": "requires_payment_method",
        });
        self.shelves.put(Kind::PaymentIntent, intent);
        id
    }

    /// The money comes; the charge's id.
    pub(super) fn succeed(&mut self, intent: &str) -> Option<String> {
        let (id, created) = (Kind::Charge.new_id(), self.unix());
        let paid = self.shelves.find_mut(Kind::PaymentIntent, intent)?;
        paid["status"] = "succeeded".into();
        paid["amount_received"] = paid["amount"].clone();
        paid["last_payment_error"] = Value::Null;
        paid["latest_charge"] = id.as_str().into();
        paid["payment_method"] = new_id("pm_").into();
        let moved = Kind::BalanceTransaction.new_id();
        let charge = json!({
            "id": id, "object": "charge", "amount": paid["amount"], "amount_captured": paid["amount"], "amount_refunded": 0,
            "balance_transaction": moved, "presentment_details": paid["presentment_details"],
            "billing_details": {"address": null, "email": null, "name": null, "phone": null}, "captured": true,
            "created": created, "currency": paid["currency"], "customer": paid["customer"], "disputed": false,
            "failure_code": null, "failure_message": null, "invoice": paid["invoice"], "livemode": false,
            "metadata": paid["metadata"], "paid": true, "payment_intent": intent, "payment_method": paid["payment_method"],
            "receipt_url": null, "refunded": false, "status": "succeeded",
        });
        self.counts.charged += 1;
        let (amount, currency) = (charge["amount"].as_i64().unwrap_or_default(), text(&charge, "currency"));
        let brought = self.movement(&moved, &id, (amount, &currency), "charge");
        self.shelves.put(Kind::BalanceTransaction, brought);
        self.shelves.put(Kind::Charge, charge);
        Some(id)
    }

    /// What moves on the seller's balance, in the currency that it is kept in.
    pub(super) fn movement(&self, id: &str, source: &str, (amount, currency): (i64, &str), kind: &str) -> Value {
        json!({
            "id": id, "object": "balance_transaction", "amount": amount, "available_on": self.unix(), "created": self.unix(),
            "currency": currency, "exchange_rate": null, "fee": 0, "fee_details": [], "net": amount, "source": source,
            "status": "available", "type": kind,
        })
    }

    /// The bank says no.
    pub(super) fn decline(&mut self, intent: &str, decline: &Decline) {
        let Decline::CardDeclined { decline_code } = decline;
        let Some(refused) = self.shelves.find_mut(Kind::PaymentIntent, intent) else { return };
        refused["status"] = "requires_payment_method".into();
        refused["last_payment_error"] = json!({
            "code": "card_declined", "decline_code": decline_code, "message": "Your card was declined.", "type": "card_error",
        });
        self.counts.declined += 1;
        self.emit("payment_intent.payment_failed", Kind::PaymentIntent, intent, None);
    }

    pub(in crate::payments) fn create_refund(&mut self, fields: &Fields<'_>) -> Result<Value, Refusal> {
        fields.only(&["payment_intent", "charge", "amount", "reason", "metadata"])?;
        let reason = fields.text("reason")?;
        if reason.is_some_and(|reason| !["duplicate", "fraudulent", "requested_by_customer"].contains(&reason)) {
            return Err(Refusal::invalid("Invalid reason").param("reason"));
        }
        let id = self.refunded_charge(fields)?;
        let charge = self.shelves.get(Kind::Charge, &id, "charge")?;
        if charge["disputed"] == true {
            let message = format!("Charge {id} has been charged back; cannot issue a refund.");
            return Err(Refusal::invalid(message).code("charge_disputed"));
        }
        let number = |field: &str| charge[field].as_i64().unwrap_or_default();
        let left = number("amount") - number("amount_refunded");
        if left == 0 {
            let message = format!("Charge {id} has already been refunded.");
            return Err(Refusal::invalid(message).code("charge_already_refunded"));
        }
        let amount = fields.integer("amount")?.unwrap_or(left);
        if amount < 1 {
            return Err(Refusal::invalid("Invalid positive integer").code("parameter_invalid_integer").param("amount"));
        }
        if amount > left {
            let message = format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
            return Err(Refusal::invalid(message).param("amount"));
        }
        let refund = json!({
            "id": Kind::Refund.new_id(), "object": "refund", "amount": amount, "charge": id, "created": self.unix(),
            "currency": charge["currency"], "metadata": fields.metadata(&json!({}))?,
            "payment_intent": charge["payment_intent"], "reason": reason, "receipt_number": null, "status": "succeeded",
        });
        let before = json!({"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]});
        if let Some(charge) = self.shelves.find_mut(Kind::Charge, &id) {
            charge["amount_refunded"] = (charge["amount"].as_i64().unwrap_or_default() - left + amount).into();
            charge["refunded"] = (amount == left).into();
        }
        self.counts.refunds_made += 1;
        self.shelves.put(Kind::Refund, refund.clone());
        self.emit("charge.refunded", Kind::Charge, &id, Some(before));
        Ok(refund)
    }

    /// The charge that a refund names, itself or by its payment intent.
    fn refunded_charge(&self, fields: &Fields<'_>) -> Result<String, Refusal> {
        match (fields.text("payment_intent")?, fields.text("charge")?) {
            (Some(intent), None) => {
                let found = self.shelves.get(Kind::PaymentIntent, intent, "payment_intent")?;
                let unpaid = || {
                    let message = format!("This PaymentIntent ({intent}) does not have a successful charge to refund.");
                    Refusal::invalid(message)
                };
                if found["status"] == "succeeded" { Ok(text(found, "latest_charge")) } else { Err(unpaid()) }
            }
            (None, Some(charge)) => Ok(text(self.shelves.get(Kind::Charge, charge, "charge")?, "id")),
            (Some(_), Some(_)) => Err(Refusal::invalid("Only one of payment_intent and charge may be given.")),
            (None, None) => Err(Refusal::invalid(
                "One of the following params should be provided for this request: payment_intent or charge.",
            )),
        }
    }
}
