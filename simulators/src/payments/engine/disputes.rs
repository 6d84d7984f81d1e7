//! Disputes, which a bank opens and closes. The bank disputes the amount that the payer saw, or states the charge in a
//! currency of its own; the seller's balance moves in the balance's own currency.

use serde_json::json;

use super::{Engine, text};
use crate::payments::shelf::Kind;

impl Engine {
    /// The customer's bank takes back what this payment intent, or charge, brought; the dispute's id. `other` is what it
    /// says it disputes, in a currency of its own, and the percentage of the charge that this is.
    pub(in crate::payments) fn dispute(&mut self, id: &str, other: Option<(i64, &str, i64)>) -> Option<String> {
        let charge = match self.shelves.find(Kind::PaymentIntent, id) {
            Some(intent) => text(intent, "latest_charge"),
            None => id.to_owned(),
        };
        let dispute_id = Kind::Dispute.new_id();
        let created = self.unix();
        let charge = self.shelves.find_mut(Kind::Charge, &charge)?;
        if charge["disputed"] == true {
            return None;
        }
        charge["disputed"] = true.into();
        let charge = charge.clone();
        let seen = &charge["presentment_details"];
        let (amount, currency, percent) = match other {
            Some((amount, currency, percent)) => (json!(amount), json!(currency), percent),
            None if seen.is_null() => (charge["amount"].clone(), charge["currency"].clone(), 100),
            None => (seen["presentment_amount"].clone(), seen["presentment_currency"].clone(), 100),
        };
        let taken = charge["amount"].as_i64().unwrap_or_default() * percent / 100;
        let moved_id = Kind::BalanceTransaction.new_id();
        let moved = self.movement(&moved_id, &dispute_id, (-taken, &text(&charge, "currency")), "adjustment");
        self.shelves.put(Kind::BalanceTransaction, moved.clone());
        let dispute = json!({
            "id": dispute_id, "object": "dispute", "amount": amount, "charge": charge["id"], "created": created,
            "balance_transactions": [moved],
            "currency": currency, "evidence_details": {"has_evidence": false, "submission_count": 0},
            "is_charge_refundable": false, "livemode": false, "metadata": {}, "network_reason_code": "10.4",
            "payment_intent": charge["payment_intent"], "reason": "fraudulent", "status": "needs_response",
        });
        self.shelves.put(Kind::Dispute, dispute);
        self.emit("charge.dispute.created", Kind::Dispute, &dispute_id, None);
        Some(dispute_id)
    }

    /// The bank decides; false if there is no such dispute, or it was decided.
    pub(in crate::payments) fn close_dispute(&mut self, id: &str, is_won: bool) -> bool {
        let Some(dispute) = self.shelves.find_mut(Kind::Dispute, id) else { return false };
        if dispute["status"] != "needs_response" {
            return false;
        }
        dispute["status"] = if is_won { "won" } else { "lost" }.into();
        let taken = dispute["balance_transactions"][0].clone();
        if is_won {
            let (amount, currency) = (taken["amount"].as_i64().unwrap_or_default(), text(&taken, "currency"));
            let moved_id = Kind::BalanceTransaction.new_id();
            let given = self.movement(&moved_id, id, (-amount, &currency), "adjustment");
            self.shelves.put(Kind::BalanceTransaction, given.clone());
            self.change(Kind::Dispute, id, json!({ "balance_transactions": [taken, given] }));
        }
        self.emit("charge.dispute.closed", Kind::Dispute, id, Some(json!({"status": "needs_response"})));
        true
    }
}
