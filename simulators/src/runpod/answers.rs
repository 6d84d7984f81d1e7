//! What the platform answers to its clients, once key, endpoint and rate are in order.

use std::sync::Arc;
use std::time::Duration;

use poem::Response;
use serde_json::{Value, json};

use super::Platform;
use super::engine::Engine;
use super::job::Job;
use super::routes::Options;
use crate::fault::Operation;
use crate::http_fault::{json, text};
use crate::net::lock;

/// How long `/runsync` and `/status-sync` wait for the end of a job.
const WAIT: Duration = Duration::from_secs(90);
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_mins(5);
/// How long `/stream` waits for a chunk. RunPod does not document it; its JavaScript SDK asks again without a pause.
const STREAM_WAIT: Duration = Duration::from_secs(1);

fn gone() -> Response {
    json(404, &json!({ "error": "job not found" }))
}

impl Platform {
    pub(super) async fn perform(
        self: &Arc<Self>,
        operation: Operation,
        endpoint: &str,
        id: &str,
        body: &Value,
        options: &Options,
    ) -> Response {
        let answer = match operation {
            Operation::Run => return self.run(endpoint, body, false).await,
            Operation::Runsync => return self.run_and_wait(endpoint, body, options.wait).await,
            Operation::Health => Some(self.health(endpoint)),
            Operation::PurgeQueue => {
                Some(json!({ "removed": self.with(|engine, _| engine.purge(endpoint)), "status": "completed" }))
            }
            _ if !self.is_at(id, endpoint) => None,
            Operation::Cancel => self.cancel(id),
            Operation::Retry => {
                if !self.with(|engine, now| engine.retry(id, now)) {
                    return json(400, &json!({ "error": "only failed or timed out jobs can be retried" }));
                }
                Some(json!({ "id": id, "status": "IN_QUEUE" }))
            }
            Operation::StatusSync => self.status_at_end(id, options.wait).await,
            Operation::Stream => {
                self.wait_until(STREAM_WAIT, |engine| engine.has_chunk_or_end(id)).await;
                self.with(|engine, _| engine.take_chunks(id))
            }
            _ => self.status(id, options.ttl.map(Duration::from_millis)).await,
        };
        answer.map_or_else(gone, |answer| json(200, &answer))
    }

    fn is_at(&self, id: &str, endpoint: &str) -> bool {
        self.with(|engine, _| engine.job(id).is_some_and(|job| job.endpoint == endpoint && !job.is_gone()))
    }

    /// The JSON of a job; none when it is gone. A `ttl` moves its deletion.
    async fn status(&self, id: &str, ttl: Option<Duration>) -> Option<Value> {
        let job = self.with(|engine, now| {
            if let Some(ttl) = ttl {
                engine.keep_until(id, now + ttl);
            }
            let job = engine.job_mut(id).filter(|job| !job.is_gone())?;
            job.looks += 1;
            Some(job.clone())
        })?;
        let recipe = Arc::clone(&job.recipe);
        self.draw(&recipe, move || job.to_json()).await
    }

    /// The same once the job has ended, or as it is at the end of the wait.
    async fn status_at_end(&self, id: &str, wait: Option<u64>) -> Option<Value> {
        let wait = wait.map_or(WAIT, Duration::from_millis).clamp(WAIT_MIN, WAIT_MAX);
        self.wait_until(wait, |engine| engine.job(id).is_none_or(Job::is_ended)).await;
        self.status(id, None).await
    }

    async fn run_and_wait(self: &Arc<Self>, endpoint: &str, body: &Value, wait: Option<u64>) -> Response {
        let answer = self.run(endpoint, body, true).await;
        if !answer.status().is_success() {
            return answer;
        }
        let Some(id) =
            answer.into_body().into_json::<Value>().await.ok().and_then(|made| Some(made["id"].as_str()?.to_owned()))
        else {
            return text(500, "the job just made has an id");
        };
        self.status_at_end(&id, wait).await.map_or_else(gone, |job| json(200, &job))
    }

    /// Returns as soon as it holds, and at the end of the wait by the simulator's clock or the machine's, whichever is first.
    pub(super) async fn wait_until(&self, wait: Duration, holds: impl Fn(&Engine) -> bool) {
        let until = self.clock.now() + wait;
        let mut steps = self.steps.subscribe();
        let over = steps.wait_for(|_| self.clock.now() >= until || self.with_quietly(&holds));
        // Either way the caller looks again.
        let _ = tokio::time::timeout(wait, over).await;
    }

    /// A look at the engine that wakes nobody.
    pub(super) fn with_quietly<R>(&self, look: impl FnOnce(&Engine) -> R) -> R {
        look(&lock(&self.engine))
    }

    fn health(&self, endpoint: &str) -> Value {
        let (census, pods) = self.with(|engine, now| {
            let pods = engine.pods.serve(endpoint).then(|| engine.pods.views(now));
            (engine.census(endpoint), pods)
        });
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (workers, unhealthy) = match pods {
            None => (count(self.options.workers), 0),
            Some(pods) => {
                let alive = pods.iter().filter(|pod| pod.endpoint == endpoint && pod.alive);
                let (unhealthy, healthy): (Vec<_>, Vec<_>) = alive.partition(|pod| pod.unhealthy.is_some());
                (count(healthy.len()), count(unhealthy.len()))
            }
        };
        json!({
            "jobs": {
                "completed": census.completed, "failed": census.failed, "inProgress": census.running,
                "inQueue": census.queued, "retried": census.retried,
            },
            "workers": {
                "idle": workers.saturating_sub(census.running), "initializing": 0, "ready": workers,
                "running": census.running.min(workers), "throttled": 0, "unhealthy": unhealthy,
            },
        })
    }
}
