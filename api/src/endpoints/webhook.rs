//! `POST /api/v1/webhook/comfyui`: the provider says that a job has ended. A trigger, never the truth.
//!
//! The address is the credential: signed, bound to one attempt, and expiring. Of the body only `id` is read, while
//! it streams by; results and inputs in it (tens of megabytes) are neither kept nor believed.

use std::time::Duration;

use futures::StreamExt;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, IntoResponse, Response};
use poem_openapi::param::Query;
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};
use poem_openapi::{ApiResponse, OpenApi};
use shared::generation::{Noted, note_webhook, webhook_url};
use shared::runpod::ProviderJobId;
use shared::telemetry::{TraceContext, names};

use super::{Tag, responses};
use crate::error::{ApiError, Code};
use crate::http::Seen;
use crate::job_id::JobIdScanner;
use crate::state::ApiState;

/// Most bytes of a body that are read: input and output together, with room to spare.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) struct WebhookApi;

#[OpenApi(prefix_path = "/api/v1", tag = "Tag::Webhooks")]
impl WebhookApi {
    /// The provider calls back
    ///
    /// Answers 200 as soon as the call is noted, also when it comes twice. The body may be of any type and size up
    /// to 32 MiB; one that cannot be read still counts as a call.
    #[oai(path = "/webhook/comfyui", method = "post", operation_id = "note_webhook")]
    async fn note_webhook(
        &self,
        state: Data<&ApiState>,
        seen: Data<&Seen>,
        /// The generation.
        g: Query<Option<String>>,
        /// The attempt.
        a: Query<Option<String>>,
        /// When the address expires, unix seconds.
        e: Query<Option<String>>,
        /// The signature of the other three.
        s: Query<Option<String>>,
        body: Body,
    ) -> Result<WebhookAnswer, ApiError> {
        let outcome = note(&state, &seen, [g.0, a.0, e.0, s.0], body).await;
        let label = match &outcome {
            Ok(()) => "noted",
            Err(ApiError::InvalidSignature) => "refused",
            Err(_) => "error",
        };
        metrics::counter!(names::WEBHOOKS_TOTAL, "outcome" => label).increment(1);
        outcome.map(|()| WebhookAnswer)
    }
}

async fn note(state: &ApiState, seen: &Seen, link: [Option<String>; 4], body: Body) -> Result<(), ApiError> {
    let [Some(g), Some(a), Some(e), Some(s)] = link else { return Err(ApiError::InvalidSignature) };
    let link =
        webhook_url::verify(&state.settings.webhook_secrets, &g, &a, &e, &s).map_err(|_| ApiError::InvalidSignature)?;
    if link.expires_at <= state.now() {
        return Err(ApiError::InvalidSignature);
    }
    let job_id = read_job_id(body).await;
    let job_id = job_id.as_ref().map(ProviderJobId::as_str);
    match note_webhook(&state.pool, &link, job_id).await? {
        Noted::Noted { request_id, traceparent } => {
            // The request that was paid for, not this one: the log of a generation is one thread.
            let trace = traceparent.as_deref().and_then(TraceContext::parse);
            tracing::info!(
                generation_id = %link.generation_id,
                run_request_id = request_id,
                run_trace_id = trace.map(|trace| display(trace.trace_id())),
                attempt = link.attempt,
                with_id = job_id.is_some(),
                "the provider called"
            );
            seen.note_run(request_id, trace);
            Ok(())
        }
        Noted::Refused => Err(ApiError::InvalidSignature),
    }
}

/// The provider's id of the job, if the body tells one within its bounds.
///
/// The rest of the body is read too, though not kept: a sender that is cut off would call again.
async fn read_job_id(body: Body) -> Option<ProviderJobId> {
    let mut scanner = JobIdScanner::default();
    let reading = async {
        let mut chunks = Box::pin(body.into_bytes_stream());
        let mut size = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            size += chunk.len();
            if size > BODY_BYTES_MAX {
                tracing::warn!(bytes = size, "a webhook's body was not read to its end");
                break;
            }
            scanner.push(&chunk);
        }
    };
    if tokio::time::timeout(BODY_TIMEOUT, reading).await.is_err() {
        tracing::warn!("a webhook's body did not arrive in time");
    }
    ProviderJobId::parse(scanner.job_id()?).ok()
}

/// 200 without a body.
struct WebhookAnswer;

impl IntoResponse for WebhookAnswer {
    fn into_response(self) -> Response {
        StatusCode::OK.into_response()
    }
}

impl ApiResponse for WebhookAnswer {
    fn meta() -> MetaResponses {
        let answer = MetaResponse {
            description: "Noted.",
            status: Some(200),
            status_range: None,
            content: vec![],
            headers: vec![],
        };
        responses(answer, &[Code::InvalidSignature, Code::InternalError, Code::Unavailable])
    }

    fn register(_registry: &mut Registry) {}
}
