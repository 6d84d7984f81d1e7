//! SQL: what somebody set out to buy. The row comes first, then the provider's checkout under its id, then the address
//! of that: whoever dies in between finds the same checkout again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use thiserror::Error;
use uuid::Uuid;

use super::stripe::{NewSession, Session, Stripe};
use crate::credits::Credits;
use crate::db;
use crate::ids::UserId;
use crate::provider::ProviderError;

/// How long a checkout can be paid.
pub const SESSION_LIFE: Duration = Duration::from_hours(1);
/// How long an idempotency key is kept.
const KEY_KEPT: Duration = Duration::from_hours(24);
/// How long a purchase without a checkout is taken up again: the provider makes none that lives under half an hour.
const RESUMED_WITHIN: Duration = Duration::from_mins(25);
/// Checkouts of one user that can be paid at one time, about.
const OPEN_MAX: i64 = 20;

/// What can be bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Pack(String),
    Plan(Uuid),
}

impl Item {
    fn fingerprint(&self) -> Vec<u8> {
        let text = match self {
            Self::Pack(id) => format!("pack:{id}"),
            Self::Plan(id) => format!("plan:{id}"),
        };
        Sha256::digest(text).to_vec()
    }
}

/// Where purchases are made.
#[derive(Debug, Clone, Copy)]
pub struct Till<'a> {
    pub pool: &'a PgPool,
    pub stripe: &'a Stripe,
    pub currency: &'a str,
    /// The page that customers come back to.
    pub return_url: &'a url::Url,
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

