//! Disputes, which a bank opens and closes.

use serde_json::json;

use super::{Engine, text};
use crate::payments::shelf::Kind;

impl Engine {
    /// The customer's bank takes back what this payment intent, or charge, brought; the dispute's id.
    pub(in crate::payments) fn dispute(&mut self, id: &str) -> Option<String> {
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
        let dispute = json!({
            "id": dispute_id, "object": "dispute", "amount": charge["amount"], "charge": charge["id"], "created": created,
            "currency": charge["currency"], "evidence_details": {"has_evidence": false, "submission_count": 0},
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
        self.emit("charge.dispute.closed", Kind::Dispute, id, Some(json!({"status": "needs_response"})));
        true
    }
}
