//! The operations of `/v2/{endpoint}/..`: key, endpoint, faults, rate, and only then the work.

use std::sync::Arc;

use poem::http::{Method, header};
use poem::web::{Data, Path, Query, RemoteAddr};
use poem::{Body, EndpointExt, IntoEndpoint, Request, Response, Route, get, handler};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Platform;
use super::control;
use super::faults::RunPodEffect;
use super::output::File;
use super::worker_side;
use crate::fault::{Call, Operation};
use crate::http_fault::{Bodies, HttpFault, exchange, json, text};

/// Body of `/run`; larger ones are refused with 400.
const RUN_BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Body of `/runsync`.
const RUNSYNC_BODY_BYTES_MAX: usize = 20 * 1024 * 1024;

pub(super) const BODIES: Bodies = Bodies {
    too_many_requests: || json(429, &json!({ "error": "too many requests" })),
    unauthorized: || json(401, &json!({ "error": "unauthorized" })),
    not_found: || json(404, &json!({ "detail": "endpoint not found" })),
};

pub(super) fn routes(platform: Arc<Platform>) -> impl IntoEndpoint<Endpoint: 'static> + Send + 'static {
    worker_side::add_routes(Route::new())
        .at("/v2/:endpoint/:operation", serve)
        .at("/v2/:endpoint/:operation/:id", serve)
        .at("/files/:id/:name", get(file))
        .nest_no_strip("/_sim", control::routes())
        .data(platform)
}

/// What a path and method ask for.
fn operation(method: &Method, name: &str, id: Option<&str>) -> Option<Operation> {
    let post = *method == Method::POST;
    match (name, id) {
        ("run", None) if post => Some(Operation::Run),
        ("runsync", None) if post => Some(Operation::Runsync),
        ("purge-queue", None) if post => Some(Operation::PurgeQueue),
        ("health", None) if *method == Method::GET => Some(Operation::Health),
        ("status", Some(_)) if post || *method == Method::GET => Some(Operation::Status),
        ("status-sync", Some(_)) if post || *method == Method::GET => Some(Operation::StatusSync),
        ("stream", Some(_)) if *method == Method::GET => Some(Operation::Stream),
        ("cancel", Some(_)) if post => Some(Operation::Cancel),
        ("retry", Some(_)) if post => Some(Operation::Retry),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Target {
    endpoint: String,
    operation: String,
    id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Options {
    pub(super) ttl: Option<u64>,
    pub(super) wait: Option<u64>,
}

#[handler]
async fn serve(
    platform: Data<&Arc<Platform>>,
    request: &Request,
    peer: &RemoteAddr,
    target: Path<Target>,
    options: Query<Options>,
    body: Body,
) -> Response {
    let Some(operation) = operation(request.method(), &target.operation, target.id.as_deref()) else {
        return json(404, &json!({ "error": "not found" }));
    };
    let key = request.header(header::AUTHORIZATION).unwrap_or_default();
    let permitted = key.strip_prefix("Bearer ").unwrap_or(key) == platform.options.api_key;
    let body = match read_body(operation, body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let id = target.id.as_deref().unwrap_or_default();
    let faults = platform.take_http_faults(operation, id, body.get("input"));
    exchange(&faults, &platform.line, peer, &BODIES, async {
        let known = platform.options.endpoints.is_empty() || platform.options.endpoints.contains(&target.endpoint);
        if !permitted {
            return (BODIES.unauthorized)();
        }
        if !known {
            return (BODIES.not_found)();
        }
        let within_rate = platform
            .with(|engine, now| !platform.options.rate_limits || engine.limits.allow(&target.endpoint, operation, now));
        if !within_rate {
            return (BODIES.too_many_requests)();
        }
        platform.perform(operation, &target.endpoint, id, &body, &options).await
    })
    .await
}

/// Reads the JSON of a body; null for operations that have none.
async fn read_body(operation: Operation, body: Body) -> Result<Value, Response> {
    let limit = match operation {
        Operation::Run => RUN_BODY_BYTES_MAX,
        Operation::Runsync => RUNSYNC_BODY_BYTES_MAX,
        _ => return Ok(Value::Null),
    };
    let Ok(bytes) = body.into_bytes_limit(limit).await else {
        let message = if limit == RUN_BODY_BYTES_MAX {
            "exceeded max body size of 10MiB"
        } else {
            "exceeded max body size of 20MiB"
        };
        return Err(text(400, message));
    };
    serde_json::from_slice(&bytes).map_err(|_| json(400, &json!({ "error": "invalid JSON" })))
}

impl Platform {
    pub(super) fn take_http_faults(&self, operation: Operation, id: &str, input: Option<&Value>) -> Vec<HttpFault> {
        self.with(|engine, _| {
            *engine.counts.requests.entry(operation).or_default() += 1;
            let kept = engine.job(id).map(|job| Arc::clone(&job.input));
            let call = Call { operation, subject: id, input: input.or(kept.as_deref()) };
            let effects = engine.script.take(&call, |effect| matches!(effect, RunPodEffect::Http(_)));
            let of_exchange = |effect| match effect {
                RunPodEffect::Http(fault) => Some(fault),
                RunPodEffect::Job(_) => None,
            };
            effects.into_iter().filter_map(of_exchange).collect()
        })
    }
}

#[derive(Deserialize)]
struct Redirect {
    redirect: Option<u8>,
}

/// A picture by URL. No key: the URL is what RunPod's signed links are.
#[handler]
async fn file(
    platform: Data<&Arc<Platform>>,
    peer: &RemoteAddr,
    Path((id, name)): Path<(String, String)>,
    query: Query<Redirect>,
) -> Response {
    let platform = Arc::clone(&platform);
    let faults = platform.take_http_faults(Operation::File, &id, None);
    exchange(&faults, &platform.line, peer, &BODIES, async {
        if query.redirect.is_some() {
            return Response::builder()
                .status(poem::http::StatusCode::FOUND)
                .header(header::LOCATION, format!("/files/{id}/{name}"))
                .finish();
        }
        let recipe =
            platform.with(|engine, _| engine.job(&id).filter(|job| !job.gone).map(|job| Arc::clone(&job.recipe)));
        let index = name.split_once('.').and_then(|(index, _)| index.parse::<usize>().ok());
        let (Some(recipe), Some(index)) = (recipe, index) else { return text(404, "NoSuchKey") };
        let drawing = Arc::clone(&recipe);
        match platform.draw(&recipe, move || drawing.files().get(index).cloned()).await.flatten() {
            Some(File { bytes, content_type }) => Response::builder().content_type(content_type).body(bytes),
            None => text(404, "NoSuchKey"),
        }
    })
    .await
}
