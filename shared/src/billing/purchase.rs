//! SQL: what somebody set out to buy, at the price of that moment.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use thiserror::Error;
use uuid::Uuid;

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
/// How long to wait for the subscription of a paid checkout: as long as Stripe lists the event that announces it.
const AWAITED: Duration = Duration::from_hours(24 * 30);
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
    pack_id: Option<String>,
    plan_id: Option<Uuid>,
    pub(super) name: String,
    pub(super) credits: Credits,
    /// What one payment covers; none of a pack.
    pub(super) months: i16,
    pub(super) amount_cents: i32,
    pub(super) currency: String,
    fingerprint: Option<Vec<u8>>,
    pub(super) session_id: Option<String>,
    pub(super) session_url: Option<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    /// Whether the provider would still make a checkout for it.
    pub(super) is_fresh: bool,
}

impl Purchase {
    /// What is bought.
    pub(super) fn item(&self) -> Item {
        match (&self.pack_id, self.plan_id) {
            (Some(id), _) => Item::Pack(id.clone()),
            (None, Some(id)) => Item::Plan(id),
            (None, None) => unreachable!("purchase_of_one_thing: a purchase is of a pack or of a plan"),
        }
    }

    /// Whether this is the item that is bought.
    pub(super) fn is_of(&self, item: &Item) -> bool {
        self.fingerprint.as_deref() == Some(&item.fingerprint()[..])
    }
}

/// What became of the wish to buy something.
#[derive(Debug)]
pub(super) enum Begun {
    New(Purchase),
    /// The user has an open checkout for a plan, and may have only one at a time. Stripe knows whether it can still be
    /// paid, or was paid.
    Open(Purchase),
}

/// The purchase that was begun under this key, if it can be gone on with.
pub(super) async fn of_key(
    pool: &PgPool,
    user_id: UserId,
    key: &str,
    item: &Item,
) -> Result<Option<Purchase>, PurchaseError> {
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
pub(super) async fn begin(
    pool: &PgPool,
    currency: &str,
    user_id: UserId,
    (item, key): (&Item, Option<&str>),
) -> Result<Begun, PurchaseError> {
    let (pack_id, plan_id) = match item {
        Item::Pack(id) => (Some(id.as_str()), None),
        Item::Plan(id) => (None, Some(*id)),
    };
    let id = Uuid::now_v7();
    let mut tx = pool.begin().await?;
    let row = sqlx::query_file!(
        "src/billing/begin.sql",
        id,
        user_id as UserId,
        pack_id,
        plan_id,
        currency,
        key,
        item.fingerprint(),
        SESSION_LIFE.as_secs_f64(),
        OPEN_MAX,
    )
    .fetch_one(&mut *tx)
    .await;
    let row = match row {
        // Another request under this key was quicker: the two are one.
        Err(error) if db::constraint_name(&error) == Some("purchase_key_once") => {
            tx.rollback().await?;
            let known = of_key(pool, user_id, key.unwrap_or_default(), item).await?;
            return known.map(Begun::New).ok_or(PurchaseError::Database(error));
        }
        Err(error) if db::constraint_name(&error) == Some("purchase_of_one_plan") => {
            tx.rollback().await?;
            // Where it has just ended, a repeat begins anew.
            return open_plan(pool, user_id).await?.map(Begun::Open).ok_or(PurchaseError::TooManyOpen);
        }
        Err(error) if db::is_foreign_key_violation(&error) => return Err(PurchaseError::NoProfile),
        row => row?,
    };
    match row {
        row if row.begun => {
            // A separate statement: the insert may have waited until an earlier checkout was recorded as paid.
            if plan_id.is_some() && is_subscribed(&mut tx, user_id).await? {
                return Err(PurchaseError::AlreadySubscribed);
            }
            tx.commit().await?;
            let purchase = find(pool, id).await?.ok_or(PurchaseError::NoProfile)?;
            Ok(Begun::New(purchase))
        }
        row if !row.user_known => Err(PurchaseError::NoProfile),
        row if !row.on_sale => Err(PurchaseError::NotOnSale),
        _ => Err(PurchaseError::TooManyOpen),
    }
}

/// Whether the user has an active subscription, or has paid for one that is not known yet.
async fn is_subscribed(connection: &mut PgConnection, user_id: UserId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select exists (
            select from gateway.subscription join public.subscriptions on subscriptions.id = subscription_id
            where subscription.user_id = $1 and subscriptions.status in ('active', 'past_due')
        ) or exists (
            select from gateway.purchase left join gateway.subscription using (purchase_id)
            where purchase.user_id = $1 and purchase.plan_id is not null and purchase.state = 'paid'
              and subscription_id is null and purchase.expires_at > gateway.now() - make_interval(secs => $2)
        ) as "subscribed!"
        "#,
        user_id as UserId,
        AWAITED.as_secs_f64(),
    )
    .fetch_one(connection)
    .await
}

/// The user's open checkout for a plan.
async fn open_plan(pool: &PgPool, user_id: UserId) -> Result<Option<Purchase>, sqlx::Error> {
    let open = sqlx::query_scalar!(
        "select purchase_id from gateway.purchase where user_id = $1 and plan_id is not null and state = 'open'",
        user_id as UserId,
    );
    match open.fetch_optional(pool).await? {
        Some(purchase_id) => find(pool, purchase_id).await,
        None => Ok(None),
    }
}

/// Stores the checkout that Stripe made; `false` if the purchase was closed meanwhile, so that nobody may pay it.
pub(super) async fn keep_session(pool: &PgPool, purchase_id: Uuid, session: (&str, &str)) -> Result<bool, sqlx::Error> {
    let kept = sqlx::query!(
        "update gateway.purchase set session_id = $2, session_url = $3 where purchase_id = $1 and state = 'open'",
        purchase_id,
        session.0,
        session.1,
    )
    .execute(pool)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// Closes a purchase that has no checkout; if one is being made, it is not stored ([`keep_session`]). `false` if the
/// purchase has a checkout by now, or has ended.
pub(super) async fn close_unopened(pool: &PgPool, purchase_id: Uuid) -> Result<bool, sqlx::Error> {
    let closed = sqlx::query!(
        r#"
        update gateway.purchase set state = 'expired'
        where purchase_id = $1 and state = 'open' and session_id is null
        "#,
        purchase_id,
    )
    .execute(pool)
    .await?;
    Ok(closed.rows_affected() == 1)
}

/// The purchase of this id.
pub(super) async fn find(pool: &PgPool, purchase_id: Uuid) -> Result<Option<Purchase>, sqlx::Error> {
    sqlx::query_as!(
        Purchase,
        r#"
        select purchase_id, user_id as "user_id: UserId", pack_id, plan_id, name, credits as "credits: Credits", months, amount_cents,
               currency, fingerprint, session_id, session_url, created_at, expires_at,
               created_at > gateway.now() - make_interval(secs => $2) as "is_fresh!"
        from gateway.purchase where purchase_id = $1
        "#,
        purchase_id,
        RESUMED_WITHIN.as_secs_f64(),
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
