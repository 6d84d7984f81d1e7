//! Beginning to buy something. The purchase's row comes first, then the provider's checkout under its id, then the
//! address of that: whoever dies in between finds the same checkout again.

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use url::Url;
use uuid::Uuid;

use super::customer;
use super::purchase::{self, Begun, Item, Purchase, PurchaseError};
use super::stripe::{NewSession, Session, Stripe};
use crate::ids::UserId;
use crate::provider::ProviderError;

/// Times another checkout is closed to make room for this one.
const BEGUN_MAX: u8 = 3;

/// Where purchases are made.
#[derive(Debug, Clone, Copy)]
pub struct Till<'a> {
    pub pool: &'a PgPool,
    pub stripe: &'a Stripe,
    pub currency: &'a str,
    /// The page that customers come back to.
    pub return_url: &'a Url,
}

/// A checkout that can be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    pub purchase_id: Uuid,
    /// The provider's page.
    pub url: String,
    pub expires_at: DateTime<Utc>,
    /// Whether an earlier answer under the same key is repeated.
    pub replayed: bool,
}

/// Begins to buy `item`: returns the URL of a checkout that can be paid for [`purchase::SESSION_LIFE`].
///
/// With a `key`, a repeat within 24 hours is the same purchase. A user has one checkout for plans at a time: a request
/// for the same plan returns it again, one for another plan closes it. Stripe is queried first, so a paid checkout is
/// never replaced, however late its event arrives here.
///
/// # Errors
/// See [`PurchaseError`].
pub async fn buy(till: Till<'_>, user_id: UserId, item: &Item, key: Option<&str>) -> Result<Checkout, PurchaseError> {
    for _ in 0..BEGUN_MAX {
        let known = match key {
            Some(key) => purchase::of_key(till.pool, user_id, key, item).await?,
            None => None,
        };
        let begun = match known {
            Some(known) => Begun::New(known),
            None => purchase::begin(till.pool, till.currency, user_id, (item, key)).await?,
        };
        match begun {
            Begun::New(purchase) => return check_out(till, purchase).await,
            Begun::Open(open) if open.is_of(item) && still_open(till, &open).await? => {
                return check_out(till, open).await;
            }
            Begun::Open(other) => close(till, &other).await?,
        }
    }
    Err(PurchaseError::TooManyOpen)
}

async fn check_out(till: Till<'_>, purchase: Purchase) -> Result<Checkout, PurchaseError> {
    let Purchase { purchase_id, expires_at, .. } = purchase;
    if let Some(url) = purchase.session_url {
        return Ok(Checkout { purchase_id, url, expires_at, replayed: true });
    }
    let session = open_session(till, &purchase).await?;
    let url = session.url.ok_or(PurchaseError::NotOnSale)?;
    if !purchase::keep_session(till.pool, purchase_id, (&session.id, &url)).await? {
        // Another request closed this purchase while its checkout was being made. No caller has seen the checkout, and
        // a repeat of this request may have closed it.
        return match till.stripe.expire_session(&session.id).await {
            Ok(_) | Err(ProviderError::Rejected { .. } | ProviderError::NotFound) => Err(PurchaseError::TooManyOpen),
            Err(error) => Err(error.into()),
        };
    }
    Ok(Checkout { purchase_id, url, expires_at, replayed: false })
}

/// Whether the checkout of an open purchase can still be paid, or can still be made.
async fn still_open(till: Till<'_>, purchase: &Purchase) -> Result<bool, PurchaseError> {
    match &purchase.session_id {
        None => Ok(purchase.is_fresh),
        Some(session_id) => match till.stripe.find_session(session_id).await {
            Ok(session) => Ok(session.status == "open"),
            Err(ProviderError::NotFound) => Ok(false),
            Err(error) => Err(error.into()),
        },
    }
}

async fn open_session(till: Till<'_>, purchase: &Purchase) -> Result<Session, PurchaseError> {
    let customer_id = customer::find(till.pool, purchase).await?;
    let back = |outcome: &str| {
        let mut url = till.return_url.clone();
        url.query_pairs_mut()
            .append_pair("purchase", &purchase.purchase_id.to_string())
            .append_pair("outcome", outcome);
        url.to_string()
    };
    let interval = match purchase.months {
        0 => None,
        1 => Some("month"),
        _ => Some("year"),
    };
    let (success_url, cancel_url) = (back("paid"), back("left"));
    let item = purchase.item();
    let new = NewSession {
        purchase_id: purchase.purchase_id,
        user_id: purchase.user_id,
        item: &item,
        name: &purchase.name,
        amount_cents: purchase.amount_cents,
        currency: &purchase.currency,
        interval,
        customer_id: customer_id.as_deref(),
        expires_at: purchase.expires_at,
        success_url: &success_url,
        cancel_url: &cancel_url,
    };
    Ok(till.stripe.create_session(&new).await?)
}

/// Makes sure that a checkout cannot be paid any more. A checkout that was paid is a subscription, even if Stripe's
/// event has not arrived yet.
async fn close(till: Till<'_>, purchase: &Purchase) -> Result<(), PurchaseError> {
    let Some(session_id) = &purchase.session_id else {
        // If it has a checkout by now, the next attempt finds it.
        purchase::close_unopened(till.pool, purchase.purchase_id).await?;
        return Ok(());
    };
    let state = match till.stripe.expire_session(session_id).await {
        Ok(_) | Err(ProviderError::NotFound) => "expired",
        Err(ProviderError::Rejected { .. }) => {
            let session = till.stripe.find_session(session_id).await?;
            match (session.status.as_str(), session.payment_status.as_str()) {
                ("complete", "paid" | "no_payment_required") => "paid",
                // Paid by a method that takes days.
                ("complete", _) => return Err(PurchaseError::AlreadySubscribed),
                _ => "expired",
            }
        }
        Err(error) => return Err(error.into()),
    };
    // A new purchase is refused while the paid subscription is active, or not known yet (`purchase::begin`).
    let mut connection = till.pool.acquire().await?;
    Ok(purchase::end(&mut connection, purchase.purchase_id, state).await?)
}
