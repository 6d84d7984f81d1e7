//! `GET /api/v1/generations` and `POST /api/v1/generations/{generation_id}/cancel`.

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object, OpenApi};
use shared::generation;
use shared::ids::GenerationId;
use uuid::Uuid;

use super::status::{GenerationAnswer, GenerationBody};
use super::{Tag, json_answer, rate_headers, responses};
use crate::auth::Caller;
use crate::error::{ApiError, Code};
use crate::http::Seen;
use crate::links::image_urls;
use crate::pagination::{Cursor, limit_default};
use crate::state::ApiState;

pub(crate) struct GenerationsApi;

/// One page of a user's generations.
#[derive(Debug, Object)]
#[oai(rename = "GenerationPage")]
struct Page {
    /// Newest first.
    items: Vec<GenerationBody>,
    /// The `cursor` of the page after this one; null on the last.
    #[oai(nullable)]
    next: Option<String>,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Generations")]
impl GenerationsApi {
    /// The caller's generations, newest first
    ///
    /// Follow `next` until it is null. What is created meanwhile does not shift the pages.
    #[oai(path = "/generations", method = "get", operation_id = "list_generations")]
    async fn list_generations(
        &self,
        state: Data<&ApiState>,
        seen: Data<&Seen>,
        caller: Caller,
        /// Where to go on: the `next` of the page before.
        cursor: Query<Option<String>>,
        /// Most generations on the page.
        #[oai(default = "limit_default", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u16>,
    ) -> Result<PageAnswer, ApiError> {
        let caller = caller.within_budget(&state, &seen)?;
        let after = Cursor::after(cursor.0.as_deref())?;
        let mut found = generation::list(&state.pool, caller.user_id(), after, i64::from(limit.0)).await?;
        let next = Cursor::next(&found, limit.0, |last| (last.created_at, last.id.0));
        let urls = image_urls(&state, &found).await;
        let items = found.drain(..).zip(urls).map(|(generation, urls)| GenerationBody::new(&state, generation, urls));
        Ok(PageAnswer(Page { items: items.collect(), next }))
    }

    /// Call a generation off
    ///
    /// Answers how it stands now. What waits is cancelled at once and refunded; what runs is stopped and refunded
    /// soon after; what is being collected or is final stays as it is. May be repeated.
    #[oai(path = "/generations/:generation_id/cancel", method = "post", operation_id = "cancel_generation")]
    async fn cancel_generation(
        &self,
        state: Data<&ApiState>,
        seen: Data<&Seen>,
        caller: Caller,
        /// The id from the answer to `generate`.
        generation_id: Path<Uuid>,
    ) -> Result<GenerationAnswer, ApiError> {
        let caller = caller.within_budget(&state, &seen)?;
        let id = GenerationId(generation_id.0);
        let found = generation::request_cancel(&state.pool, caller.user_id(), id).await?;
        Ok(GenerationAnswer::of(&state, found.ok_or(ApiError::NotFound)?).await)
    }
}

/// 200 with a page.
struct PageAnswer(Page);

impl poem::IntoResponse for PageAnswer {
    fn into_response(self) -> poem::Response {
        Json(self.0.to_json()).into_response()
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
