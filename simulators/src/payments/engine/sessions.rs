//! Checkout sessions: made, ended by the customer or by time.

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::charges::Bill;
use super::items::Lines;
use super::{Due, Engine, text};
use crate::payments::faults::Decline;
use crate::payments::form::Fields;
use crate::payments::refusal::Refusal;
use crate::payments::shelf::Kind;

/// When a session may expire, after it was made.
const LIFE_MIN: TimeDelta = TimeDelta::minutes(30);
const LIFE_MAX: TimeDelta = TimeDelta::hours(24);

const REFERENCE_CHARS_MAX: usize = 200;
/// The least that a payment may come to, in cents.
pub(super) const AMOUNT_MIN: i64 = 50;

const KNOWN: [&str; 27] = [
    "mode",
    "line_items",
    "success_url",
    "cancel_url",
    "client_reference_id",
    "metadata",
    "customer",
    "customer_email",
    "expires_at",
    "currency",
    "payment_intent_data",
    "subscription_data",
    "customer_creation",
    "payment_method_types",
    "allow_promotion_codes",
    "locale",
    "billing_address_collection",
    "automatic_tax",
    "submit_type",
    "ui_mode",
    "invoice_creation",
    "customer_update",
    "tax_id_collection",
    "consent_collection",
    "payment_method_options",
    "payment_method_collection",
    "adaptive_pricing",
];

/// How a visit of the checkout page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::payments) enum Ending {
    /// By card, at once, unless a decline is scripted.
    Paid,
    /// The card is declined; the session stays open.
    Failed,
    /// The customer leaves; the session stays open until it expires.
    Abandoned,
    /// By a method that takes days, as a bank debit: complete, and unpaid until it is settled.
    PaidLater,
}

impl Engine {
    pub(in crate::payments) fn create_session(&mut self, fields: &Fields<'_>) -> Result<Value, Refusal> {
        fields.only(&KNOWN)?;
        let mode = fields.required("mode")?;
        if !["payment", "subscription"].contains(&mode) {
            return Err(Refusal::invalid("Invalid mode: must be one of payment or subscription").param("mode"));
        }
        let success_url = fields.required("success_url")?;
        for name in ["success_url", "cancel_url"] {
            let url = fields.text(name)?;
            if url.is_some_and(|url| reqwest::Url::parse(url).is_err()) {
                return Err(Refusal::invalid("Not a valid URL").code("url_invalid").param(name));
            }
        }
        let reference = fields.text("client_reference_id")?;
        if reference.is_some_and(|reference| reference.chars().count() > REFERENCE_CHARS_MAX) {
            return Err(Refusal::invalid("Invalid string: must be at most 200 characters").param("client_reference_id"));
        }
        let expires_at = self.read_expiry(fields)?;
        let customer = self.read_customer(fields)?;
        let metadata = fields.metadata(&json!({}))?;
        let inner = if mode == "payment" { "payment_intent_data" } else { "subscription_data" };
        let inner = fields.part(inner)?.map_or(Ok(json!({})), |part| part.metadata(&json!({})))?;
        let adapts = match fields.part("adaptive_pricing")? {
            Some(part) => {
                part.only(&["enabled"])?;
                part.boolean("enabled")?
            }
            None => None,
        };
        let adapts = adapts.unwrap_or(self.adaptive.is_some());
        let lines = self.read_lines(fields)?;
        check_mode(mode, &lines)?;
        let id = Kind::Session.new_id();
        let session = json!({
            "id": id, "object": "checkout.session", "adaptive_pricing": {"enabled": adapts}, "amount_subtotal": lines.amount, "amount_total": lines.amount,
            "cancel_url": fields.text("cancel_url")?, "client_reference_id": reference, "created": self.unix(),
            "currency": lines.currency, "customer": customer, "customer_creation": fields.text("customer_creation")?,
            "customer_details": null, "customer_email": fields.text("customer_email")?, "expires_at": expires_at,
            "invoice": null, "livemode": false, "metadata": metadata, "mode": mode, "payment_intent": null,
            "payment_method_types": ["card"], "payment_status": "unpaid", "status": "open", "subscription": null,
            "success_url": success_url, "ui_mode": "hosted", "url": format!("{}/c/pay/{id}", self.base_url),
            "line_items": {"object": "list", "data": lines.data, "has_more": false,
                "url": format!("/v1/checkout/sessions/{id}/line_items")},
        });
        // What goes into the payment intent or the subscription once it is paid; Stripe does not show it.
        self.inner_metadata.put(&id, inner);
        self.shelves.put(Kind::Session, session.clone());
        self.counts.sessions_made += 1;
        if let Some(at) = DateTime::from_timestamp(expires_at, 0) {
            self.plan(at, Due::SessionExpires(id));
        }
        Ok(session)
    }

