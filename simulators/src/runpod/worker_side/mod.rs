//! The side of the platform that workers speak to, as contracts have it for the genuine Python SDK: they take jobs, post progress,
//! chunks and results, ask what to stop, and ping. Only for the endpoints in [`RunPodOptions::attached`](super::RunPodOptions).

mod pods;
mod report;

use std::sync::Arc;

use poem::http::{StatusCode, header};
use poem::web::{Data, Path, Query, RemoteAddr};
use poem::{Body, EndpointExt, Request, Response, Route, get, handler, post};
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::pods::{PODS_MAX, PodView};
pub(super) use self::pods::{Ping, Pods};
use self::report::Report;
use super::Platform;
use super::engine::Subject;
use super::output::{RESULT_BYTES_MAX, SYNC_RESULT_BYTES_MAX};
use super::plan::{Ending, Output};
use super::routes::BODIES;
use crate::fault::Operation;
use crate::http_fault::{exchange, json, text};

/// Body of job-done that is read at all, so that what is over the platform's limits is answered, and not cut off.
const DONE_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// One chunk of a stream.
const CHUNK_BYTES_MAX: usize = 1024 * 1024;
/// Jobs that one job-take-batch gives at most.
const BATCH_MAX: usize = 100;
/// Job ids of one ping that are looked at.
const PING_JOBS_MAX: usize = 1_000;

/// The routes under `/v2`, to be added to the client's.
pub(super) fn add_routes(route: Route) -> Route {
    let get = |operation: Operation| get(serve).data(operation);
    let post = |operation: Operation| post(serve).data(operation);
    route
        .at("/v2/:endpoint/job-take/:pod", get(Operation::JobTake))
        .at("/v2/:endpoint/job-take-batch/:pod", get(Operation::JobTake))
        .at("/v2/:endpoint/job-stop/:pod", get(Operation::JobStop))
        .at("/v2/:endpoint/ping/:pod", get(Operation::Ping))
        .at("/v2/:endpoint/job-done/:pod/:id", post(Operation::JobDone))
        .at("/v2/:endpoint/job-stream/:pod/:id", post(Operation::JobStream))
}

#[derive(Deserialize)]
struct Target {
    endpoint: String,
    pod: String,
    #[serde(default)]
    id: String,
}

/// What the query can hold; the rest (`gpu`, `job_in_progress`, `isStream`) changes nothing here.
#[derive(Deserialize)]
struct Asked {
    /// Only job-take-batch has it.
    batch_size: Option<usize>,
    /// Of a ping: the jobs in progress, with commas between.
    job_id: Option<String>,
    runpod_version: Option<String>,
    status: Option<String>,
    reason: Option<String>,
}

#[handler]
async fn serve(
    platform: Data<&Arc<Platform>>,
    operation: Data<&Operation>,
    request: &Request,
    peer: &RemoteAddr,
    target: Path<Target>,
    asked: Query<Asked>,
    body: Body,
) -> Response {
    // The SDK sends the key without Bearer.
    let key = request.header(header::AUTHORIZATION).unwrap_or_default();
    let permitted = key.strip_prefix("Bearer ").unwrap_or(key) == platform.options.worker_key;
    let Ok(body) = body.into_bytes_limit(DONE_BODY_BYTES_MAX).await else {
        return text(413, "too large to be read");
    };
    let (endpoint, pod) = (target.endpoint.as_str(), target.pod.as_str());
    let subject = Subject { endpoint, pod, id: &target.id };
    let faults = platform.take_http_faults(**operation, if target.id.is_empty() { pod } else { &target.id }, None);
    exchange(&faults, &platform.line, peer, &BODIES, async {
        if !permitted {
            return (BODIES.unauthorized)();
        }
        if !platform.with_quietly(|engine| engine.pods.serve(endpoint)) {
            return (BODIES.not_found)();
        }
        if !platform.with(|engine, now| engine.pods.hear(endpoint, pod, now)) {
            return (BODIES.too_many_requests)();
        }
        match **operation {
            Operation::JobTake => platform.job_take(endpoint, pod, asked.batch_size).await,
            Operation::JobStop => platform.job_stop(endpoint, pod).await,
            Operation::JobDone => platform.job_done(&subject, &body),
            Operation::JobStream => platform.job_stream(&subject, &body),
            _ => platform.ping(endpoint, pod, asked.0),
        }
    })
    .await
}

fn nothing() -> Response {
    StatusCode::NO_CONTENT.into()
}

impl Platform {
    /// Waits for a job, or for several if a batch is asked for.
    async fn job_take(&self, endpoint: &str, pod: &str, batch_size: Option<usize>) -> Response {
        self.wait_until(self.options.poll_wait, |engine| engine.has_job_to_take(endpoint)).await;
        let count_max = batch_size.unwrap_or(1).min(BATCH_MAX);
        let mut taken = self.with(|engine, now| engine.take(endpoint, pod, count_max, now));
        match batch_size {
            Some(_) if !taken.is_empty() => json(200, &Value::Array(taken)),
            None if !taken.is_empty() => json(200, &taken.remove(0)),
            _ => nothing(),
        }
    }

    /// Waits for a job that is to be stopped.
    async fn job_stop(&self, endpoint: &str, pod: &str) -> Response {
        self.wait_until(self.options.poll_wait, |engine| engine.pods.has_stops(endpoint, pod)).await;
        let stops = self.with(|engine, _| engine.pods.take_stops(endpoint, pod));
        if stops.is_empty() { nothing() } else { json(200, &json!({ "jobsToStop": stops })) }
    }

    fn job_done(&self, subject: &Subject<'_>, body: &[u8]) -> Response {
        let sync = self.with_quietly(|engine| engine.job(subject.id).is_some_and(|job| job.sync));
        let bytes_max = if sync { SYNC_RESULT_BYTES_MAX } else { RESULT_BYTES_MAX };
        if body.len() > bytes_max {
            // The worker's SDK only logs this, and the job looks as if it had gone well.
            self.with(|engine, now| engine.result(subject, Ending::completed(Output::None), now));
            return json(400, &json!({ "error": "result too large" }));
        }
        let Some(report) = Report::read(body) else { return json(400, &json!({ "error": "invalid JSON" })) };
        let known = self.with(|engine, now| match report {
            Report::Progress(value) => engine.progress(subject, value, now),
            Report::Result(ending) => engine.result(subject, ending, now),
        });
        if known { json(200, &json!({})) } else { json(404, &json!({ "error": "job not found" })) }
    }

    fn job_stream(&self, subject: &Subject<'_>, body: &[u8]) -> Response {
        if body.len() > CHUNK_BYTES_MAX {
            return json(400, &json!({ "error": "chunk too large" }));
        }
        let Ok(chunk) = serde_json::from_slice(body) else { return json(400, &json!({ "error": "invalid JSON" })) };
        if self.with(|engine, now| engine.chunk(subject, chunk, body.len(), now)) {
            json(200, &json!({}))
        } else {
            json(400, &json!({ "error": "too many chunks wait to be read" }))
        }
    }

    fn ping(&self, endpoint: &str, pod: &str, asked: Asked) -> Response {
        let jobs = asked.job_id.unwrap_or_default();
        let jobs = jobs.split(',').filter(|id| !id.is_empty()).take(PING_JOBS_MAX).map(str::to_owned).collect();
        let unhealthy = asked.status.filter(|status| status == "unhealthy").map(|_| asked.reason.unwrap_or_default());
        let ping = Ping { jobs, version: asked.runpod_version, unhealthy };
        self.with(|engine, now| engine.hear_ping(endpoint, pod, ping, now));
        json(200, &json!({}))
    }
}
