//! SQL: subscriptions and checkouts that must be cancelled at Stripe because their user was deleted. Triggers on
//! `gateway.subscription` and `gateway.purchase` note them in the transaction that deletes the user.

use std::time::Duration;

use sqlx::PgPool;
use uuid::Uuid;

use super::stripe::Stripe;
use crate::provider::ProviderError;

/// Attempts for each, over about 30 days. After that its row stays, and counts as the oldest, until an operator acts.
pub const TRIES_MAX: i32 = 730;
/// How long a row that a worker took is left to that worker.
const TAKEN: Duration = Duration::from_mins(2);

/// The kind of object to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum StopKind {
    Subscription,
    /// A checkout that may still be paid, or was paid and has become a subscription.
    Checkout,
}

/// An object to cancel now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueStop {
    /// Its id at Stripe.
    pub provider_id: String,
    pub kind: StopKind,
    /// The deleted user.
    pub user_id: Uuid,
    /// Counted from 1.
    pub tries: i32,
}

/// Takes at most `limit` rows that are due, the oldest first. The worker must then delete each row or postpone it.
///
/// # Errors
/// Whatever the database says.
pub async fn take_due(pool: &PgPool, limit: i64) -> Result<Vec<DueStop>, sqlx::Error> {
    sqlx::query_as!(
        DueStop,
        r#"
        with due as (
            select provider_id from gateway.billing_stop
            where due_at <= gateway.now() and tries < $3
            order by due_at
            limit $1
            for update skip locked
        )
        update gateway.billing_stop
        set due_at = gateway.now() + make_interval(secs => $2), tries = tries + 1
        from due where billing_stop.provider_id = due.provider_id
        returning billing_stop.provider_id, kind as "kind: StopKind", user_id, tries
        "#,
        limit,
        TAKEN.as_secs_f64(),
        TRIES_MAX,
    )
    .fetch_all(pool)
    .await
}

/// Cancels the object at Stripe. Safe to repeat: an object that has ended or does not exist counts as cancelled.
///
/// # Errors
/// [`ProviderError`]: the object may still be active, and must be tried again.
pub async fn stop(stripe: &Stripe, due: &DueStop) -> Result<(), ProviderError> {
    match due.kind {
        StopKind::Subscription => stop_subscription(stripe, &due.provider_id).await,
        StopKind::Checkout => stop_checkout(stripe, &due.provider_id).await,
    }
}

async fn stop_subscription(stripe: &Stripe, id: &str) -> Result<(), ProviderError> {
    let refused = match stripe.cancel_subscription(id).await {
        Ok(_) => return Ok(()),
        Err(refused @ (ProviderError::NotFound | ProviderError::Rejected { .. })) => refused,
        Err(error) => return Err(error),
    };
    match stripe.find_subscription(id).await {
        Ok(found) if ["canceled", "incomplete_expired"].contains(&found.status.as_str()) => Ok(()),
        Ok(_) => Err(refused),
        Err(ProviderError::NotFound) => {
            tracing::warn!(provider_id = id, "Stripe does not know the subscription of a deleted user");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

async fn stop_checkout(stripe: &Stripe, id: &str) -> Result<(), ProviderError> {
    let refused = match stripe.expire_session(id).await {
        Ok(_) | Err(ProviderError::NotFound) => return Ok(()),
        Err(refused @ ProviderError::Rejected { .. }) => refused,
        Err(error) => return Err(error),
    };
    let session = stripe.find_session(id).await?;
    match (session.status.as_str(), &session.subscription) {
        ("open", _) => Err(refused),
        (_, Some(subscription)) => stop_subscription(stripe, subscription).await,
        (_, None) => Ok(()),
    }
}

/// Deletes the row of a cancelled object.
///
/// # Errors
/// Whatever the database says; the object is then cancelled again, which is harmless.
pub async fn end(pool: &PgPool, provider_id: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from gateway.billing_stop where provider_id = $1", provider_id).execute(pool).await?;
    Ok(())
}

/// Schedules another attempt after `wait`.
///
/// # Errors
/// Whatever the database says.
pub async fn put_off(pool: &PgPool, provider_id: &str, wait: Duration) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update gateway.billing_stop set due_at = gateway.now() + make_interval(secs => $2) where provider_id = $1",
        provider_id,
        wait.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// How long the oldest row has waited; zero if there is none.
///
/// # Errors
/// Whatever the database says.
pub async fn oldest(pool: &PgPool) -> Result<Duration, sqlx::Error> {
    let seconds = sqlx::query_scalar!(
        r#"
        select coalesce(extract(epoch from gateway.now() - min(noted_at)), 0)::float8 as "seconds!"
        from gateway.billing_stop
        "#
    )
    .fetch_one(pool)
    .await?;
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