/// Why nothing can be bought. In every case nothing was taken.
#[derive(Debug, Error)]
pub enum PurchaseError {
    #[error("there is no such offer")]
    NotOnSale,
    #[error("the user has a subscription already")]
    AlreadySubscribed,
    #[error("the idempotency key was used with another request")]
    KeyReused,
    #[error("{OPEN_MAX} checkouts are open")]
    TooManyOpen,
    #[error("the user has no profile")]
    NoProfile,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// A purchase as its row has it.
#[derive(Debug, Clone)]
pub(super) struct Purchase {
    pub(super) purchase_id: Uuid,
    pub(super) user_id: UserId,
    pub(super) name: String,
    pub(super) credits: Credits,
    /// What one payment covers; none of a pack.
    pub(super) months: i16,
    pub(super) amount_cents: i32,
    pub(super) currency: String,
    pub(super) session_id: Option<String>,
    session_url: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// Begins to buy `item`: the address of a checkout that can be paid for [`SESSION_LIFE`].
///
/// With a `key`, a repeat within 24 hours is the same purchase.
///
/// # Errors
/// See [`PurchaseError`].
pub async fn buy(till: Till<'_>, user_id: UserId, item: &Item, key: Option<&str>) -> Result<Checkout, PurchaseError> {
    let purchase = match key {
        Some(key) => match of_key(till.pool, user_id, key, item).await? {
            Some(known) => known,
            None => begin(till, user_id, item, Some(key)).await?,
        },
        None => begin(till, user_id, item, None).await?,
    };
    let Purchase { purchase_id, expires_at, .. } = purchase;
    if let Some(url) = purchase.session_url {
        return Ok(Checkout { purchase_id, url, expires_at, replayed: true });
    }
    let session = open_session(till, &purchase).await?;
    let url = session.url.ok_or(PurchaseError::NotOnSale)?;
    sqlx::query!(
        "update gateway.purchase set session_id = $2, session_url = $3 where purchase_id = $1",
        purchase_id,
        session.id,
        url,
    )
    .execute(till.pool)
    .await?;
    Ok(Checkout { purchase_id, url, expires_at, replayed: false })
}

async fn open_session(till: Till<'_>, purchase: &Purchase) -> Result<Session, PurchaseError> {
    let customer_id = sqlx::query_scalar!(
        // As it was when the purchase began: a repeat must say the same.
        "select customer_id from gateway.customer where user_id = $1 and known_at <= $2",
        purchase.user_id as UserId,
        purchase.created_at,
    )
    .fetch_optional(till.pool)
    .await?;
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
    let new = NewSession {
        purchase_id: purchase.purchase_id,
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

/// The purchase that was begun under this key, if it can be gone on with.
async fn of_key(pool: &PgPool, user_id: UserId, key: &str, item: &Item) -> Result<Option<Purchase>, PurchaseError> {
    sqlx::query!(
        r#"
        update gateway.purchase set key = null
        where user_id = $1 and key = $2
          and (created_at <= gateway.now() - make_interval(secs => $3)
               or (session_id is null and created_at <= gateway.now() - make_interval(secs => $4)))
        "#,
        user_id as UserId,
        key,
        KEY_KEPT.as_secs_f64(),
        RESUMED_WITHIN.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    let found = sqlx::query!(
        "select purchase_id, fingerprint from gateway.purchase where user_id = $1 and key = $2",
        user_id as UserId,
        key,
    )
    .fetch_optional(pool)
    .await?;
    match found {
        None => Ok(None),
        Some(found) if found.fingerprint.as_deref() != Some(&item.fingerprint()[..]) => Err(PurchaseError::KeyReused),
        Some(found) => Ok(find(pool, found.purchase_id).await?),
    }
}

/// Writes the purchase at today's price.
async fn begin(till: Till<'_>, user_id: UserId, item: &Item, key: Option<&str>) -> Result<Purchase, PurchaseError> {
    let (pack_id, plan_id) = match item {
        Item::Pack(id) => (Some(id.as_str()), None),
        Item::Plan(id) => (None, Some(*id)),
    };
    let id = Uuid::now_v7();
    let row = sqlx::query_file!(
        "src/billing/begin.sql",
        id,
        user_id as UserId,
        pack_id,
        plan_id,
        till.currency,
        key,
        item.fingerprint(),
        SESSION_LIFE.as_secs_f64(),
        OPEN_MAX,
    )
    .fetch_one(till.pool)
    .await;
    let row = match row {
        // Another request under this key was quicker: the two are one.
        Err(error) if db::constraint_name(&error) == Some("purchase_key_once") => {
            let known = of_key(till.pool, user_id, key.unwrap_or_default(), item).await?;
            return known.ok_or(PurchaseError::Database(error));
        }
        row => row?,
    };
    match row {
        row if row.begun => find(till.pool, id).await?.ok_or(PurchaseError::Database(sqlx::Error::RowNotFound)),
        row if !row.user_known => Err(PurchaseError::NoProfile),
        row if !row.on_sale => Err(PurchaseError::NotOnSale),
        row if row.subscribed => Err(PurchaseError::AlreadySubscribed),
        _ => Err(PurchaseError::TooManyOpen),
    }
}

/// The purchase of this id.
pub(super) async fn find(pool: &PgPool, purchase_id: Uuid) -> Result<Option<Purchase>, sqlx::Error> {
    sqlx::query_as!(
        Purchase,
        r#"
        select purchase_id, user_id as "user_id: UserId", name, credits as "credits: Credits", months, amount_cents,
               currency, session_id, session_url, created_at, expires_at
        from gateway.purchase where purchase_id = $1
        "#,
        purchase_id,
    )
    .fetch_optional(pool)
    .await
}

/// Writes how a purchase ended, in the caller's transaction. Paid is final.
pub(super) async fn end(connection: &mut PgConnection, purchase_id: Uuid, state: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update gateway.purchase set state = $2 where purchase_id = $1 and state <> 'paid'",
        purchase_id,
        state,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Remembers who the user is at the provider, from her first purchase on.
pub(super) async fn note_customer(
    connection: &mut PgConnection,
    user_id: UserId,
    customer_id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        insert into gateway.customer (user_id, customer_id, known_at) values ($1, $2, gateway.now())
        on conflict do nothing
        "#,
        user_id as UserId,
        customer_id,
    )
    .execute(connection)
    .await?;
    Ok(())
}
