//! `GET /api/v1/generations`, and a generation called off or deleted:
//! `POST /api/v1/generations/{generation_id}/cancel`, `DELETE /api/v1/generations/{generation_id}`.

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object, OpenApi};
use shared::generation;
use shared::ids::{GenerationId, UserId};
use shared::retention::{self, Kind};
use uuid::Uuid;

use super::status::{GenerationAnswer, GenerationBody};
use super::{Tag, json_answer, rate_headers, responses};
use crate::auth::Caller;
use crate::error::{ApiError, Code};
use crate::links::image_urls;
use crate::pagination::{Cursor, limit_default};
use crate::state::ApiState;

/// How long a caller waits until the pictures of a deleted generation are removed.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for other deletions of the same user.
const DELETION_TURN_TIMEOUT: Duration = Duration::from_secs(5);

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
        caller: Caller,
        /// Where to go on: the `next` of the page before.
        cursor: Query<Option<String>>,
        /// Most generations on the page.
        #[oai(default = "limit_default", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<u16>,
    ) -> Result<PageAnswer, ApiError> {
        let after = Cursor::after(cursor.0.as_deref())?;
        let mut found =
            generation::list(&*state.database(caller.user_id()).await?, caller.user_id(), after, i64::from(limit.0))
                .await?;
        let next = Cursor::next(&found, limit.0, |last| (last.created_at, last.id.0));
        let urls = image_urls(&state, caller.user_id(), &found).await;
        let items = found.drain(..).zip(urls).map(|(generation, urls)| GenerationBody::new(&state, generation, urls));
        Ok(PageAnswer(Page { items: items.collect(), next }))
    }

    /// Cancel a generation
    ///
    /// Returns the generation as it is now. A queued generation is cancelled and refunded immediately. A submitted or
    /// running generation is cancelled asynchronously. You can cancel 20 of these for free per day (UTC), unless the
    /// service is configured otherwise; each further one is charged in full. `cancel_cost` is the price of cancelling,
    /// before and after you request it; `cost` shows what was charged. If the outputs are already being collected, or
    /// the generation has ended, nothing changes. Safe to repeat: a repeated cancel costs nothing.
    #[oai(path = "/generations/:generation_id/cancel", method = "post", operation_id = "cancel_generation")]
    async fn cancel_generation(
        &self,
        state: Data<&ApiState>,
        caller: Caller,
        /// The id from the answer to `generate`.
        generation_id: Path<Uuid>,
    ) -> Result<GenerationAnswer, ApiError> {
        let id = GenerationId(generation_id.0);
        let free_per_day = state.settings.generations.cancels_free_per_day;
        let pool = state.database(caller.user_id()).await?;
        let found = generation::request_cancel(&pool, caller.user_id(), id, free_per_day).await?;
        drop(pool);
        Ok(GenerationAnswer::of(&state, caller.user_id(), found.ok_or(ApiError::NotFound)?).await)
    }

    /// Delete a generation
    ///
    /// Its outputs, everything that was given for it, and pictures that no other generation of the caller's uses are
    /// removed for good; what it cost stays in the statement. One that is not final must be cancelled first. May be
    /// repeated.
    #[oai(path = "/generations/:generation_id", method = "delete", operation_id = "delete_generation")]
    async fn delete_generation(
        &self,
        state: Data<&ApiState>,
        caller: Caller,
        /// The id from the answer to `generate`.
        generation_id: Path<Uuid>,
    ) -> Result<Deleted, ApiError> {
        let id = GenerationId(generation_id.0);
        // A user's deletions run one at a time: each may search the text of thousands of their rows.
        let turn = tokio::time::timeout(DELETION_TURN_TIMEOUT, state.deletion_turns.take(caller.user_id())).await;
        let _turn = turn.map_err(ApiError::unavailable)?;
        let paths =
            retention::delete_generation(&*state.database(caller.user_id()).await?, caller.user_id(), id).await?;
        remove_pictures(&state, caller.user_id(), id, &paths).await;
        Ok(Deleted)
    }
}

/// Removes the pictures of a deleted generation. What fails, or takes too long, stays noted: workers remove it.
async fn remove_pictures(state: &ApiState, user_id: UserId, id: GenerationId, paths: &[String]) {
    if paths.is_empty() {
        return;
    }
    let Ok(pool) = state.database(user_id).await else { return };
    let removing = retention::remove_noted(&pool, &*state.images, Kind::DeletedGenerations, Some(paths));
    let pictures = paths.len();
    match tokio::time::timeout(REMOVE_TIMEOUT, removing).await {
        Ok(Ok(removed)) => {
            tracing::info!(generation_id = %id, pictures, removed = removed.count, "a generation was deleted");
        }
        Ok(Err(error)) => tracing::warn!(
            generation_id = %id, pictures, error = &error as &dyn std::error::Error,
            "pictures of a deleted generation could not be removed; a worker will"
        ),
        Err(_) => tracing::warn!(generation_id = %id, pictures, "removing pictures takes long; a worker will"),
    }
}

/// 204.
struct Deleted;

impl poem::IntoResponse for Deleted {
    fn into_response(self) -> poem::Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl ApiResponse for Deleted {
    fn meta() -> MetaResponses {
        let answer = MetaResponse {
            description: "Deleted, now or before.",
            status: Some(204),
            status_range: None,
            content: Vec::new(),
            headers: rate_headers().into(),
        };
        let refusals =
            [Code::InvalidToken, Code::NotFound, Code::GenerationOpen, Code::InternalError, Code::Unavailable];
        responses(answer, &refusals)
    }

    fn register(_: &mut Registry) {}
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
