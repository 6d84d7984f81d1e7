//! Customers.

use serde_json::{Value, json};

use super::Engine;
use crate::payments::form::Fields;
use crate::payments::refusal::Refusal;
use crate::payments::shelf::{Kind, new_id};

const TEXTS: [&str; 4] = ["email", "name", "description", "phone"];
const KNOWN: [&str; 7] = ["email", "name", "description", "phone", "metadata", "address", "preferred_locales"];

impl Engine {
    pub(in crate::payments) fn create_customer(&mut self, fields: &Fields<'_>) -> Result<Value, Refusal> {
        fields.only(&KNOWN)?;
        let metadata = fields.metadata(&json!({}))?;
        let mut customer = self.new_customer(None);
        for name in TEXTS {
            customer[name] = fields.text(name)?.into();
        }
        customer["metadata"] = metadata;
        self.counts.customers_made += 1;
        self.shelves.put(Kind::Customer, customer.clone());
        Ok(customer)
    }

    pub(in crate::payments) fn update_customer(&mut self, id: &str, fields: &Fields<'_>) -> Result<Value, Refusal> {
        fields.only(&KNOWN)?;
        let mut customer = self.shelves.get(Kind::Customer, id, "id")?.clone();
        for name in TEXTS {
            if fields.has(name) {
                customer[name] = fields.text(name)?.into();
            }
        }
        customer["metadata"] = fields.metadata(&customer["metadata"])?;
        self.shelves.put(Kind::Customer, customer.clone());
        Ok(customer)
    }

    /// Changes the customer's balance: below zero, the customer has credit, from which the next invoices are paid.
    pub(in crate::payments) fn adjust_balance(&mut self, id: &str, fields: &Fields<'_>) -> Result<Value, Refusal> {
        fields.only(&["amount", "currency", "description", "metadata"])?;
        let currency = fields.required("currency")?.to_lowercase();
        let amount = fields.integer("amount")?.ok_or_else(|| Refusal::parameter_missing("amount"))?;
        let before = self.shelves.get(Kind::Customer, id, "id")?["balance"].as_i64().unwrap_or_default();
        let ending = before.saturating_add(amount);
        self.change(Kind::Customer, id, json!({"balance": ending, "currency": currency}));
        Ok(json!({
            "id": new_id("cbtxn_"), "object": "customer_balance_transaction", "amount": amount, "created": self.unix(),
            "currency": currency, "customer": id, "description": fields.text("description")?, "ending_balance": ending,
            "invoice": null, "livemode": false, "metadata": fields.metadata(&json!({}))?, "type": "adjustment",
        }))
    }

    /// The customer that checkout makes for who has none.
    pub(super) fn make_customer(&mut self, email: Option<&str>) -> String {
        let customer = self.new_customer(email);
        let id = super::text(&customer, "id");
        self.counts.customers_made += 1;
        self.shelves.put(Kind::Customer, customer);
        id
    }

    fn new_customer(&self, email: Option<&str>) -> Value {
        json!({
            "id": Kind::Customer.new_id(), "object": "customer", "address": null, "balance": 0, "created": self.unix(),
            "currency": null, "default_source": null, "delinquent": false, "description": null, "email": email,
            "livemode": false, "metadata": {}, "name": null, "phone": null, "preferred_locales": [], "shipping": null,
            "tax_exempt": "none", "test_clock": null,
        })
    }
}
