//! `POST /api/v1/generate`: validates, reserves the price, enqueues; the answer does not wait for the result.

use poem::http::{HeaderValue, StatusCode, header};
use poem::web::Data;
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object, OpenApi};
use rand::RngExt;
use serde::Deserialize;
use shared::credits::Credits;
use shared::generation::{self, AcceptError, Accepted, Limits, NewGeneration, Terms, quote};
use shared::ids::{GenerationId, UserId};
use shared::retention;
use shared::telemetry::names;
use shared::workflow::{Request, SEED_MAX};
use uuid::Uuid;

use super::generate_body::GenerateBody;
use super::status::{Cost, StageName, StatusName};
use super::{Tag, generate_pictures, header as answer_header, json_answer, rate_headers, responses};
use crate::auth::SignedUp;
use crate::error::{ApiError, Code};
use crate::http::Seen;
use crate::idempotency::IdempotencyKey;
use crate::limits::RateFields;
use crate::payload::Checked;
use crate::state::ApiState;

/// When a client should look at the status first, and then again, in seconds.
pub(super) const POLL_HINT_S: u16 = 2;
/// Marks an answer that repeats an earlier one under the same idempotency key.
pub(super) const REPLAYED: &str = "idempotent-replayed";

pub(crate) struct GenerateApi;

/// An accepted request: it is paid for and will run.
#[derive(Debug, Object)]
#[oai(rename = "AcceptedGeneration")]
struct AcceptedBody {
    /// Names the generation from now on.
    generation_id: Uuid,
    /// Always `processing` here.
    status: StatusName,
    /// Seconds until the result is expected.
    estimated_time: i32,
    /// Where the run is: `queued`.
    stage: StageName,
    /// What was reserved for it.
    cost: Cost,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Generations")]
impl GenerateApi {
    /// Generate images
    ///
    /// Reserves the price and starts the workflow. Follow it at the address in `Location`. What is not delivered
    /// is refunded. Names in the body may also be spelt in camelCase.
    ///
    /// A picture is given as a storage path, an `https` address or base64. What can be told of it at once is refused
    /// before anything is charged: 415 for a type that is not taken, 422 for what is damaged, absent or not the caller's.
    /// An address is asked after the answer: if it cannot be used, the generation fails and is refunded. What this
    /// deployment cannot do is refused with 422 too; `list_workflows` does not offer it.
    ///
    /// With the `quote_id` of a quote of the same request, its price is charged, whatever the catalogue says by now.
    ///
    /// With an `Idempotency-Key` a repeat of the same request within 24 hours is answered as the first time and
    /// charged once, also when its quote has expired meanwhile.
    #[oai(path = "/generate", method = "post", operation_id = "create_generation")]
    async fn create_generation(
        &self,
        state: Data<&ApiState>,
        seen: Data<&Seen>,
        caller: SignedUp,
        /// The caller's name for this intent.
        #[oai(name = "Idempotency-Key")]
        key: IdempotencyKey,
        body: Checked<GenerateBody>,
    ) -> Result<GenerateAnswer, ApiError> {
        let Checked(request, _held) = body;
        let request = request_of(&state, caller.user_id(), request)?;
        if request.quote_id.is_some() {
            // The quote is looked up before the rate of generations is charged.
        }
        let outcome = start(&state, &seen, caller.user_id(), key.0.as_deref(), &request).await;
        metrics::counter!(names::ACCEPTS_TOTAL, "outcome" => label(&outcome)).increment(1);
        outcome
    }
}

/// The request as this user may send it here, as far as can be told without asking anybody.
pub(super) fn request_of(state: &ApiState, user_id: UserId, request: Request) -> Result<Request, ApiError> {
    if request.claimed_user_id.is_some_and(|claimed| claimed != user_id) {
        return Err(ApiError::UserMismatch);
    }
    let request = request.for_user(user_id).map_err(ApiError::InvalidRequest)?;
    let dialect = state.settings.runpod.dialect(request.workflow.kind);
    request.check_dialect(dialect).map_err(ApiError::InvalidRequest)?;
    generate_pictures::check_types(&request)?;
    Ok(request)
}

/// Starts what is asked for at the price of today, or at the quoted one; or repeats an earlier answer.
async fn start(
    state: &ApiState,
    seen: &Seen,
    user_id: UserId,
    key: Option<&str>,
    request: &Request,
) -> Result<GenerateAnswer, ApiError> {
    if state.backlog.is_full() {
        return Err(ApiError::QueueFull);
    }
    let price = match request.quote_id {
        None => request.price(),
        Some(quote_id) => {
            match quote::honour(&*state.database(user_id).await?, user_id, quote_id, key, request).await? {
                Terms::Price(price) => price,
                Terms::Replayed { response } => return GenerateAnswer::replay(response),
            }
        }
    };
    let id = GenerationId::generate();
    let response = accepted_body(state, id, request, price);
    let kind = request.workflow.kind;
    let traceparent = seen.trace().to_string();
    let mut new = NewGeneration {
        id,
        user_id,
        request,
        price,
        seed: rand::rng().random_range(0..=SEED_MAX),
        request_id: seen.request_id(),
        traceparent: Some(&traceparent),
        key,
        response: &response,
        limits: state.settings.generations,
        endpoint: state.settings.runpod.endpoint(kind),
        dialect: state.settings.runpod.dialect(kind),
        admitted: false,
    };
    let accepted = admit_and_accept(state, seen, &mut new).await;
    // Who has too few credits may buy some and try again: their pictures are kept for that long.
    let is_final = accepted.as_ref().is_err_and(|refusal| refusal.code() != Code::InsufficientCredits);
    if is_final && generate_pictures::need_a_look(request) {
        forget_pictures(state, &new).await;
    }
    match accepted? {
        Accepted::New { .. } => {
            state.backlog.note_accepted();
            tracing::info!(generation_id = %id, workflow = kind.as_str(), "accepted");
            Ok(GenerateAnswer { location: location(id), body: response, replayed: false })
        }
        Accepted::Replayed { response } => GenerateAnswer::replay(response),
    }
}

/// The text of the answer. It is stored with the idempotency key before it is sent, so it is made once.
fn accepted_body(state: &ApiState, id: GenerationId, request: &Request, price: Credits) -> String {
    let body = AcceptedBody {
        generation_id: id.0,
        status: StatusName::Processing,
        estimated_time: state.estimates.seconds(request.workflow.kind.as_str()),
        stage: StageName::Queued,
        cost: Cost::reserved(price),
    };
    body.to_json_string()
}

fn location(id: GenerationId) -> String {
    format!("/api/v1/status/{id}")
}

/// Accepts the request; if it brings pictures that must be looked at, admits it first and looks at them.
async fn admit_and_accept(state: &ApiState, seen: &Seen, new: &mut NewGeneration<'_>) -> Result<Accepted, ApiError> {
    if generate_pictures::need_a_look(new.request) {
        let admitted = generation::admit(&*state.database(new.user_id).await?, new).await;
        if let Some(replayed) = admitted.inspect_err(|refused| note_refused(seen, new.limits, refused))? {
            return Ok(replayed);
        }
        generate_pictures::provide(state, new.user_id, new.request).await?;
        new.admitted = true;
    }
    let accepted = generation::accept(&*state.database(new.user_id).await?, new).await;
    let accepted = accepted.inspect_err(|refused| note_refused(seen, new.limits, refused))?;
    if let Accepted::New { allowance } = &accepted {
        seen.note_rate(RateFields::of_generate(new.limits, allowance));
    }
    Ok(accepted)
}

/// Deletes the rows that note a refused request's pictures, so that refusals leave no rows behind. What fails, or finds no
/// database connection free for the user, is left to a worker.
async fn forget_pictures(state: &ApiState, refused: &NewGeneration<'_>) {
    let Ok(pool) = state.database(refused.user_id).await else { return };
    if let Err(error) = retention::forget_uses_of(&pool, refused.user_id, refused.id).await {
        tracing::warn!(%error, "rows of a refused request's pictures are not deleted yet; a worker will delete them");
    }
}

fn note_refused(seen: &Seen, limits: Limits, refused: &AcceptError) {
    if let AcceptError::RateLimited { allowance } = refused {
        seen.note_rate(RateFields::of_generate(limits, allowance));
    }
}

fn label(outcome: &Result<GenerateAnswer, ApiError>) -> &'static str {
    match outcome {
        Ok(GenerateAnswer { replayed: false, .. }) => "accepted",
        Ok(GenerateAnswer { replayed: true, .. }) => "replayed",
        Err(refusal) => refusal.code().as_str(),
    }
}

