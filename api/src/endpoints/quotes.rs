//! `POST /api/v1/quotes`: the price of a request, promised for a while. Nothing is taken for it.

use chrono::{DateTime, Utc};
use poem::http::StatusCode;
use poem::web::Data;
use poem::{IntoResponse, Response};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use poem_openapi::{ApiResponse, Object, OpenApi};
use shared::credits::Credits;
use shared::generation::{Quote, quote};
use shared::workflow::Request;
use uuid::Uuid;

use super::generate::request_of;
use super::generate_body::GenerateBody;
use super::{Tag, generate_pictures, json_answer, rate_headers, responses};
use crate::auth::SignedUp;
use crate::error::{ApiError, Code};
use crate::payload::Checked;
use crate::state::ApiState;

/// How the price comes about, in words.
const FORMULA: &str = "cost × outputs_asked ÷ default_outputs, rounded up to a whole credit";

pub(crate) struct QuotesApi;

/// A price that is promised for one request.
#[derive(Debug, Object)]
#[oai(rename = "Quote")]
struct QuoteBody {
    /// Sent with the same request to `generate`, it makes it cost `price`. May be used more than once.
    quote_id: Uuid,
    /// What the request costs under this quote, in credits. What is not delivered is refunded.
    price: i32,
    /// How the price comes about, and whether there are credits for it.
    breakdown: Breakdown,
    /// Until when the price is honoured.
    expires_at: DateTime<Utc>,
}

/// How a quoted price comes about.
#[derive(Debug, Object)]
#[oai(rename = "QuoteBreakdown")]
struct Breakdown {
    /// What would run.
    workflow_type: String,
    /// Credits for one request of up to `default_outputs` outputs.
    cost: i32,
    /// Outputs made when `output_count` is left out.
    default_outputs: u8,
    /// Outputs of this request.
    outputs_asked: u8,
    /// The price in words.
    formula: String,
    /// What the caller has at this moment, in credits; a quote keeps none of it for the request.
    balance: i32,
}

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Generations")]
impl QuotesApi {
    /// Quote a request
    ///
    /// Takes the body of `generate`, refuses what `generate` would refuse in it, and promises its price for 15
    /// minutes. Nothing is charged, stored or started, and the quote is of this request alone: another one, even by a
    /// word of its prompt, needs its own. Too few credits are no refusal here; compare `price` with `balance`. A
    /// `quote_id` in the body has no effect.
    ///
    /// One user may have 1,000 quotes that have not expired; with more, the answer is 429.
    #[oai(path = "/quotes", method = "post", operation_id = "create_quote")]
    async fn create_quote(
        &self,
        state: Data<&ApiState>,
        caller: SignedUp,
        body: Checked<GenerateBody>,
    ) -> Result<QuoteAnswer, ApiError> {
        let Checked(request, _held) = body;
        let user_id = caller.user_id();
        let request = request_of(&state, user_id, request)?;
        let balance = quote::examine(&*state.database(user_id).await?, user_id, &request).await?;
        if generate_pictures::need_a_look(&request) {
            generate_pictures::check(&state, user_id, &request).await?;
        }
        let quoted = quote::quote(&*state.database(user_id).await?, user_id, &request).await?;
        Ok(QuoteAnswer(QuoteBody::new(&quoted, &request, balance)))
    }
}

impl QuoteBody {
    fn new(quoted: &Quote, request: &Request, balance: Credits) -> Self {
        let workflow = request.workflow;
        Self {
            quote_id: quoted.id.0,
            price: quoted.price.get(),
            breakdown: Breakdown {
                workflow_type: workflow.kind.as_str().to_owned(),
                cost: workflow.cost.get(),
                default_outputs: workflow.outputs_default,
                outputs_asked: request.outputs_asked,
                formula: FORMULA.to_owned(),
                balance: balance.get(),
            },
            expires_at: quoted.expires_at,
        }
    }
}

/// 201 with the quote.
struct QuoteAnswer(QuoteBody);

impl IntoResponse for QuoteAnswer {
    fn into_response(self) -> Response {
        Json(self.0.to_json()).with_status(StatusCode::CREATED).into_response()
    }
}

impl ApiResponse for QuoteAnswer {
    fn meta() -> MetaResponses {
        let answer = json_answer(201, "Quoted. Nothing was taken.", QuoteBody::schema_ref(), rate_headers().into());
        let refusals = [
            Code::MalformedRequest,
            Code::InvalidToken,
            Code::Forbidden,
            Code::ProjectNotFound,
            Code::RequestTimeout,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::UnsupportedPicture,
            Code::InvalidRequest,
            Code::InternalError,
            Code::Unavailable,
        ];
        responses(answer, &refusals)
    }

    fn register(registry: &mut Registry) {
        QuoteBody::register(registry);
    }
}
