//! `GET /api/v1/billing/plans`, `GET /api/v1/billing/packs`, `GET /api/v1/billing/invoices` and
//! `POST /api/v1/credits/purchase`.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use shared::billing::purchase::Item;
use shared::billing::{invoice, offer};
use uuid::Uuid;

use super::billing_bodies::PurchaseBody;
use super::checkout::{CheckoutAnswer, check_out};
use super::{Tag, json_answer, rate_headers, responses};
use crate::auth::{Caller, SignedUp};
use crate::error::{ApiError, Code};
use crate::idempotency::IdempotencyKey;
use crate::pagination::{Cursor, limit_default};
use crate::payload::Checked;
use crate::state::ApiState;

pub(crate) struct BillingApi;

/// How often a plan is paid.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "lowercase")]
enum PlanInterval {
    Monthly,
    Yearly,
}

/// Credits every month, paid by the month or the year. Unused credits stay.
#[derive(Debug, Object)]
struct Plan {
    /// Names the plan.
    plan_id: Uuid,
    /// What customers read.
    name: String,
    /// A sentence about it.
    #[oai(nullable)]
    description: Option<String>,
    /// How often it is paid.
    interval: PlanInterval,
    /// Credits that come each month, also of a plan that is paid by the year.
    credits_per_month: i32,
    /// The price of one interval, in cents of `currency`.
    amount_cents: i64,
    /// Three letters, as in ISO 4217.
    currency: String,
    /// Whether it can be subscribed to here.
    for_sale: bool,
    /// What it brings besides.
    features: Vec<String>,
}

/// All plans.
#[derive(Debug, Object)]
struct Plans {
    /// The cheapest first.
    items: Vec<Plan>,
}

/// Credits to be bought once.
#[derive(Debug, Object)]
struct Pack {
    /// Names the pack.
    pack_id: String,
    /// What customers read.
    name: String,
    /// Credits it brings.
    credits: i32,
    /// Its price, in cents of `currency`.
    amount_cents: i32,
    /// Three letters, as in ISO 4217.
    currency: String,
}

/// All packs.
#[derive(Debug, Object)]
struct Packs {
    /// The cheapest first.
    items: Vec<Pack>,
}

/// Whether an invoice is paid.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "lowercase")]
enum InvoiceStatus {
    Paid,
    Pending,
    Failed,
}

/// An invoice for one interval of a plan.
#[derive(Debug, Object)]
struct Invoice {
    /// Names the invoice.
    invoice_id: Uuid,
    /// Its number, as it is printed on it.
    invoice_number: String,
    /// The plan it is for.
    plan_name: String,
    /// Its total, in cents of the currency it was paid in.
    amount_cents: i64,
    /// Whether it is paid.
    status: InvoiceStatus,
    /// When it was made.
    date: DateTime<Utc>,
}

/// One page of invoices.
#[derive(Debug, Object)]
struct InvoicePage {
    /// Newest first.
    items: Vec<Invoice>,
    /// The `cursor` of the page after this one; null on the last.
    #[oai(nullable)]
    next: Option<String>,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Billing")]
impl BillingApi {
    /// The plans on offer
    ///
    /// What is not `for_sale` is shown and cannot be subscribed to here, as a free plan.
    #[oai(path = "/billing/plans", method = "get", operation_id = "list_plans")]
    async fn list_plans(&self, state: Data<&ApiState>, caller: Caller) -> Result<Answer<Plans>, ApiError> {
        let desk = state.billing()?;
        let plans = offer::list_plans(&*state.database(caller.user_id()).await?).await?;
        Ok(Answer(Plans { items: plans.into_iter().map(|plan| Plan::new(plan, &desk.currency)).collect() }))
    }

    /// The packs of credits on sale
    ///
    /// A pack is bought once, with `create_purchase`.
    #[oai(path = "/billing/packs", method = "get", operation_id = "list_packs")]
    async fn list_packs(&self, state: Data<&ApiState>, caller: Caller) -> Result<Answer<Packs>, ApiError> {
        let desk = state.billing()?;
        let packs = offer::list_packs(&*state.database(caller.user_id()).await?).await?;
        Ok(Answer(Packs { items: packs.into_iter().map(|pack| Pack::new(pack, &desk.currency)).collect() }))
    }