/// 202 with exactly the stored text.
struct GenerateAnswer {
    body: String,
    location: String,
    replayed: bool,
}

impl GenerateAnswer {
    /// The answer that was given to this request before.
    fn replay(body: String) -> Result<Self, ApiError> {
        #[derive(Deserialize)]
        struct Stored {
            generation_id: GenerationId,
        }
        let stored: Stored = serde_json::from_str(&body).map_err(ApiError::internal)?;
        Ok(Self { location: location(stored.generation_id), body, replayed: true })
    }
}

impl IntoResponse for GenerateAnswer {
    fn into_response(self) -> Response {
        let mut response = Response::builder()
            .status(StatusCode::ACCEPTED)
            .content_type("application/json; charset=utf-8")
            .header(header::LOCATION, self.location)
            .header(header::RETRY_AFTER, POLL_HINT_S)
            .body(self.body);
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

impl ApiResponse for GenerateAnswer {
    fn meta() -> MetaResponses {
        let mut headers = vec![
            answer_header("Location", "string", "Where to follow the generation.", true),
            answer_header("Retry-After", "integer", "Seconds to wait before looking.", true),
            answer_header("Idempotent-Replayed", "string", "`true` where an earlier answer is repeated.", false),
        ];
        headers.extend(rate_headers());
        let answer = json_answer(202, "Accepted, paid for and enqueued.", AcceptedBody::schema_ref(), headers);
        let refusals = [
            Code::MalformedRequest,
            Code::InvalidToken,
            Code::InsufficientCredits,
            Code::Forbidden,
            Code::ProjectNotFound,
            Code::QuoteNotFound,
            Code::RequestTimeout,
            Code::QuoteExpired,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::UnsupportedPicture,
            Code::InvalidRequest,
            Code::TooManyGenerations,
            Code::InternalError,
            Code::QueueFull,
            Code::Unavailable,
        ];
        responses(answer, &refusals)
    }

    fn register(registry: &mut Registry) {
        AcceptedBody::register(registry);
    }
}
