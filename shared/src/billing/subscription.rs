//! SQL: subscriptions and invoices, as the front end reads them, following the provider's.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::rules;
use super::stripe::{self, Period, Stripe};
use super::{object, purchase::Purchase};
use crate::ids::UserId;
use crate::ledger::{AnomalyKind, open_at_once};
use crate::provider::ProviderError;

/// Subscriptions listed at most.
const LISTED_MAX: i64 = 100;

/// Times a change is asked for because somebody else wrote meanwhile; asking again changes nothing.
const CHANGES_MAX: u8 = 5;

/// A subscription of a user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub subscription_id: Uuid,
    pub plan_id: Uuid,
    pub plan_name: String,
    /// `active`, `past_due`, `cancelled` or `expired`.
    pub status: String,
    pub period_start: Option<DateTime<Utc>>,
    pub period_end: Option<DateTime<Utc>>,
    pub cancel_at_period_end: bool,
    pub created_at: DateTime<Utc>,
}

/// Why a subscription cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("there is no such subscription of the user's")]
    NotFound,
    #[error("the subscription has ended, or is not billed here")]
    Ended,
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// A user's subscriptions, the newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(pool: &PgPool, user_id: UserId) -> Result<Vec<Subscription>, sqlx::Error> {
    sqlx::query_as!(
        Subscription,
        r#"
        select subscriptions.id as subscription_id, plan_id, left(name, 200) as "plan_name!",
               coalesce(left(status, 100), 'active') as "status!",
               case when current_period_start between '0001-01-01' and '9999-12-31' then current_period_start end
                   as period_start,
               case when current_period_end between '0001-01-01' and '9999-12-31' then current_period_end end
                   as period_end, coalesce(cancel_at_period_end, false) as "cancel_at_period_end!",
               least(greatest(coalesce(subscriptions.created_at, 'epoch'), '0001-01-01'), '9999-12-31')
                   as "created_at!"
        from public.subscriptions join public.billing_plans on billing_plans.id = plan_id
        where user_id = $1
        order by subscriptions.created_at desc nulls last, subscriptions.id limit $2
        "#,
        user_id as UserId,
        LISTED_MAX,
    )
    .fetch_all(pool)
    .await
}

/// Has a subscription end with its period, or go on after all; returns how it stands then.
///
/// # Errors
/// See [`ChangeError`].
pub async fn set_cancel(
    pool: &PgPool,
    stripe: &Stripe,
    user_id: UserId,
    (subscription_id, cancel): (Uuid, bool),
) -> Result<Subscription, ChangeError> {
    let found = sqlx::query!(
        r#"
        select provider_id as "provider_id?", coalesce(status in ('active', 'past_due'), false) as "is_live!"
        from public.subscriptions left join gateway.subscription on subscription_id = subscriptions.id
        where subscriptions.id = $1 and subscriptions.user_id = $2
        "#,
        subscription_id,
        user_id as UserId,
    )
    .fetch_optional(pool)
    .await?
    .ok_or(ChangeError::NotFound)?;
    let Some(provider_id) = found.provider_id.filter(|_| found.is_live) else { return Err(ChangeError::Ended) };
    for _ in 0..CHANGES_MAX {
        let seen = object::look(pool, &provider_id).await?;
        let changed = match stripe.set_cancel_at_period_end(&provider_id, cancel).await {
            Ok(changed) => changed,
            Err(ProviderError::Rejected { .. } | ProviderError::NotFound) => return Err(ChangeError::Ended),
            Err(error) => return Err(error.into()),
        };
        let mut tx = pool.begin().await?;
        // Somebody who wrote meanwhile may have read it before this: it is asked for once more.
        if object::claim(&mut tx, &seen).await? {
            follow(&mut tx, subscription_id, &changed).await?;
            tx.commit().await?;
            break;
        }
    }
    let all = list(pool, user_id).await?;
    all.into_iter().find(|one| one.subscription_id == subscription_id).ok_or(ChangeError::NotFound)
}

