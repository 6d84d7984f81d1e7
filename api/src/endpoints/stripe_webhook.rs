//! `POST /api/v1/webhook/stripe`: the provider of payments says that something happened. A trigger, never the truth.
//!
//! The signature is of the body as it came, so that is what is read, within its bound. Of an event only its id, its
//! kind and the id of its object are kept; a worker reads the object itself.

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, IntoResponse, Response};
use poem_openapi::param::Header;
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};
use poem_openapi::{ApiResponse, OpenApi};
use shared::billing::event::{self, Noted};
use shared::billing::signature::is_signed;
use shared::billing::stripe::Event;
use shared::telemetry::names;

use super::{Tag, responses};
use crate::error::{ApiError, Code};
use crate::state::ApiState;

/// Most bytes of an event; Stripe's have tens of kilobytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct StripeWebhookApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Webhooks")]
impl StripeWebhookApi {
    /// Stripe calls
    ///
    /// Answers 200 as soon as the event is kept, also when it comes twice or means nothing here.
    #[oai(path = "/webhook/stripe", method = "post", operation_id = "note_payment_event")]
    async fn note_payment_event(
        &self,
        state: Data<&ApiState>,
        /// `t=<unix seconds>,v1=<signature>`, one signature or several.
        #[oai(name = "Stripe-Signature")]
        signature: Header<Option<String>>,
        body: Body,
    ) -> Result<StripeWebhookAnswer, ApiError> {
        let noted = note(&state, signature.0.as_deref(), body).await;
        let outcome = match &noted {
            Ok(Noted::New) => "noted",
            Ok(Noted::Known) => "known",
            Ok(Noted::Ignored) => "ignored",
            Err(ApiError::InvalidSignature) => "refused",
            Err(_) => "error",
        };
        metrics::counter!(names::PAYMENT_WEBHOOKS_TOTAL, "outcome" => outcome).increment(1);
        noted.map(|_| StripeWebhookAnswer)
    }
}

async fn note(state: &ApiState, signature: Option<&str>, body: Body) -> Result<Noted, ApiError> {
    let desk = state.billing()?;
    let signature = signature.ok_or(ApiError::InvalidSignature)?;
    let body = read(body).await?;
    if !is_signed(signature, &body, &desk.webhook_secrets, state.now()) {
        return Err(ApiError::InvalidSignature);
    }
    let event: Event = serde_json::from_slice(&body)
        .map_err(|_| ApiError::Malformed("the body is signed but is no event".to_owned()))?;
    let noted = event::note(&state.pool, &event, false).await?;
    tracing::info!(event_id = event.id, kind = event.kind, ?noted, "the provider of payments called");
    Ok(noted)
}

async fn read(body: Body) -> Result<Vec<u8>, ApiError> {
    let reading = tokio::time::timeout(BODY_TIMEOUT, body.into_bytes_limit(BODY_BYTES_MAX));
    match reading.await {
        Err(_) => Err(ApiError::RequestTimeout(BODY_TIMEOUT)),
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(poem::error::ReadBodyError::PayloadTooLarge)) => {
            Err(ApiError::PayloadTooLarge(format!("the body has more than {BODY_BYTES_MAX} bytes")))
        }
        Ok(Err(_)) => Err(ApiError::Malformed("the body could not be read".to_owned())),
    }
}

/// 200 without a body.
struct StripeWebhookAnswer;

impl IntoResponse for StripeWebhookAnswer {
    fn into_response(self) -> Response {
        StatusCode::OK.into_response()
    }
}

impl ApiResponse for StripeWebhookAnswer {
    fn meta() -> MetaResponses {
        let answer = MetaResponse {
            description: "Kept.",
            status: Some(200),
            status_range: None,
            content: vec![],
            headers: vec![],
        };
        let refusals = [
            Code::MalformedRequest,
            Code::InvalidSignature,
            Code::BillingDisabled,
            Code::RequestTimeout,
            Code::PayloadTooLarge,
            Code::InternalError,
            Code::Unavailable,
        ];
        responses(answer, &refusals)
    }

    fn register(_registry: &mut Registry) {}
}
