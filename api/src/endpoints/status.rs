//! `GET /api/v1/status/{generation_id}`, and the form in which a generation is shown everywhere.

use chrono::{DateTime, Utc};
use poem::http::{HeaderValue, StatusCode, header};
use poem::web::Data;
use poem::{IntoResponse, Response};
use poem_openapi::param::Path;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use shared::credits::Credits;
use shared::generation::{self, Generation, Stage, Status};
use shared::ids::{GenerationId, UserId};
use uuid::Uuid;

use super::generate::POLL_HINT_S;
use super::{Tag, header as answer_header, json_answer, rate_headers, responses};
use crate::auth::Caller;
use crate::error::{ApiError, Code};
use crate::links::{ImageUrls, image_urls};
use crate::state::ApiState;

pub(crate) struct StatusApi;

/// How a generation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "Status", rename_all = "lowercase")]
pub(super) enum StatusName {
    Processing,
    Completed,
    Failed,
}

/// Where its run is; more detail than the status, and open to grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "Stage", rename_all = "lowercase")]
pub(super) enum StageName {
    Queued,
    Submitting,
    Running,
    Collecting,
    Completed,
    Failed,
    Cancelled,
}

/// What a generation costs, in credits.
#[derive(Debug, Object)]
pub(super) struct Cost {
    /// The price of all that was asked for.
    price: i32,
    /// What has been taken for it: the price less what was refunded.
    charged: i32,
    /// Credits that were refunded: for outputs that were not delivered, or because it was cancelled for free.
    refunded: i32,
}

/// A generation as its owner sees it.
#[derive(Debug, Object)]
#[oai(rename = "Generation")]
pub(super) struct GenerationBody {
    /// Names the generation.
    generation_id: Uuid,
    /// What it runs.
    workflow_type: String,
    /// `processing`, then `completed` or `failed` for good.
    status: StatusName,
    /// Where its run is. Null for generations from before this service.
    #[oai(nullable)]
    stage: Option<StageName>,
    /// From 0 to 100, never backwards.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    progress: i16,
    /// Links to the outputs, in order, each good for at least an hour. Empty until completed.
    image_urls: Vec<String>,
    /// Why it failed and what to do, for people. Null unless failed.
    #[oai(nullable)]
    error: Option<String>,
    /// Why it failed, for programs: `cancelled`, `deadline`, `timeout`, `invalid_input`, `insufficient_resolution`;
    /// `input_unavailable`, `input_unsupported`, `input_damaged`, `input_too_large` of a picture that `error` names;
    /// or a word for a mistake of ours, open to grow. Null unless failed.
    #[oai(nullable)]
    error_code: Option<String>,
    /// What it costs. Null for generations from before this service.
    #[oai(nullable)]
    cost: Option<Cost>,
    /// Credits that cancelling it now would cost: 0 while it is queued or while you have free cancels left today, else
    /// its price. After a cancel was requested: what that cancel costs. Null once it is too late to cancel.
    #[oai(nullable)]
    cancel_cost: Option<i32>,
    /// Outputs asked for. Null for generations from before this service.
    #[oai(nullable)]
    output_count: Option<i16>,
    /// Seconds until the result is expected. Null once there is one.
    #[oai(nullable)]
    estimated_time: Option<i32>,
    /// The project it belongs to.
    #[oai(nullable)]
    project_id: Option<Uuid>,
    /// The brand it is for.
    #[oai(nullable)]
    brand_name: Option<String>,
    /// The campaign it is for.
    #[oai(nullable)]
    campaign_name: Option<String>,
    /// Words to find it by.
    tags: Vec<String>,
    /// When it was accepted.
    created_at: DateTime<Utc>,
    /// When it became final. Null until then.
    #[oai(nullable)]
    completed_at: Option<DateTime<Utc>>,
    /// When its outputs were removed because they were older than they are kept; `image_urls` is empty since then.
    /// Null until then.
    #[oai(nullable)]
    outputs_expired_at: Option<DateTime<Utc>>,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Generations")]
impl StatusApi {
    /// Follow a generation
    ///
    /// What is absent and what belongs to someone else are answered alike.
    #[oai(path = "/status/:generation_id", method = "get", operation_id = "find_generation")]
    async fn find_generation(
        &self,
        state: Data<&ApiState>,
        caller: Caller,
        /// The id from the answer to `generate`.
        generation_id: Path<Uuid>,
    ) -> Result<GenerationAnswer, ApiError> {
        let found = generation::find(
            &*state.database(caller.user_id()).await?,
            caller.user_id(),
            GenerationId(generation_id.0),
        )
        .await?;
        Ok(GenerationAnswer::of(&state, caller.user_id(), found.ok_or(ApiError::NotFound)?).await)
    }
}

impl Cost {
    /// What a request that was just accepted costs.
    pub(super) fn reserved(price: Credits) -> Self {
        Self { price: price.get(), charged: price.get(), refunded: 0 }
    }

