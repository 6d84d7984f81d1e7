//! `GET` and `POST /api/v1/subscriptions`, and having one end with its period or go on.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::{Enum, Object, OpenApi};
use shared::billing::purchase::Item;
use shared::billing::subscription::{self, ChangeError};
use uuid::Uuid;

use super::Tag;
use super::billing::Answer;
use super::billing_bodies::SubscriptionBody;
use super::checkout::{CheckoutAnswer, check_out};
use crate::auth::{Caller, SignedUp};
use crate::error::ApiError;
use crate::idempotency::IdempotencyKey;
use crate::payload::Checked;
use crate::state::ApiState;

pub(crate) struct SubscriptionsApi;

/// How a subscription stands.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
enum SubscriptionStatus {
    /// Paid.
    Active,
    /// The last payment failed; the provider tries again.
    PastDue,
    /// Ended on request.
    Cancelled,
    /// Ended because it was not paid.
    Expired,
}

/// A subscription to a plan.
#[derive(Debug, Object)]
struct Subscription {
    /// Names the subscription.
    subscription_id: Uuid,
    /// The plan.
    plan_id: Uuid,
    /// The plan's name.
    plan_name: String,
    /// How it stands.
    status: SubscriptionStatus,
    /// When what is paid began.
    #[oai(nullable)]
    current_period_start: Option<DateTime<Utc>>,
    /// When it ends: it is renewed then, unless `cancel_at_period_end`.
    #[oai(nullable)]
    current_period_end: Option<DateTime<Utc>>,
    /// Whether it ends then.
    cancel_at_period_end: bool,
    /// When it began.
    created_at: DateTime<Utc>,
}

/// A user's subscriptions.
#[derive(Debug, Object)]
struct Subscriptions {
    /// Newest first; the last 100.
    items: Vec<Subscription>,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Billing")]
impl SubscriptionsApi {
    /// The caller's subscriptions, newest first
    ///
    /// Those that have ended, too. A user has one at a time that goes on.
    #[oai(path = "/subscriptions", method = "get", operation_id = "list_subscriptions")]
    async fn list_subscriptions(
        &self,
        state: Data<&ApiState>,
        caller: Caller,
    ) -> Result<Answer<Subscriptions>, ApiError> {
        let found = subscription::list(&*state.database(caller.user_id()).await?, caller.user_id()).await?;
        Ok(Answer(Subscriptions { items: found.into_iter().map(Subscription::from).collect() }))
    }

    /// Subscribe to a plan
    ///
    /// Answers the address of a checkout page, which can be paid for an hour. The credits of the first month are there
    /// seconds after the payment. Price and credits stay as they were then, as long as the subscription goes on. To
    /// change plans, have the present one end first.
    #[oai(path = "/subscriptions", method = "post", operation_id = "create_subscription")]
    async fn create_subscription(
        &self,
        state: Data<&ApiState>,
        caller: SignedUp,
        /// The caller's name for this intent.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: Checked<SubscriptionBody>,
    ) -> Result<CheckoutAnswer, ApiError> {
        check_out(&state, caller, &Item::Plan(body.0), &key).await
    }

    /// Have a subscription end with its period
    ///
    /// What is paid stays paid: the credits of the months that are left still come.
    #[oai(path = "/subscriptions/:subscription_id/cancel", method = "post", operation_id = "cancel_subscription")]
    async fn cancel_subscription(
        &self,
        state: Data<&ApiState>,
        caller: Caller,
        /// The subscription.
        subscription_id: Path<String>,
    ) -> Result<Answer<Subscription>, ApiError> {
        change(&state, caller, (&subscription_id, true)).await
    }

    /// Have a subscription go on after all
    ///
    /// It is renewed at the end of its period, as if it had never been cancelled. One that has ended stays ended.
    #[oai(path = "/subscriptions/:subscription_id/resume", method = "post", operation_id = "resume_subscription")]
    async fn resume_subscription(
        &self,
        state: Data<&ApiState>,
        caller: Caller,
        /// The subscription.
        subscription_id: Path<String>,
    ) -> Result<Answer<Subscription>, ApiError> {
        change(&state, caller, (&subscription_id, false)).await
    }
}

async fn change(
    state: &ApiState,
    caller: Caller,
    (subscription_id, cancel): (&str, bool),
) -> Result<Answer<Subscription>, ApiError> {
    let desk = state.billing()?;
    let subscription_id = subscription_id.parse().map_err(|_| ApiError::from(ChangeError::NotFound))?;
    let wish = (subscription_id, cancel);
    let changed =
        subscription::set_cancel(&*state.database(caller.user_id()).await?, &desk.stripe, caller.user_id(), wish)
            .await?;
    Ok(Answer(changed.into()))
}

impl From<subscription::Subscription> for Subscription {
    fn from(found: subscription::Subscription) -> Self {
        Self {
            subscription_id: found.subscription_id,
            plan_id: found.plan_id,
            plan_name: found.plan_name,
            status: match found.status.as_str() {
                "active" => SubscriptionStatus::Active,
                "past_due" => SubscriptionStatus::PastDue,
                "expired" => SubscriptionStatus::Expired,
                _ => SubscriptionStatus::Cancelled,
            },
            current_period_start: found.period_start,
            current_period_end: found.period_end,
            cancel_at_period_end: found.cancel_at_period_end,
            created_at: found.created_at,
        }
    }
}
