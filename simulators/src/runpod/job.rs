//! One job, and its JSON as `/status` and the webhook show it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::faults::JobFault;
use super::output::Recipe;
use super::plan::{Ending, Output};

#[derive(Clone, Debug)]
pub(super) enum State {
    Queued,
    Running,
    Ended(Arc<Ending>),
}

/// What became of a job's webhook.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WebhookView {
    /// Requests sent.
    pub tries: u32,
    /// Those that were answered 200.
    pub delivered: u32,
    /// Those that were answered otherwise or not at all.
    pub failed: u32,
    /// The last answer's status; none when there was no answer.
    pub last_status: Option<u16>,
}

/// One job. Cheap to clone: it is looked at and turned to JSON outside the engine's lock.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) endpoint: String,
    pub(super) input: Arc<Value>,
    pub(super) webhook: Option<String>,
    pub(super) webhook_log: WebhookView,
    pub(super) execution_timeout: Duration,
    pub(super) ttl: Duration,
    pub(super) recipe: Arc<Recipe>,
    pub(super) faults: Vec<JobFault>,
    pub(super) sync: bool,
    pub(super) state: State,
    /// When it joined the queue last; a platform retry sets it anew.
    pub(super) queued: Duration,
    pub(super) started: Option<Duration>,
    pub(super) ended: Option<Duration>,
    /// Counts starts, so that an event of an earlier start is known as stale.
    pub(super) starts: u32,
    pub(super) retries: u32,
    pub(super) cancel_asked: bool,
    /// Hard deletion, by ttl or retention.
    pub(super) gone_at: Duration,
    pub(super) gone: bool,
    /// Looks at its status, by which progress advances.
    pub(super) looks: usize,
    /// What an attached worker made of it.
    pub(super) attached: Attached,
}

/// What only a job that an attached worker took has.
#[derive(Clone, Debug, Default)]
pub(super) struct Attached {
    /// The pod that took it last.
    pub(super) pod: Option<String>,
    /// Whether that pod still works on it.
    pub(super) held: bool,
    /// When the pod last spoke of it.
    pub(super) heard: Duration,
    /// The last progress update, and when it came.
    pub(super) progress: Option<(Duration, Arc<Value>)>,
    /// Chunks that `/stream` has not given out yet, and their size as they came.
    pub(super) stream: Arc<Vec<Value>>,
    pub(super) stream_bytes: usize,
}

/// A job as tests and demos look at it.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    /// RunPod's id.
    pub id: String,
    /// The endpoint it was sent to.
    pub endpoint: String,
    /// The status as `/status` shows it.
    pub status: String,
    /// The `input` it was made with; null once the job is deleted, as it may hold megabytes of pictures.
    pub input: Value,
    /// Whether a cancel was asked for.
    pub cancelled: bool,
    /// Whether its result is deleted (`/status` answers 404).
    pub gone: bool,
    /// The webhook URL it was made with.
    pub webhook: Option<String>,
    /// What became of the webhook.
    pub webhook_log: WebhookView,
    /// How long it may run, milliseconds.
    pub execution_timeout_ms: u64,
    /// How long it was to exist from its submission, milliseconds.
    pub ttl_ms: u64,
    /// The faults it was made with.
    pub faults: Vec<JobFault>,
    /// The attached worker that took it last.
    pub pod: Option<String>,
    /// How often the platform gave it to another worker because the first was gone.
    pub retries: u32,
}

