//! The port to Stripe: the few calls that selling credits takes, in this file; `wire` knows Stripe's JSON
//! (docs/adr/0011-a-thin-client-for-stripe.md).
//!
//! Every call may be repeated: readings by nature, the others because they carry an idempotency key or set a state. An
//! answer is read as one version of the API has it, whatever the account's own is.

mod charges;
mod metadata;
mod wire;

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use url::Url;

use crate::config::Billing;
use crate::loopback::is_loopback;
use crate::provider::http::{self, Meters, exchange, measured};
use crate::provider::{ProviderError, Reason};
use crate::retry;
use crate::telemetry::names;

use charges::{Charge, Dispute, PaymentIntent, SettledCharge};
use wire::{EventPage, List};

pub use charges::Payment;
pub use metadata::Metadata;
pub use wire::{Event, Invoice, NewSession, PaidBy, Period, Session, Subscription};

const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("stripe-version"), HeaderValue::from_static("2025-03-31.basil"));
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long one try may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Tries of one call that finds Stripe unavailable, the first included, and how late the last may begin.
const TRIES_MAX: u32 = 3;
const TRIES_WITHIN: Duration = Duration::from_secs(6);
/// The largest answer that is read: a page of 100 events has a few hundred kilobytes.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Objects on one page of a list, as many as Stripe gives.
const PAGE_MAX: usize = 100;

const METERS: Meters =
    Meters { peer: "stripe", calls: names::PAYMENT_CALLS_TOTAL, seconds: names::PAYMENT_CALL_SECONDS };

/// Stripe, by its HTTP API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stripe {
    http: Client,
    api_url: Url,
}

