//! Prices, and the lines of a checkout session that are made of them.

use serde_json::{Value, json};

use super::Engine;
use crate::payments::calendar::Interval;
use crate::payments::form::Fields;
use crate::payments::refusal::Refusal;
use crate::payments::shelf::{Kind, new_id};

/// Lines of one session; recurring ones of a subscription are as many.
const LINES_MAX: usize = 20;
/// What one payment may come to, in the smallest unit.
const AMOUNT_MAX: i64 = 99_999_999;

/// The lines of a session and what they come to.
pub(super) struct Lines {
    pub(super) data: Vec<Value>,
    pub(super) currency: String,
    pub(super) amount: i64,
    pub(super) is_recurring: bool,
}

impl Engine {
    /// A price of the catalogue, made by hand.
    pub(in crate::payments) fn add_price(&mut self, id: &str, currency: &str, amount: i64, interval: Option<&str>) {
        let recurring = interval.map(|interval| recurring(interval, 1));
        let price = self.price(id, (currency, amount), &new_id("prod_"), recurring);
        self.shelves.put(Kind::Price, price);
    }

    fn price(&self, id: &str, (currency, amount): (&str, i64), product: &str, recurring: Option<Value>) -> Value {
        json!({
            "id": id, "object": "price", "active": true, "billing_scheme": "per_unit", "created": self.unix(),
            "currency": currency.to_lowercase(), "livemode": false, "lookup_key": null, "metadata": {}, "nickname": null,
            "product": product, "type": if recurring.is_some() { "recurring" } else { "one_time" }, "recurring": recurring,
            "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
        })
    }

    /// Reads `line_items`.
    pub(super) fn read_lines(&mut self, fields: &Fields<'_>) -> Result<Lines, Refusal> {
        let items = fields.list("line_items")?;
        if items.is_empty() {
            return Err(Refusal::parameter_missing("line_items"));
        }
        if items.len() > LINES_MAX {
            let message = format!("You can only specify up to {LINES_MAX} line items.");
            return Err(Refusal::invalid(message).param("line_items"));
        }
        let mut data: Vec<Value> = Vec::new();
        for item in &items {
            data.push(self.read_line(item)?);
        }
        let currency = super::text(&data[0], "currency");
        if data.iter().any(|line| line["currency"] != *currency) {
            return Err(Refusal::invalid("All prices on a Checkout Session must use the same currency."));
        }
        let amounts = data.iter().filter_map(|line| line["amount_total"].as_i64());
        let amount = amounts.fold(0_i64, i64::saturating_add);
        if amount > AMOUNT_MAX {
            return Err(Refusal::invalid("Amount must be no more than $999,999.99").code("amount_too_large"));
        }
        let is_recurring = data.iter().any(|line| !line["price"]["recurring"].is_null());
        Ok(Lines { data, currency, amount, is_recurring })
    }

    fn read_line(&mut self, item: &Fields<'_>) -> Result<Value, Refusal> {
        item.only(&["price", "price_data", "quantity", "adjustable_quantity", "tax_rates"])?;
        let (price, description) = match (item.text("price")?, item.part("price_data")?) {
            (Some(id), None) => {
                let price = self.shelves.get(Kind::Price, id, &item.name("price"))?.clone();
                let description = super::text(&price, "product");
                (price, description)
            }
            (None, Some(data)) => self.read_price(&data)?,
            (Some(_), Some(_)) => {
                return Err(Refusal::invalid("You may only specify one of these parameters: price, price_data.")
                    .param(item.name("price")));
            }
            (None, None) => return Err(Refusal::parameter_missing(&item.name("price"))),
        };
        let quantity = item.integer("quantity")?.ok_or_else(|| Refusal::parameter_missing(&item.name("quantity")))?;
        if quantity < 1 {
            return Err(Refusal::invalid("Invalid quantity: must be at least 1.").param(item.name("quantity")));
        }
        let amount = price["unit_amount"].as_i64().unwrap_or_default().saturating_mul(quantity);
        Ok(json!({
            "id": new_id("li_"), "object": "item", "amount_discount": 0, "amount_subtotal": amount, "amount_tax": 0,
            "amount_total": amount, "currency": price["currency"], "description": description, "price": price,
            "quantity": quantity,
        }))
    }

    /// An inline price, which is kept like any other, but inactive: it cannot be used again.
    fn read_price(&mut self, data: &Fields<'_>) -> Result<(Value, String), Refusal> {
        data.only(&["currency", "unit_amount", "product", "product_data", "recurring", "tax_behavior"])?;
        let currency = data.required("currency")?;
        if currency.len() != 3 || !currency.chars().all(|letter| letter.is_ascii_alphabetic()) {
            return Err(Refusal::invalid(format!("Invalid currency: {currency}.")).param(data.name("currency")));
        }
        let amount = data.integer("unit_amount")?;
        let amount = amount.ok_or_else(|| Refusal::parameter_missing(&data.name("unit_amount")))?;
        if amount < 0 {
            return Err(Refusal::invalid("Invalid non-negative integer").param(data.name("unit_amount")));
        }
        let (product, description) = match (data.text("product")?, data.part("product_data")?) {
            (Some(product), None) => (product.to_owned(), product.to_owned()),
            (None, Some(product)) => (new_id("prod_"), product.required("name")?.to_owned()),
            _ => return Err(Refusal::parameter_missing(&data.name("product_data"))),
        };
        let recurring = data.part("recurring")?.map(|part| read_recurring(&part)).transpose()?;
        let mut price = self.price(&Kind::Price.new_id(), (currency, amount), &product, recurring);
        price["active"] = false.into();
        self.shelves.put(Kind::Price, price.clone());
        Ok((price, description))
    }
}

fn read_recurring(part: &Fields<'_>) -> Result<Value, Refusal> {
    part.only(&["interval", "interval_count"])?;
    let name = part.required("interval")?;
    let interval = Interval::find(name).ok_or_else(|| {
        Refusal::invalid("Invalid recurring[interval]: must be one of day, week, month, or year")
            .param(part.name("interval"))
    })?;
    let count = part.integer("interval_count")?.unwrap_or(1);
    let count = u32::try_from(count).ok().filter(|count| (1..=interval.count_max()).contains(count));
    let invalid = || Refusal::invalid("Invalid interval_count").param(part.name("interval_count"));
    Ok(recurring(name, count.ok_or_else(invalid)?))
}

fn recurring(interval: &str, count: u32) -> Value {
    json!({"interval": interval, "interval_count": count, "meter": null, "trial_period_days": null, "usage_type": "licensed"})
}
