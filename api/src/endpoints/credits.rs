//! `GET /api/v1/credits` and `GET /api/v1/credits/transactions`.

use chrono::{DateTime, Utc};
use poem::web::Data;
use poem_openapi::param::Query;
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use shared::ledger::{self, Entry, EntryKind, Standing};
use uuid::Uuid;

use super::{Tag, json_answer, rate_headers, responses};
use crate::auth::Caller;
use crate::error::{ApiError, Code};
use crate::pagination::{Cursor, limit_default};
use crate::state::ApiState;

pub(crate) struct CreditsApi;

/// How a user's credits stand, in whole credits. Months begin at midnight UTC.
#[derive(Debug, Object)]
struct Credits {
    /// Credits that you can spend; never negative. Credits reserved by running generations are already subtracted.
    balance: i32,
    /// Credits that your generations under way have reserved. Those for outputs that are not delivered are refunded.
    reserved: i32,
    /// Credits reserved for generations since the month began; refunds are not subtracted.
    spent_this_month: i32,
    /// Credits refunded since the month began.
    refunded_this_month: i32,
    /// Credits that you owe because a payment was refunded or disputed after its credits were spent. While you owe any,
    /// no generation is accepted; the next purchase repays them first.
    debt: i32,
}

/// Why credits moved.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename = "LedgerEntryType", rename_all = "lowercase")]
enum KindName {
    Generation,
    Refund,
    Purchase,
    Subscription,
    Grant,
    Adjustment,
    Reversal,
}

/// One change of a user's balance. It is never changed or deleted.
#[derive(Debug, Object)]
#[oai(rename = "LedgerEntry")]
struct EntryBody {
    /// Names the entry.
    id: Uuid,
    /// Credits: positive adds, negative spends.
    amount: i32,
    /// Why credits moved, for programs.
    #[oai(rename = "type")]
    kind: KindName,
    /// Why credits moved, for people.
    reason: String,
    /// The generation that it pays for or gives back. Null for all other entries.
    #[oai(nullable)]
    generation_id: Option<Uuid>,
    /// The purchase whose payment brought it or took it back. Null for all other entries.
    #[oai(nullable)]
    purchase_id: Option<Uuid>,
    /// The plan, where a plan is what was bought. Null for all other entries.
    #[oai(nullable)]
    plan_id: Option<Uuid>,
    /// When it was written.
    created_at: DateTime<Utc>,
}

/// One page of a user's ledger.
#[derive(Debug, Object)]
#[oai(rename = "LedgerPage")]
struct Page {
    /// Newest first.
    items: Vec<EntryBody>,
    /// The `cursor` of the page after this one; null on the last.
    #[oai(nullable)]
    next: Option<String>,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Credits")]
impl CreditsApi {
    /// The caller's balance
    ///
    /// A user who was never given credits has 0.
    #[oai(path = "/credits", method = "get", operation_id = "find_credits")]
    async fn find_credits(&self, state: Data<&ApiState>, caller: Caller) -> Result<CreditsAnswer, ApiError> {
        Ok(CreditsAnswer(ledger::standing(&*state.database(caller.user_id()).await?, caller.user_id()).await?.into()))
    }

    /// Every change of the caller's balance, newest first
    ///
    /// The sum of all amounts is the balance. Follow `next` until it is null.
    #[oai(path = "/credits/transactions", method = "get", operation_id = "list_entries")]
    async fn list_entries(
        &self,
        state: Data<&ApiState>,
        caller: Caller,
        /// Where to go on: the `next` of the page before.
        cursor: Query<Option<String>>,
        /// Most entries on the page.
        #[oai(default = "limit_default", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u16>,
    ) -> Result<PageAnswer, ApiError> {
        let after = Cursor::after(cursor.0.as_deref())?;
        let found = ledger::list_entries(
            &*state.database(caller.user_id()).await?,
            caller.user_id(),
            after,
            i64::from(limit.0),
        )
        .await?;
        let next = Cursor::next(&found, limit.0, |last| (last.created_at, last.id));
        Ok(PageAnswer(Page { items: found.into_iter().map(EntryBody::from).collect(), next }))
    }
}

impl From<Standing> for Credits {
    fn from(standing: Standing) -> Self {
        Self {
            balance: standing.balance.get(),
            reserved: standing.reserved.get(),
            spent_this_month: standing.spent_this_month.get(),
            refunded_this_month: standing.refunded_this_month.get(),
            debt: standing.debt.get(),
        }
    }
}

impl From<EntryKind> for KindName {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Generation => Self::Generation,
            EntryKind::Refund => Self::Refund,
            EntryKind::Purchase => Self::Purchase,
            EntryKind::Subscription => Self::Subscription,
            EntryKind::Grant => Self::Grant,
            EntryKind::Adjustment => Self::Adjustment,
            EntryKind::Reversal => Self::Reversal,
        }
    }
}

impl From<Entry> for EntryBody {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            amount: entry.amount.get(),
            kind: entry.kind.into(),
            reason: entry.reason,
            generation_id: entry.generation_id.map(|id| id.0),
            purchase_id: entry.purchase_id,
            plan_id: entry.plan_id,
            created_at: entry.created_at,
        }
    }
}

/// 200 with how the credits stand.
struct CreditsAnswer(Credits);

/// 200 with a page.
struct PageAnswer(Page);

impl poem::IntoResponse for CreditsAnswer {
    fn into_response(self) -> poem::Response {
        Json(self.0.to_json()).into_response()
    }
}

impl poem::IntoResponse for PageAnswer {
    fn into_response(self) -> poem::Response {
        Json(self.0.to_json()).into_response()
    }
}

impl ApiResponse for CreditsAnswer {
    fn meta() -> MetaResponses {
        let answer = json_answer(200, "How the caller's credits stand.", Credits::schema_ref(), rate_headers().into());
        responses(answer, &[Code::InvalidToken, Code::InternalError, Code::Unavailable])
    }

    fn register(registry: &mut Registry) {
        Credits::register(registry);
    }
}

impl ApiResponse for PageAnswer {
    fn meta() -> MetaResponses {
        let answer = json_answer(200, "One page.", Page::schema_ref(), rate_headers().into());
        responses(answer, &[Code::MalformedRequest, Code::InvalidToken, Code::InternalError, Code::Unavailable])
    }

    fn register(registry: &mut Registry) {
        Page::register(registry);
    }
}