/// Writes how a subscription stands; `None` while its first payment is awaited.
pub(super) async fn follow(
    connection: &mut PgConnection,
    subscription_id: Uuid,
    subscription: &stripe::Subscription,
) -> Result<(), sqlx::Error> {
    let Some(status) = rules::subscription_status(&subscription.status, subscription.ended_for()) else {
        return Ok(());
    };
    let period = subscription.period();
    sqlx::query!(
        r#"
        update public.subscriptions
        set status = $2, current_period_start = coalesce($3, current_period_start),
            current_period_end = coalesce($4, current_period_end), cancel_at_period_end = $5, updated_at = now()
        where id = $1
        "#,
        subscription_id,
        status,
        period.map(|period| period.start),
        period.map(|period| period.end),
        subscription.cancel_at_period_end,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Opens an anomaly if a user has more than one active subscription: each is paid for, and brings its credits.
pub(super) async fn tell_of_second(connection: &mut PgConnection, user_id: UserId) -> Result<(), sqlx::Error> {
    let live = sqlx::query_scalar!(
        r#"
        select count(*) as "live!" from gateway.subscription join public.subscriptions on subscriptions.id = subscription_id
        where subscription.user_id = $1 and subscriptions.status in ('active', 'past_due')
        "#,
        user_id as UserId,
    )
    .fetch_one(&mut *connection)
    .await?;
    if live <= 1 {
        return Ok(());
    }
    open_at_once(connection, (AnomalyKind::TwoSubscriptions, user_id.0), (live, 1), "").await
}

/// Our row of a subscription of the provider's, if there is one.
pub(super) async fn find(pool: &PgPool, provider_id: &str) -> Result<Option<(Uuid, Uuid)>, sqlx::Error> {
    let row = sqlx::query!(
        "select subscription_id, purchase_id from gateway.subscription where provider_id = $1",
        provider_id
    );
    Ok(row.fetch_optional(pool).await?.map(|row| (row.subscription_id, row.purchase_id)))
}

/// Whether the purchase brought another subscription than this.
pub(super) async fn is_of_another(pool: &PgPool, purchase_id: Uuid, provider_id: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select exists (select from gateway.subscription where purchase_id = $1 and provider_id <> $2) as "other!"
        "#,
        purchase_id,
        provider_id,
    )
    .fetch_one(pool)
    .await
}

/// Our row of a subscription of the provider's, made if it is new.
pub(super) async fn ensure(
    connection: &mut PgConnection,
    purchase: &Purchase,
    provider_id: &str,
) -> Result<Uuid, sqlx::Error> {
    let row = sqlx::query_scalar!(
        r#"
        with known as (select subscription_id from gateway.subscription where provider_id = $1),
        shown as (
            insert into public.subscriptions (user_id, plan_id, status, created_at)
            select user_id, plan_id, 'active', gateway.now() from gateway.purchase
            where purchase_id = $2 and not exists (select from known)
            returning id
        ), kept as (
            insert into gateway.subscription (subscription_id, provider_id, user_id, purchase_id)
            select id, $1, $3, $2 from shown
        )
        select coalesce((select subscription_id from known), (select id from shown)) as "id!"
        "#,
        provider_id,
        purchase.purchase_id,
        purchase.user_id as UserId,
    );
    row.fetch_one(connection).await
}

/// Writes an invoice as it stands, and returns our id of it.
pub(super) async fn ensure_invoice(
    connection: &mut PgConnection,
    purchase: &Purchase,
    subscription_id: Uuid,
    invoice: &stripe::Invoice,
) -> Result<Uuid, sqlx::Error> {
    let status = rules::invoice_status(&invoice.status, invoice.attempted);
    // Until it is final an invoice has no number.
    let number = invoice.number.as_deref().unwrap_or(&invoice.id);
    let known = sqlx::query_scalar!(
        r#"
        update public.invoices set status = $2, amount = $3::bigint / 100.0, invoice_number = $4
        from gateway.invoice where invoices.id = invoice_id and provider_id = $1
        returning invoice_id
        "#,
        invoice.id,
        status,
        invoice.total,
        number,
    );
    if let Some(known) = known.fetch_optional(&mut *connection).await? {
        return Ok(known);
    }
    sqlx::query_scalar!(
        r#"
        with shown as (
            insert into public.invoices (user_id, invoice_number, amount, status, plan_name, date)
            values ($1, $2, $3::bigint / 100.0, $4, $5, $6)
            returning id
        )
        insert into gateway.invoice (invoice_id, provider_id, subscription_id)
        select id, $7, $8 from shown
        returning invoice_id
        "#,
        purchase.user_id as UserId,
        number,
        invoice.total,
        status,
        purchase.name,
        invoice.created,
        invoice.id,
        subscription_id,
    )
    .fetch_one(connection)
    .await
}

/// The period that an invoice pays for, or from now on where it names none.
pub(super) fn paid_from(invoice: &stripe::Invoice) -> DateTime<Utc> {
    invoice.period().map_or(invoice.created, |Period { start, .. }| start)
}