impl Job {
    /// Whether `/status` answers 404.
    pub(super) fn is_gone(&self) -> bool {
        self.gone || (self.recipe.plan.expired && self.ended.is_some())
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// Whether no worker will ever be given it.
    pub(super) fn never_starts(&self) -> bool {
        matches!(self.recipe.plan.ending, Some(JobFault::NeverStarts))
    }

    /// Puts it back to where it was when it was made; what was made of it is forgotten.
    pub(super) fn requeue(&mut self, at: Duration) {
        (self.state, self.queued, self.started, self.ended) = (State::Queued, at, None, None);
        self.attached = Attached::default();
    }

    /// Takes it from the pod that works on it, and names that pod.
    pub(super) fn release(&mut self) -> Option<String> {
        let held = std::mem::take(&mut self.attached.held);
        self.attached.pod.clone().filter(|_| held)
    }

    /// Deletes it: what stays is that it was made, and nothing that weighs.
    pub(super) fn delete(&mut self) {
        self.gone = true;
        self.input = Arc::default();
        self.recipe = Arc::new(self.recipe.emptied());
        self.attached = Attached { pod: self.attached.pod.take(), held: self.attached.held, ..Attached::default() };
        if let State::Ended(ending) = &mut self.state {
            *ending = Arc::new(ending.without_output());
        }
    }

    pub(super) fn status(&self) -> &str {
        match &self.state {
            State::Ended(ending) => ending.status,
            _ if self.cancel_asked => "CANCELLED",
            State::Queued => "IN_QUEUE",
            State::Running => match &self.recipe.plan.ending {
                Some(JobFault::StuckWithStatus { status }) => status,
                _ => "IN_PROGRESS",
            },
        }
    }

    pub(super) fn view(&self) -> JobView {
        JobView {
            id: self.id.clone(),
            endpoint: self.endpoint.clone(),
            status: self.status().to_owned(),
            input: Value::clone(&self.input),
            cancelled: self.cancel_asked,
            gone: self.is_gone(),
            webhook: self.webhook.clone(),
            webhook_log: self.webhook_log.clone(),
            execution_timeout_ms: millis(self.execution_timeout),
            ttl_ms: millis(self.ttl),
            faults: self.faults.clone(),
            pod: self.attached.pod.clone(),
            retries: self.retries,
        }
    }

    /// The JSON of `/status`. Draws the pictures when they are asked for first, so it takes its time.
    pub(super) fn to_json(&self) -> Value {
        let mut json = Map::new();
        json.insert("id".to_owned(), self.id.as_str().into());
        json.insert("status".to_owned(), self.status().into());
        if let Some(started) = self.started {
            json.insert("delayTime".to_owned(), millis(started.saturating_sub(self.queued)).into());
            json.insert("workerId".to_owned(), self.attached.pod.as_deref().unwrap_or("sim-worker").into());
            let until = self.ended.or(self.attached.progress.as_ref().map(|(at, _)| *at));
            if let Some(until) = until {
                json.insert("executionTime".to_owned(), millis(until.saturating_sub(started)).into());
            }
        }
        if self.retries > 0 {
            json.insert("retries".to_owned(), self.retries.into());
        }
        match &self.state {
            State::Ended(ending) => {
                if let Some(error) = &ending.error {
                    json.insert("error".to_owned(), error.clone());
                }
                let output = match &ending.output {
                    Output::None => None,
                    Output::Value(output) => Some(output.clone()),
                    Output::Pictures => self.recipe.output(self.sync),
                };
                if let Some(output) = output {
                    json.insert("output".to_owned(), output);
                }
            }
            State::Running if let Some((_, progress)) = &self.attached.progress => {
                json.insert("output".to_owned(), Value::clone(progress));
            }
            State::Running if !self.recipe.plan.progress.is_empty() => {
                let values = &self.recipe.plan.progress;
                json.insert("output".to_owned(), values[self.looks.saturating_sub(1).min(values.len() - 1)].clone());
            }
            State::Queued | State::Running => {}
        }
        json.extend(self.recipe.plan.fields.clone());
        Value::Object(json)
    }

    /// The JSON of the webhook: that of `/status`, with the input and the webhook's URL.
    pub(super) fn to_webhook_json(&self) -> Value {
        let mut json = self.to_json();
        json["input"] = Value::clone(&self.input);
        json["webhook"] = json!(self.webhook);
        json
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
