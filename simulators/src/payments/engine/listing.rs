//! Lists: which filters each kind has.

use chrono::TimeDelta;
use serde_json::Value;

use super::Engine;
use crate::payments::form::Fields;
use crate::payments::refusal::Refusal;
use crate::payments::shelf::Kind;

/// How far back events are listed.
const EVENTS_LISTED: TimeDelta = TimeDelta::days(30);

const PAGING: [&str; 3] = ["limit", "starting_after", "created"];

impl Engine {
    /// The version that a request is answered in.
    pub(in crate::payments) fn version(&self, asked: Option<&str>) -> String {
        asked.unwrap_or(&self.options.api_version).to_owned()
    }

    /// One page of a collection.
    pub(in crate::payments) fn list(&self, kind: Kind, fields: &Fields<'_>) -> Result<Value, Refusal> {
        let filters: &[&str] = match kind {
            Kind::Customer => &["email"],
            Kind::Session => &["customer", "payment_intent", "subscription", "status"],
            Kind::Subscription => &["customer", "status"],
            Kind::Invoice => &["customer", "subscription", "status"],
            Kind::Refund => &["payment_intent", "charge"],
            Kind::PaymentIntent => &["customer"],
            Kind::Charge => &["customer", "payment_intent"],
            Kind::Dispute => &["charge", "payment_intent"],
            Kind::Event => &["type"],
            Kind::Price => &["active", "currency"],
            Kind::BalanceTransaction => &["source", "type"],
        };
        let more: &[&str] = if kind == Kind::Event { &["types", "delivery_success"] } else { &[] };
        fields.only(&[&PAGING, filters, more].concat())?;
        let mut wanted: Vec<(&str, &str)> = Vec::new();
        for filter in filters {
            if let Some(value) = fields.text(filter)? {
                wanted.push((filter, value));
            }
        }
        let status = fields.text("status").ok().flatten();
        let types = fields.texts("types");
        let delivered = if kind == Kind::Event { fields.boolean("delivery_success")? } else { None };
        let oldest = (self.now - EVENTS_LISTED).timestamp();
        self.shelves.page(kind, fields, |object| {
            // Subscriptions that ended are listed only where they are asked for.
            let is_hidden = kind == Kind::Subscription && status.is_none() && object["status"] == "canceled";
            let is_old = kind == Kind::Event && object["created"].as_i64().is_some_and(|created| created < oldest);
            let matches = |(filter, value): &(&str, &str)| {
                (kind == Kind::Subscription && *filter == "status" && *value == "all")
                    || is_equal(&object[filter], value)
            };
            !is_hidden
                && !is_old
                && wanted.iter().all(matches)
                && (types.is_empty() || types.iter().any(|wanted| object["type"].as_str() == Some(wanted)))
                && delivered.is_none_or(|delivered| (object["pending_webhooks"] == 0) == delivered)
        })
    }
}

fn is_equal(field: &Value, wanted: &str) -> bool {
    match field {
        Value::String(text) => text == wanted,
        Value::Bool(flag) => wanted == if *flag { "true" } else { "false" },
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}