    fn read_expiry(&self, fields: &Fields<'_>) -> Result<i64, Refusal> {
        let (soonest, latest) = (self.now + LIFE_MIN, self.now + LIFE_MAX);
        let Some(at) = fields.integer("expires_at")? else { return Ok(latest.timestamp()) };
        if at < soonest.timestamp() {
            let message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.";
            return Err(Refusal::invalid(message).param("expires_at"));
        }
        if at > latest.timestamp() {
            let message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.";
            return Err(Refusal::invalid(message).param("expires_at"));
        }
        Ok(at)
    }

    fn read_customer<'f>(&self, fields: &Fields<'f>) -> Result<Option<&'f str>, Refusal> {
        let customer = fields.text("customer")?;
        if let Some(customer) = customer {
            self.shelves.get(Kind::Customer, customer, "customer")?;
            if fields.text("customer_email")?.is_some() {
                let message = "You may only specify one of these parameters: customer, customer_email.";
                return Err(Refusal::invalid(message).param("customer_email"));
            }
        }
        Ok(customer)
    }

    /// Ends an open session because its time has come, or on request.
    pub(in crate::payments) fn expire_session(&mut self, id: &str) -> Result<Value, Refusal> {
        let session = self.shelves.get(Kind::Session, id, "id")?;
        if session["status"] != "open" {
            let message = "Only Checkout Sessions with a status in [\"open\"] can be expired. ";
            return Err(Refusal::invalid(format!("{message}This Session has a status of {}.", session["status"])));
        }
        self.change(Kind::Session, id, json!({"status": "expired", "url": null}));
        self.emit("checkout.session.expired", Kind::Session, id, None);
        self.shelves.get(Kind::Session, id, "id").cloned()
    }

    /// The customer does this with an open session; false if there is none, or its mode has no such ending.
    pub(in crate::payments) fn end_session(&mut self, id: &str, ending: Ending) -> bool {
        let found = self.shelves.find(Kind::Session, id).filter(|session| session["status"] == "open");
        let Some(session) = found.cloned() else { return false };
        let subject = format!("{id}/{}", text(&session, "customer"));
        match ending {
            Ending::Abandoned => self.counts.abandoned += 1,
            Ending::Failed => self.fail_session(&session, &Decline::generic()),
            Ending::PaidLater if session["mode"] == "subscription" => return false,
            Ending::Paid | Ending::PaidLater => match self.take_decline(&subject) {
                Some(decline) => self.fail_session(&session, &decline),
                None => self.complete_session(&session, ending == Ending::Paid),
            },
        }
        true
    }

    fn fail_session(&mut self, session: &Value, decline: &Decline) {
        let intent = self.session_intent(session, session["customer"].clone());
        self.decline(&intent, decline);
    }

    /// The session's payment intent, made at the first attempt.
    fn session_intent(&mut self, session: &Value, customer: Value) -> String {
        if let Some(intent) = session["payment_intent"].as_str() {
            return intent.to_owned();
        }
        let id = text(session, "id");
        let bill = Bill {
            amount: session["amount_total"].as_i64().unwrap_or_default(),
            currency: session["currency"].as_str().unwrap_or_default(),
            customer,
            metadata: self.inner_metadata.find(&id),
            invoice: Value::Null,
            presentment: self.presentment(session),
        };
        let intent = self.make_payment_intent(&bill);
        // A session for a subscription never names one: its first invoice does.
        if session["mode"] == "payment" {
            self.change(Kind::Session, &id, json!({ "payment_intent": intent }));
        }
        intent
    }

    /// What the payer of a session sees, where its price is converted.
    fn presentment(&self, session: &Value) -> Value {
        match &self.adaptive {
            Some((currency, percent)) if session["adaptive_pricing"]["enabled"] == true => {
                let amount = session["amount_total"].as_i64().unwrap_or_default() * percent / 100;
                json!({"presentment_amount": amount, "presentment_currency": currency})
            }
            _ => Value::Null,
        }
    }

    fn complete_session(&mut self, session: &Value, is_paid: bool) {
        let id = text(session, "id");
        let email = session["customer_email"].as_str().unwrap_or("customer@example.com");
        let needs_customer = session["mode"] == "subscription" || session["customer_creation"] == "always";
        let customer = match session["customer"].as_str() {
            Some(customer) => json!(customer),
            None if needs_customer => json!(self.make_customer(Some(email))),
            None => Value::Null,
        };
        let done = if session["mode"] == "subscription" {
            let metadata = self.inner_metadata.find(&id);
            let (subscription, invoice) = self.start_subscription(session, &customer, &metadata);
            json!({"subscription": subscription, "invoice": invoice, "payment_status": "paid"})
        } else {
            let intent = self.session_intent(session, customer.clone());
            self.change(Kind::PaymentIntent, &intent, json!({"customer": customer, "status": "processing"}));
            if is_paid {
                self.succeed(&intent);
            }
            json!({"payment_intent": intent, "payment_status": if is_paid { "paid" } else { "unpaid" }})
        };
        self.change(Kind::Session, &id, done);
        let details = json!({"address": null, "email": email, "name": null, "phone": null, "tax_exempt": "none"});
        let ended = json!({"customer": customer, "customer_details": details, "status": "complete", "url": null});
        self.change(Kind::Session, &id, ended);
        self.emit("checkout.session.completed", Kind::Session, &id, None);
    }

    /// What was paid later comes, or not; false if no such payment is under way.
    pub(in crate::payments) fn settle_session(&mut self, id: &str, succeeds: bool) -> bool {
        let Some(session) = self.shelves.find(Kind::Session, id) else { return false };
        if session["status"] != "complete" || session["payment_status"] != "unpaid" {
            return false;
        }
        let intent = text(session, "payment_intent");
        if self.shelves.find(Kind::PaymentIntent, &intent).is_none_or(|intent| intent["status"] != "processing") {
            return false;
        }
        if succeeds {
            self.succeed(&intent);
            self.change(Kind::Session, id, json!({"payment_status": "paid"}));
            self.emit("checkout.session.async_payment_succeeded", Kind::Session, id, None);
        } else {
            self.decline(&intent, &Decline::generic());
            self.emit("checkout.session.async_payment_failed", Kind::Session, id, None);
        }
        true
    }
}

fn check_mode(mode: &str, lines: &Lines) -> Result<(), Refusal> {
    let message = match mode {
        "payment" if lines.is_recurring => {
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only \
             one-time prices."
        }
        "subscription" if !lines.is_recurring => {
            "You must provide at least one recurring price in `subscription` mode when using prices."
        }
        "payment" if lines.amount < AMOUNT_MIN => {
            let message = "The Checkout Session's total amount due must add up to at least $0.50 usd";
            return Err(Refusal::invalid(message).code("amount_too_small"));
        }
        _ => return Ok(()),
    };
    Err(Refusal::invalid(message).param("mode"))
}
