//! How an object looks in one version of the API. What is kept has the fields of all versions; those of others are taken away.

use serde_json::Value;

use super::refusal::Refusal;
use super::shelf::{Kind, Shelves};

/// The version that moved a subscription's period to its items, and an invoice's subscription and payment elsewhere. Versions
/// are dates, so text compares them.
pub(super) const PERIODS_MOVED: &str = "2025-03-31";

/// Fields that are there only when they are asked for.
const ON_DEMAND: [(&str, &str); 2] = [("checkout.session", "line_items"), ("invoice", "payments")];

/// References that `expand` may replace by what they name.
const EXPANDABLE: [&str; 8] = [
    "customer",
    "payment_intent",
    "subscription",
    "invoice",
    "latest_invoice",
    "latest_charge",
    "charge",
    "balance_transaction",
];

/// A prefix that no name in `expand` has: what is inside another object is not asked for.
const NOT_ASKED: &str = "?";

/// How the answer to one request is to look.
pub(super) struct Shape<'a> {
    pub(super) version: &'a str,
    pub(super) expand: &'a [String],
}

impl Shape<'_> {
    /// The object, list or event in this shape.
    pub(super) fn apply(&self, mut value: Value, shelves: &Shelves) -> Result<Value, Refusal> {
        if value["object"] == "list" {
            if let Some(data) = value["data"].as_array_mut() {
                for object in data {
                    self.expand(object, "data.", shelves)?;
                    self.prune(object, "data.");
                }
            }
        } else {
            self.expand(&mut value, "", shelves)?;
            self.prune(&mut value, "");
        }
        Ok(value)
    }

    fn asked<'s>(&'s self, prefix: &str) -> impl Iterator<Item = &'s str> {
        let names = self.expand.iter();
        names.filter_map(move |name| name.strip_prefix(prefix)).collect::<Vec<_>>().into_iter()
    }

    fn expand(&self, object: &mut Value, prefix: &str, shelves: &Shelves) -> Result<(), Refusal> {
        for name in self.asked(prefix) {
            let on_demand = ON_DEMAND.iter().any(|(kind, field)| object["object"] == *kind && name == *field);
            if on_demand {
                continue;
            }
            if !EXPANDABLE.contains(&name) || object.get(name).is_none() {
                let refusal = Refusal::invalid(format!("This property cannot be expanded ({name})."));
                return Err(refusal.param("expand[0]"));
            }
            let named = object[name].as_str();
            let found = named.and_then(|id| shelves.find(Kind::of(id)?, id)).cloned();
            if let Some(mut found) = found {
                self.prune(&mut found, NOT_ASKED);
                object[name] = found;
            }
        }
        Ok(())
    }

    fn prune(&self, object: &mut Value, prefix: &str) {
        let kind = object["object"].as_str().unwrap_or_default().to_owned();
        self.prune_as(&kind, object, prefix);
    }

    /// Fields of an object of this kind, all or some, in this shape.
    pub(super) fn of_part(&self, kind: &Value, mut part: Value) -> Value {
        self.prune_as(kind.as_str().unwrap_or_default(), &mut part, NOT_ASKED);
        part
    }

    fn prune_as(&self, kind: &str, object: &mut Value, prefix: &str) {
        let is_new = self.version >= PERIODS_MOVED;
        for (of, field) in ON_DEMAND {
            if kind == of && !self.asked(prefix).any(|name| name == field) {
                remove(object, &[field]);
            }
        }
        match kind {
            "subscription" if is_new => remove(object, &["current_period_start", "current_period_end"]),
            "subscription" => each(object.pointer_mut("/items/data"), |item| {
                remove(item, &["current_period_start", "current_period_end"]);
            }),
            "invoice" if is_new => {
                remove(object, &["subscription", "payment_intent", "charge", "paid"]);
                each(object.pointer_mut("/lines/data"), |line| remove(line, &["price", "subscription", "type"]));
            }
            "invoice" => {
                remove(object, &["parent", "payments"]);
                each(object.pointer_mut("/lines/data"), |line| remove(line, &["pricing", "parent"]));
            }
            "charge" | "payment_intent" if is_new => remove(object, &["invoice"]),
            _ => {}
        }
    }
}

fn remove(object: &mut Value, fields: &[&str]) {
    if let Some(object) = object.as_object_mut() {
        object.retain(|name, _| !fields.contains(&name.as_str()));
    }
}

fn each(list: Option<&mut Value>, change: impl Fn(&mut Value)) {
    list.and_then(Value::as_array_mut).into_iter().flatten().for_each(change);
}