    fn of(generation: &Generation) -> Option<Self> {
        let price = generation.price?;
        let charged = price.checked_sub(generation.refunded)?;
        Some(Self { price: price.get(), charged: charged.get(), refunded: generation.refunded.get() })
    }
}

impl GenerationBody {
    /// How `generation` is shown, with the links of its outputs.
    pub(super) fn new(state: &ApiState, generation: Generation, image_urls: ImageUrls) -> Self {
        Self {
            generation_id: generation.id.0,
            status: generation.status.into(),
            stage: generation.stage.map(StageName::from),
            progress: generation.progress,
            image_urls,
            cost: Cost::of(&generation),
            cancel_cost: generation.cancel_cost(state.settings.generations.cancels_free_per_day).map(Credits::get),
            output_count: generation.outputs_asked,
            estimated_time: remaining_seconds(state, &generation),
            workflow_type: generation.workflow,
            error: generation.error_message,
            error_code: generation.error_code,
            project_id: generation.project_id,
            brand_name: generation.brand_name,
            campaign_name: generation.campaign_name,
            tags: generation.tags,
            created_at: generation.created_at,
            completed_at: generation.completed_at,
            outputs_expired_at: generation.outputs_expired_at,
        }
    }
}

/// The estimate less the time passed, at least a second; `None` for what is final or was never ours.
fn remaining_seconds(state: &ApiState, generation: &Generation) -> Option<i32> {
    generation.stage.filter(|stage| !stage.is_final())?;
    let passed = (generation.now - generation.created_at).num_seconds();
    let remaining = i64::from(state.estimates.seconds(&generation.workflow)) - passed;
    Some(i32::try_from(remaining.max(1)).unwrap_or(i32::MAX))
}

impl From<Status> for StatusName {
    fn from(status: Status) -> Self {
        match status {
            Status::Processing => Self::Processing,
            Status::Completed => Self::Completed,
            Status::Failed => Self::Failed,
        }
    }
}

impl From<Stage> for StageName {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Queued => Self::Queued,
            Stage::Submitting => Self::Submitting,
            Stage::Running => Self::Running,
            Stage::Collecting => Self::Collecting,
            Stage::Completed => Self::Completed,
            Stage::Failed => Self::Failed,
            Stage::Cancelled => Self::Cancelled,
        }
    }
}

/// 200 with how one generation stands, and when to look again while it is not final.
pub(super) struct GenerationAnswer(GenerationBody);

impl GenerationAnswer {
    /// The answer that shows `generation`.
    pub(super) async fn of(state: &ApiState, user_id: UserId, generation: Generation) -> Self {
        let urls = image_urls(state, user_id, std::slice::from_ref(&generation)).await.pop().unwrap_or_default();
        Self(GenerationBody::new(state, generation, urls))
    }
}

impl IntoResponse for GenerationAnswer {
    fn into_response(self) -> Response {
        let mut response = Response::builder()
            .status(StatusCode::OK)
            .content_type("application/json; charset=utf-8")
            .body(self.0.to_json_string());
        if self.0.status == StatusName::Processing {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(POLL_HINT_S));
        }
        response
    }
}

impl ApiResponse for GenerationAnswer {
    fn meta() -> MetaResponses {
        let [rate, policy] = rate_headers();
        let look_again = "Seconds to wait before looking again, while processing.";
        let headers = vec![answer_header("Retry-After", "integer", look_again, false), rate, policy];
        let answer = json_answer(200, "How the generation stands.", GenerationBody::schema_ref(), headers);
        responses(answer, &[Code::InvalidToken, Code::NotFound, Code::InternalError, Code::Unavailable])
    }

    fn register(registry: &mut Registry) {
        GenerationBody::register(registry);
    }
}
