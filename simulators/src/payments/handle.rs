//! What a test holds of a running simulator.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::engine::{Counts, DeliveryView, Ending};
use super::faults::PaymentsFault;
use super::shelf::Kind;
use super::{Platform, signature};
use crate::net::{Running, lock};

/// The longest that [`PaymentsHandle::delivered`] waits.
pub const DELIVERED_WAIT_MAX: Duration = Duration::from_secs(30);

/// Secrets an endpoint has at most: the old one and the new one.
const SECRETS_MAX: usize = 2;

/// A running simulator; it stops when this is dropped.
pub struct PaymentsHandle {
    platform: Arc<Platform>,
    running: Running,
}

impl PaymentsHandle {
    pub(super) fn new(platform: Arc<Platform>, running: Running) -> Self {
        Self { platform, running }
    }

    /// The root, which stands for `https://api.stripe.com`; `/v1`, the checkout pages and `/_sim` lie under it.
    #[must_use]
    pub fn url(&self) -> String {
        self.running.base_url()
    }

    /// The key that is accepted.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.platform.options.secret_key
    }

    /// The secrets that sign events, the newest first.
    #[must_use]
    pub fn webhook_secrets(&self) -> Vec<String> {
        self.platform.with(|engine| engine.endpoint.secrets.clone())
    }

    /// Signs with this secret too, as while an endpoint's secret is being changed.
    pub fn add_webhook_secret(&self, secret: impl Into<String>) {
        let secret = secret.into();
        self.platform.with(|engine| {
            engine.endpoint.secrets.insert(0, secret);
            engine.endpoint.secrets.truncate(SECRETS_MAX);
        });
    }

    /// Signs with the newest secret only.
    pub fn drop_old_webhook_secret(&self) {
        self.platform.with(|engine| engine.endpoint.secrets.truncate(1));
    }

    /// Sends events there from now on, those that wait too.
    pub fn set_webhook_url(&self, url: impl Into<String>) {
        let url = url.into();
        self.platform.with(|engine| engine.endpoint.url = Some(url));
    }

    /// The header of a body that the endpoint's secrets sign now.
    #[must_use]
    pub fn sign(&self, body: &str) -> String {
        signature::header(&self.webhook_secrets(), self.now().timestamp(), body)
    }

    /// Adds a price to the catalogue: recurring with an interval of `day`, `week`, `month` or `year`, else for one payment.
    pub fn add_price(&self, id: &str, currency: &str, amount: i64, interval: Option<&str>) {
        self.platform.with(|engine| engine.add_price(id, currency, amount, interval));
    }

    /// The customer pays; false if the session is not open. A scripted [`super::Decline`] makes it a failure.
    pub fn pay(&self, session: &str) -> bool {
        self.platform.with(|engine| engine.end_session(session, Ending::Paid))
    }

    /// The customer pays in a way that takes days; settled by [`PaymentsHandle::settle`]. Payments only.
    pub fn pay_later(&self, session: &str) -> bool {
        self.platform.with(|engine| engine.end_session(session, Ending::PaidLater))
    }

    /// What was paid later comes, or does not; false if nothing is under way.
    pub fn settle(&self, session: &str, succeeds: bool) -> bool {
        self.platform.with(|engine| engine.settle_session(session, succeeds))
    }

    /// The customer's card is declined; the session stays open.
    pub fn fail(&self, session: &str) -> bool {
        self.platform.with(|engine| engine.end_session(session, Ending::Failed))
    }

    /// The customer leaves; the session stays open until it expires.
    pub fn abandon(&self, session: &str) -> bool {
        self.platform.with(|engine| engine.end_session(session, Ending::Abandoned))
    }

    /// The customer's bank disputes a charge, named by itself or its payment intent; the dispute's id.
    #[must_use]
    pub fn dispute(&self, id: &str) -> Option<String> {
        self.platform.with(|engine| engine.dispute(id, None))
    }

    /// The same of a bank that disputes so much in a currency of its own, which is so many percent of the charge.
    #[must_use]
    pub fn dispute_in(&self, id: &str, (amount, currency): (i64, &str), percent: i64) -> Option<String> {
        self.platform.with(|engine| engine.dispute(id, Some((amount, currency, percent))))
    }

    /// From now on prices are shown and paid in this currency, at so many percent of the price, at checkouts that do not
    /// switch Adaptive Pricing off.
    pub fn adapt_prices(&self, currency: &str, percent: i64) {
        self.platform.with(|engine| engine.adaptive = Some((currency.to_owned(), percent)));
    }

    /// The bank decides a dispute; false if there is none, or it was decided.
    pub fn close_dispute(&self, id: &str, is_won: bool) -> bool {
        self.platform.with(|engine| engine.close_dispute(id, is_won))
    }

    /// Sends an event of any type and object, as of a kind that no version knew; its id.
    pub fn emit(&self, category: &str, object: Value) -> String {
        self.platform.with(|engine| engine.emit_object(category, object, None))
    }

    /// Sends an event again, as the dashboard does; false if there is none, or nowhere to send it.
    pub fn resend(&self, event: &str) -> bool {
        self.platform.with(|engine| engine.resend(event))
    }

    /// All objects of a kind, oldest first, with the fields of all versions.
    #[must_use]
    pub fn objects(&self, kind: Kind) -> Vec<Value> {
        self.platform.with(|engine| engine.shelves.all(kind).cloned().collect())
    }

    /// The object of this id.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<Value> {
        self.platform.with(|engine| engine.shelves.find(Kind::of(id)?, id).cloned())
    }

    /// The types of all events that were made, oldest first.
    #[must_use]
    pub fn event_types(&self) -> Vec<String> {
        let types = |event: Value| event["type"].as_str().unwrap_or_default().to_owned();
        self.objects(Kind::Event).into_iter().map(types).collect()
    }

    /// The webhook requests that were made, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<DeliveryView> {
        self.platform.with(|engine| engine.deliveries.iter().cloned().collect())
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.platform.with(|engine| engine.counts.clone())
    }

    /// Waits until nothing is left to send now; false if that takes too long.
    pub async fn delivered(&self) -> bool {
        let mut steps = self.platform.steps.subscribe();
        let is_idle = async {
            loop {
                let idle = {
                    let engine = lock(&self.platform.engine);
                    engine.outbox.is_empty() && !engine.sending
                };
                // The sender of steps lives as long as the platform.
                if idle || steps.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(DELIVERED_WAIT_MAX, is_idle).await.is_ok()
    }

    /// Adds a fault for calls and events to come.
    ///
    /// # Panics
    ///
    /// With [`crate::FAULTS_MAX`] live faults, which is an error in the test.
    pub fn script(&self, fault: impl Into<PaymentsFault>) {
        let fault = fault.into();
        assert!(self.platform.with(|engine| engine.script.add(fault)), "too many faults are scripted");
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.platform.with(|engine| engine.script.clear());
    }

    /// Moves the clock, by at most [`super::ADVANCE_MAX`]; all that becomes due happens at once, each at its own time.
    pub fn advance(&self, by: Duration) {
        self.platform.advance(by);
    }

    /// The simulator's time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.platform.clock.date()
    }

    /// Stops listening and breaks every connection: clients are refused until [`PaymentsHandle::go_online`].
    pub async fn go_offline(&self) {
        self.running.line().go_offline().await;
    }

    /// Listens again, on the same address.
    pub async fn go_online(&self) {
        self.running.line().go_online().await;
    }
}