/// The settings do not make a client.
#[derive(Debug, thiserror::Error)]
pub enum StripeSetupError {
    #[error("STRIPE_SECRET_KEY holds characters that cannot be sent")]
    Key,
    #[error("the HTTP client could not be built")]
    Client(#[from] reqwest::Error),
}

impl Stripe {
    /// A client by these settings. Connects to nothing yet.
    ///
    /// # Errors
    /// [`StripeSetupError`], at start only.
    pub fn new(settings: &Billing) -> Result<Self, StripeSetupError> {
        let bearer = format!("Bearer {}", settings.secret_key.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| StripeSetupError::Key)?;
        bearer.set_sensitive(true);
        let local = settings.api_url.host().is_some_and(|host| is_loopback(&host));
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer), VERSION]);
        Ok(Self { http: http::client(local).default_headers(headers).build()?, api_url: settings.api_url.clone() })
    }

    /// Makes a checkout, once for each purchase however often it is called within a day.
    ///
    /// # Errors
    /// [`ProviderError`]; repeating it is safe in any case.
    pub async fn create_session(&self, new: &NewSession<'_>) -> Result<Session, ProviderError> {
        let made = self.post_session(new, &new.purchase_id.to_string()).await;
        match made {
            // The customer may have been deleted at Stripe. Then a new one is made.
            Err(ProviderError::Rejected { .. }) if new.customer_id.is_some() => {
                let unknown = NewSession { customer_id: None, ..*new };
                self.post_session(&unknown, &format!("{}:new", new.purchase_id)).await
            }
            made => made,
        }
    }

    async fn post_session(&self, new: &NewSession<'_>, key: &str) -> Result<Session, ProviderError> {
        let form = wire::session_form(new);
        self.call("create_session", || {
            self.http.post(self.url(&["checkout", "sessions"])).header(IDEMPOTENCY_KEY, key).form(&form)
        })
        .await
    }

    /// # Errors
    /// [`ProviderError`]; `NotFound` where Stripe has no such checkout.
    pub async fn find_session(&self, id: &str) -> Result<Session, ProviderError> {
        self.find("find_session", &["checkout", "sessions", id], &[]).await
    }

    /// Closes a checkout that nobody has paid.
    ///
    /// # Errors
    /// [`ProviderError`]; `Rejected` where it is not open any more.
    pub async fn expire_session(&self, id: &str) -> Result<Session, ProviderError> {
        self.call("expire_session", || self.http.post(self.url(&["checkout", "sessions", id, "expire"]))).await
    }

    /// # Errors
    /// [`ProviderError`]; `NotFound` where Stripe has no such subscription.
    pub async fn find_subscription(&self, id: &str) -> Result<Subscription, ProviderError> {
        self.find("find_subscription", &["subscriptions", id], &[]).await
    }

    /// Has a subscription end with its period, or go on after all.
    ///
    /// # Errors
    /// [`ProviderError`]; `Rejected` where it has ended already.
    pub async fn set_cancel_at_period_end(&self, id: &str, cancel: bool) -> Result<Subscription, ProviderError> {
        let form = [("cancel_at_period_end", if cancel { "true" } else { "false" })];
        self.call("update_subscription", || self.http.post(self.url(&["subscriptions", id])).form(&form)).await
    }

    /// Cancels a subscription immediately: nothing more is billed, and nothing is refunded.
    ///
    /// # Errors
    /// [`ProviderError`]; `NotFound` also if it has ended already.
    pub async fn cancel_subscription(&self, id: &str) -> Result<Subscription, ProviderError> {
        self.call("cancel_subscription", || self.http.delete(self.url(&["subscriptions", id]))).await
    }

    /// # Errors
    /// [`ProviderError`]; `NotFound` where Stripe has no such invoice.
    pub async fn find_invoice(&self, id: &str) -> Result<Invoice, ProviderError> {
        self.find("find_invoice", &["invoices", id], &[("expand[]", "payments")]).await
    }

    /// # Errors
    /// [`ProviderError`]; `NotFound` where Stripe has no such payment.
    pub async fn find_payment(&self, id: &str) -> Result<Payment, ProviderError> {
        let path = ["payment_intents", id];
        let intent: PaymentIntent = self.find("find_payment", &path, &[("expand[]", "latest_charge")]).await?;
        let Some(charge) = intent.latest_charge else {
            let (currency, charged) = (intent.currency, intent.amount_received);
            return Ok(Payment { id: id.to_owned(), currency, charged, reversed: 0, is_clear: true });
        };
        let (mut reversed, mut is_clear) = (charge.amount_refunded, true);
        if charge.disputed {
            let disputes: List<Dispute> =
                self.find("list_disputes", &["disputes"], &[("payment_intent", id), ("limit", "100")]).await?;
            for dispute in disputes.data.iter().filter(|dispute| dispute.holds_money()) {
                match self.held(dispute, &charge).await? {
                    Some(held) => reversed = reversed.saturating_add(held),
                    None => is_clear = false,
                }
            }
        }
        let Charge { currency, amount_captured: charged, .. } = charge;
        Ok(Payment { id: id.to_owned(), currency, charged, reversed, is_clear })
    }

    /// The part of its charge that a dispute holds, in the charge's units; `None` if they have no currency in common.
    async fn held(&self, dispute: &Dispute, charge: &Charge) -> Result<Option<i64>, ProviderError> {
        if let Some(held) = dispute.held_of(charge) {
            return Ok(Some(held));
        }
        let path = ["charges", &charge.id];
        let settled: SettledCharge = self.find("find_charge", &path, &[("expand[]", "balance_transaction")]).await?;
        Ok(settled.balance_transaction.and_then(|brought| dispute.held_of_settled(charge, &brought)))
    }

    /// The events of a window of the kinds we know, newest first, and the id of the last one if there are more.
    ///
    /// # Errors
    /// [`ProviderError`]
    pub async fn list_events(
        &self,
        kinds: &[&str],
        (since, until): (DateTime<Utc>, DateTime<Utc>),
        after: Option<&str>,
    ) -> Result<(Vec<Event>, Option<String>), ProviderError> {
        let (since, until) = (since.timestamp().to_string(), until.timestamp().to_string());
        let limit = PAGE_MAX.to_string();
        let mut query = vec![("limit", &limit[..]), ("created[gte]", &since), ("created[lte]", &until)];
        query.extend(kinds.iter().map(|kind| ("types[]", *kind)));
        query.extend(after.map(|id| ("starting_after", id)));
        let page: EventPage = self.find("list_events", &["events"], &query).await?;
        let next = page.data.last().filter(|_| page.has_more).map(|event| event.id.clone());
        Ok((page.data, next))
    }

    async fn find<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, ProviderError> {
        self.call(operation, || self.http.get(self.url(path)).query(query)).await
    }

    /// One call, tried again while Stripe is unavailable.
    async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, ProviderError> {
        retry::in_place(TRIES_MAX, TRIES_WITHIN, || {
            let request = request().timeout(CALL_TIMEOUT);
            measured(METERS, operation, async move {
                let answer = exchange(request, BODY_BYTES_MAX).await.map_err(ProviderError::unavailable)?;
                if !answer.status.is_success() {
                    return Err(refused(answer.status, answer.retry_after));
                }
                serde_json::from_slice(&answer.body).map_err(|_| ProviderError::unavailable(Reason::Undecodable))
            })
        })
        .await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.api_url.clone();
        url.path_segments_mut().expect("an http address, by its rule").pop_if_empty().push("v1").extend(path);
        url
    }
}

/// 409 is another request under the same key that has not ended, or one that holds the object.
fn refused(status: StatusCode, retry_after: Option<Duration>) -> ProviderError {
    let reason = Reason::Http(status.as_u16());
    match status.as_u16() {
        400 | 402 | 422 => ProviderError::Rejected { reason },
        404 => ProviderError::NotFound,
        409 | 424 => ProviderError::Unavailable { reason, alarm: false, retry_after },
        _ => ProviderError::of_status(status, retry_after),
    }
}