    /// Buy a pack of credits
    ///
    /// Answers the address of a checkout page, which can be paid for an hour. The credits are there seconds after
    /// the payment, and once. With an `Idempotency-Key` a repeat within 24 hours is the same purchase.
    #[oai(path = "/credits/purchase", method = "post", operation_id = "create_purchase")]
    async fn create_purchase(
        &self,
        state: Data<&ApiState>,
        caller: SignedUp,
        /// The caller's name for this intent.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: Checked<PurchaseBody>,
    ) -> Result<CheckoutAnswer, ApiError> {
        check_out(&state, caller, &Item::Pack(body.0), &key).await
    }

    /// The caller's invoices, newest first
    ///
    /// Follow `next` until it is null. Packs have none: they are lines of the ledger, and the payment's provider sends
    /// a receipt.
    #[oai(path = "/billing/invoices", method = "get", operation_id = "list_invoices")]
    async fn list_invoices(
        &self,
        state: Data<&ApiState>,
        caller: Caller,
        /// Where to go on: the `next` of the page before.
        cursor: Query<Option<String>>,
        /// Most invoices on the page.
        #[oai(default = "limit_default", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u16>,
    ) -> Result<Answer<InvoicePage>, ApiError> {
        let after = Cursor::after(cursor.0.as_deref())?;
        let limit = limit.0;
        let found =
            invoice::list_invoices(&*state.database(caller.user_id()).await?, caller.user_id(), after, limit.into())
                .await?;
        let next = Cursor::next(&found, limit, |last| (last.date, last.invoice_id));
        Ok(Answer(InvoicePage { items: found.into_iter().map(Invoice::from).collect(), next }))
    }
}

impl Plan {
    fn new(plan: offer::Plan, currency: &str) -> Self {
        Self {
            plan_id: plan.plan_id,
            name: plan.name,
            description: plan.description,
            interval: if plan.interval == "yearly" { PlanInterval::Yearly } else { PlanInterval::Monthly },
            credits_per_month: plan.credits_per_month.get(),
            amount_cents: plan.amount_cents,
            currency: currency.to_owned(),
            for_sale: plan.for_sale,
            features: plan.features,
        }
    }
}

impl Pack {
    fn new(pack: offer::Pack, currency: &str) -> Self {
        Self {
            pack_id: pack.pack_id,
            name: pack.name,
            credits: pack.credits.get(),
            amount_cents: pack.amount_cents,
            currency: currency.to_owned(),
        }
    }
}

impl From<invoice::Invoice> for Invoice {
    fn from(invoice: invoice::Invoice) -> Self {
        Self {
            invoice_id: invoice.invoice_id,
            invoice_number: invoice.invoice_number,
            plan_name: invoice.plan_name,
            amount_cents: invoice.amount_cents,
            status: match invoice.status.as_str() {
                "paid" => InvoiceStatus::Paid,
                "pending" => InvoiceStatus::Pending,
                _ => InvoiceStatus::Failed,
            },
            date: invoice.date,
        }
    }
}

/// 200 with what was asked for.
pub(super) struct Answer<T>(pub(super) T);

impl<T: ToJSON> poem::IntoResponse for Answer<T> {
    fn into_response(self) -> poem::Response {
        Json(self.0.to_json()).into_response()
    }
}

impl<T: Type> ApiResponse for Answer<T> {
    fn meta() -> MetaResponses {
        let answer = json_answer(200, "What was asked for.", T::schema_ref(), rate_headers().into());
        let refusals = [
            Code::MalformedRequest,
            Code::InvalidToken,
            Code::BillingDisabled,
            Code::SubscriptionEnded,
            Code::InternalError,
            Code::Unavailable,
        ];
        responses(answer, &refusals)
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}
