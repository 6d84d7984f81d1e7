//! `/run` and `/runsync`: a request becomes a job.

use std::sync::Arc;
use std::time::Duration;

use poem::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Platform;
use super::engine::Delivery;
use super::faults::{JobFault, RunPodEffect};
use super::job::{Attached, Job, State, WebhookView};
use super::output::Recipe;
use super::plan::{Ending, Plan};
use super::work::{Refused, Work};
use crate::fault::{Call, Operation};
use crate::http_fault::json;

const EXECUTION_TIMEOUT: Duration = Duration::from_mins(10);
const EXECUTION_TIMEOUT_MIN: Duration = Duration::from_secs(5);
const TTL: Duration = Duration::from_hours(24);
const TTL_MIN: Duration = Duration::from_secs(10);
/// Longest executionTimeout and ttl.
const POLICY_MAX: Duration = Duration::from_hours(7 * 24);
/// An empty `input` is dropped by the worker's SDK, and the platform notices after about a minute.
const EMPTY_INPUT_TIME: Duration = Duration::from_mins(1);

/// The body of `/run`; what else it holds is ignored.
#[derive(Deserialize)]
struct RunBody {
    input: Option<Value>,
    webhook: Option<String>,
    #[serde(default)]
    policy: Policy,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Policy {
    execution_timeout: Option<u64>,
    ttl: Option<u64>,
}

/// A request that is none.
fn bad_request(message: &str) -> Response {
    json(400, &json!({ "error": message }))
}

fn duration(ms: Option<u64>, default: Duration, min: Duration, name: &str) -> Result<Duration, String> {
    let asked = ms.map_or(default, Duration::from_millis);
    if asked < min || asked > POLICY_MAX {
        return Err(format!("policy.{name} must be between {} and {} ms", min.as_millis(), POLICY_MAX.as_millis()));
    }
    Ok(asked)
}

impl Platform {
    /// Makes a job of a body. Its webhook may be delivered before this returns, if that was scripted.
    pub(super) async fn run(self: &Arc<Self>, endpoint: &str, body: &Value, sync: bool) -> Response {
        let body: RunBody = match RunBody::deserialize(body) {
            Ok(body) => body,
            Err(error) => return bad_request(&format!("invalid request body: {error}")),
        };
        let job = match self.make_job(endpoint, body, sync).await {
            Ok(job) => job,
            Err(message) => return bad_request(&message),
        };
        let (id, webhook) = (job.id.clone(), job.recipe.plan.webhook.clone());
        if !self.with(|engine, now| engine.submit(job, now)) {
            return json(429, &json!({ "error": "queue is full" }));
        }
        if webhook.before_answer {
            self.complete(&id);
            for _ in 0..webhook.copies {
                self.deliver(Delivery { id: id.clone(), tries_left: self.options.webhook_tries }).await;
            }
        }
        json(200, &json!({ "id": id, "status": "IN_QUEUE" }))
    }

    async fn make_job(&self, endpoint: &str, body: RunBody, sync: bool) -> Result<Job, String> {
        let input = match body.input {
            Some(Value::Object(input)) => Value::Object(input),
            Some(Value::String(input)) => Value::String(input),
            _ => return Err("input is required and must be an object".to_owned()),
        };
        let execution_timeout =
            duration(body.policy.execution_timeout, EXECUTION_TIMEOUT, EXECUTION_TIMEOUT_MIN, "executionTimeout")?;
        let ttl = duration(body.policy.ttl, TTL, TTL_MIN, "ttl")?;
        let id = format!("{}{}-u1", if sync { "sync-" } else { "" }, Uuid::new_v4());
        let input = Arc::new(input);
        let work = self.read_work(endpoint, &input, &id).await;
        let faults = self.take_job_faults(&id, &input);
        let form = work.as_ref().map_or(self.options.form, |work| work.form(self.options.form));
        let mut plan = Plan::new(form, self.options.generation_time, faults.clone());
        if input.as_object().is_some_and(serde_json::Map::is_empty) {
            plan.ending = Some(JobFault::JobTimedOut);
            plan.generation_time = EMPTY_INPUT_TIME;
        }
        let now = self.clock.now();
        Ok(Job {
            recipe: Arc::new(Recipe::new(id.clone(), self.base_url.clone(), work, plan)),
            id,
            endpoint: endpoint.to_owned(),
            input,
            webhook: body.webhook,
            webhook_log: WebhookView::default(),
            execution_timeout,
            ttl,
            faults,
            sync,
            state: State::Queued,
            queued: now,
            started: None,
            ended: None,
            starts: 0,
            retries: 0,
            cancel_asked: false,
            gone_at: now + ttl,
            gone: false,
            looks: 0,
            attached: Attached::default(),
        })
    }

    /// Off the threads that serve: there may be pictures to decode, and a graph is run there and then.
    async fn read_work(&self, endpoint: &str, input: &Arc<Value>, id: &str) -> Result<Work, Refused> {
        let slots = self.comfy.slots();
        let _slot = slots.acquire().await;
        let (input, id, size) = (Arc::clone(input), id.to_owned(), self.options.picture_size);
        let worker = self.comfy.of(endpoint);
        let read = tokio::task::spawn_blocking(move || Work::read(&input, &id, size, &worker)).await;
        read.expect("what a request holds is refused, and makes no reader panic")
    }

    fn take_job_faults(&self, id: &str, input: &Value) -> Vec<JobFault> {
        let call = Call { operation: Operation::Run, subject: id, input: Some(input) };
        let effects = self.with(|engine, _| engine.script.take(&call, |effect| matches!(effect, RunPodEffect::Job(_))));
        let of_job = |effect| match effect {
            RunPodEffect::Job(fault) => Some(fault),
            RunPodEffect::Http(_) => None,
        };
        effects.into_iter().filter_map(of_job).collect()
    }

    /// Ends a job as cancelled and answers as `/cancel` does; none if there is no such job.
    pub(super) fn cancel(&self, id: &str) -> Option<Value> {
        self.with(|engine, now| engine.cancel(id, now).map(|job| json!({ "id": job.id, "status": job.status() })))
    }

    /// Ends a job with this error.
    pub(super) fn fail(&self, id: &str, error: &str) -> bool {
        self.with(|engine, now| engine.end(id, Ending::failed(error), now))
    }
}
