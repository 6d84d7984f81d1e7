//! `GET /api/v1/credits`.

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object, OpenApi};
use shared::ledger;

use super::{Tag, json_answer, rate_headers, responses};
use crate::auth::Caller;
use crate::error::{ApiError, Code};
use crate::http::Seen;
use crate::state::ApiState;

pub(crate) struct CreditsApi;

/// What a user can spend.
#[derive(Debug, Object)]
struct Credits {
    /// Whole credits, never negative. What running generations have reserved is already taken off.
    balance: i32,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Credits")]
impl CreditsApi {
    /// The caller's balance
    ///
    /// A user who was never given credits has 0.
    #[oai(path = "/credits", method = "get", operation_id = "find_credits")]
    async fn find_credits(
        &self,
        state: Data<&ApiState>,
        seen: Data<&Seen>,
        caller: Caller,
    ) -> Result<CreditsAnswer, ApiError> {
        let caller = caller.within_budget(&state, &seen)?;
        let balance = ledger::balance(&state.pool, caller.user_id()).await?;
        Ok(CreditsAnswer(Credits { balance: balance.get() }))
    }
}

/// 200 with the balance.
struct CreditsAnswer(Credits);

impl poem::IntoResponse for CreditsAnswer {
    fn into_response(self) -> poem::Response {
        Json(self.0.to_json()).into_response()
    }
}

impl ApiResponse for CreditsAnswer {
    fn meta() -> MetaResponses {
        let answer = json_answer(200, "What the caller can spend.", Credits::schema_ref(), rate_headers().into());
        responses(answer, &[Code::InvalidToken, Code::InternalError, Code::Unavailable])
    }

    fn register(registry: &mut Registry) {
        Credits::register(registry);
    }
}
