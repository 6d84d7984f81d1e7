//! `/_sim`: how tests and demos in other processes script faults, move the clock and look at what was received.

use std::sync::Arc;
use std::time::Duration;

use poem::web::{Data, Json, Path, Query};
use poem::{Body, Response, Route, get, handler, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Platform;
use super::faults::RunPodFault;
use crate::control::{read_script, refused};
use crate::http_fault::json;

/// Jobs one answer lists at most, the newest.
const JOBS_LISTED_MAX: usize = 1_000;
/// The longest it goes offline on request.
const OFFLINE_MAX: Duration = Duration::from_mins(10);

pub(super) fn routes() -> Route {
    Route::new()
        .at("/_sim/faults", get(list_faults).post(add_faults).delete(clear_faults))
        .at("/_sim/jobs", get(list_jobs))
        .at("/_sim/jobs/:id/complete", post(complete))
        .at("/_sim/jobs/:id/fail", post(fail))
        .at("/_sim/pods", get(list_pods))
        .at("/_sim/advance", post(advance))
        .at("/_sim/offline", post(offline))
}

#[handler]
async fn add_faults(platform: Data<&Arc<Platform>>, body: Body) -> Response {
    add(&platform, body).await.unwrap_or_else(|refusal| refusal)
}

async fn add(platform: &Platform, body: Body) -> Result<Response, Response> {
    let read: Result<Vec<RunPodFault>, String> = read_script(body).await?.iter().map(RunPodFault::from_json).collect();
    let faults = read.map_err(|message| refused(&message))?;
    let all_added = platform.with(|engine, _| faults.into_iter().all(|fault| engine.script.add(fault)));
    if !all_added {
        return Err(refused("too many faults"));
    }
    Ok(json(200, &json!({ "faults": platform.with(|engine, _| engine.script.to_json()) })))
}

#[handler]
fn list_faults(platform: Data<&Arc<Platform>>) -> Response {
    json(200, &json!({ "faults": platform.with(|engine, _| engine.script.to_json()) }))
}

#[handler]
fn clear_faults(platform: Data<&Arc<Platform>>) -> Response {
    platform.with(|engine, _| engine.script.clear());
    json(200, &json!({ "faults": [] }))
}

#[derive(Deserialize)]
struct JobFilter {
    prompt_contains: Option<String>,
    endpoint: Option<String>,
}

#[handler]
fn list_jobs(platform: Data<&Arc<Platform>>, filter: Query<JobFilter>) -> Response {
    let (mut jobs, counts) = platform
        .with(|engine, _| (engine.jobs().map(super::job::Job::view).collect::<Vec<_>>(), engine.counts.clone()));
    jobs.retain(|job| {
        let prompt = job.input.pointer("/input/prompt").and_then(Value::as_str).unwrap_or_default();
        filter.prompt_contains.as_ref().is_none_or(|text| prompt.contains(text.as_str()))
            && filter.endpoint.as_ref().is_none_or(|endpoint| *endpoint == job.endpoint)
    });
    let matching = jobs.len();
    jobs.drain(..matching.saturating_sub(JOBS_LISTED_MAX));
    json(200, &json!({ "counts": counts, "matching": matching, "jobs": jobs }))
}

#[handler]
fn list_pods(platform: Data<&Arc<Platform>>) -> Response {
    json(200, &json!({ "pods": platform.with(|engine, now| engine.pods.views(now)) }))
}

#[handler]
fn complete(platform: Data<&Arc<Platform>>, Path(id): Path<String>) -> Response {
    json(200, &json!({ "ended": platform.complete(&id) }))
}

#[derive(Deserialize)]
struct Failure {
    error: String,
}

#[handler]
fn fail(platform: Data<&Arc<Platform>>, Path(id): Path<String>, failure: Json<Failure>) -> Response {
    json(200, &json!({ "ended": platform.fail(&id, &failure.error) }))
}

#[derive(Deserialize)]
struct Span {
    ms: u64,
}

#[handler]
fn advance(platform: Data<&Arc<Platform>>, span: Json<Span>) -> Response {
    platform.clock.advance(Duration::from_millis(span.ms));
    platform.with(|_, now| json(200, &json!({ "now_ms": u64::try_from(now.as_millis()).unwrap_or(u64::MAX) })))
}

/// Refuses connections for a while; this answer may be the first victim.
#[handler]
fn offline(platform: Data<&Arc<Platform>>, span: Json<Span>) -> Response {
    let line = Arc::clone(&platform.line);
    let span = Duration::from_millis(span.ms).min(OFFLINE_MAX);
    tokio::spawn(async move {
        line.go_offline().await;
        tokio::time::sleep(span).await;
        line.go_online().await;
    });
    json(202, &json!({ "offline_ms": u64::try_from(span.as_millis()).unwrap_or(u64::MAX) }))
}
