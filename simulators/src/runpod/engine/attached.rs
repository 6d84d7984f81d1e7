//! What attached workers do to jobs: they take them, speak of them, end them, and fall silent.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Engine, Event};
use crate::runpod::job::{Job, State};
use crate::runpod::plan::Ending;
use crate::runpod::worker_side::Ping;

/// Times a job is given to another worker because the first was lost.
const RETRIES_MAX: u32 = 1;
/// Chunks of one job that nobody has read yet, and their bytes: more are refused.
const STREAM_CHUNKS_MAX: usize = 1_000;
const STREAM_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The job that a worker speaks of, and who speaks.
pub(in crate::runpod) struct Subject<'a> {
    pub(in crate::runpod) endpoint: &'a str,
    pub(in crate::runpod) pod: &'a str,
    pub(in crate::runpod) id: &'a str,
}

impl Engine {
    /// Whether a worker that asks now is given something.
    pub(in crate::runpod) fn has_job_to_take(&self, endpoint: &str) -> bool {
        let waits = |id: &String| {
            let job = self.jobs.get(id);
            job.is_some_and(|job| matches!(job.state, State::Queued) && !job.gone && !job.never_starts())
        };
        self.queues.get(endpoint).is_some_and(|queue| queue.iter().any(waits))
    }

    /// Gives the oldest queued jobs to a pod, as job-take shows them.
    pub(in crate::runpod) fn take(&mut self, endpoint: &str, pod: &str, count_max: usize, now: Duration) -> Vec<Value> {
        let ids = self.start(endpoint, count_max, now);
        ids.into_iter().filter_map(|id| self.give(id, pod, now)).collect()
    }

    fn give(&mut self, id: String, pod: &str, now: Duration) -> Option<Value> {
        let job = self.jobs.get_mut(&id)?;
        job.attached.pod = Some(pod.to_owned());
        job.attached.held = true;
        job.attached.heard = now;
        let (start, stuck) = (job.starts, job.recipe.plan.never_finishes());
        let (end_at, silent_at) = (now + job.execution_timeout, now + self.pods.silence());
        let mut taken = json!({ "id": id });
        // The platform drops an empty input, and the SDK then drops the job.
        if !job.input.as_object().is_some_and(serde_json::Map::is_empty) {
            taken["input"] = Value::clone(&job.input);
        }
        let endpoint = job.endpoint.clone();
        self.pods.forgive(&endpoint, pod, &id);
        if !stuck {
            self.schedule(end_at, Event::Finish { id: id.clone(), start, ending: Some(Ending::execution_timeout()) });
        }
        self.schedule(silent_at, Event::Silence { id, start });
        Some(taken)
    }

    /// Notes a ping: the pod lives, and so do the jobs it names.
    pub(in crate::runpod) fn hear_ping(&mut self, endpoint: &str, pod: &str, ping: Ping, now: Duration) {
        for id in &ping.jobs {
            if let Some(job) = self.held(&Subject { endpoint, pod, id }) {
                job.attached.heard = now;
            }
        }
        self.pods.ping(endpoint, pod, ping);
    }

    /// The job, if this pod works on it.
    fn held(&mut self, subject: &Subject<'_>) -> Option<&mut Job> {
        let job = self.known(subject)?;
        (job.attached.held && job.attached.pod.as_deref() == Some(subject.pod)).then_some(job)
    }

    fn known(&mut self, subject: &Subject<'_>) -> Option<&mut Job> {
        self.jobs.get_mut(subject.id).filter(|job| job.endpoint == subject.endpoint && !job.gone)
    }

    /// A progress update; false when there is no such job. One that comes after the result is dropped, unless the race was
    /// scripted: then it undoes the result.
    pub(in crate::runpod) fn progress(&mut self, subject: &Subject<'_>, value: Value, now: Duration) -> bool {
        let Some(job) = self.known(subject) else { return false };
        let ended = job.is_ended();
        if ended && job.recipe.plan.late_progress_wins && matches!(job.status(), "COMPLETED" | "FAILED") {
            job.state = State::Running;
            // So that its executionTimeout does not end it either: that is what was seen.
            job.starts += 1;
            job.attached.progress = Some((now, Arc::new(value)));
        } else if let Some(job) = self.held(subject) {
            job.attached.progress = Some((now, Arc::new(value)));
            job.attached.heard = now;
        }
        self.counts.progress_updates += 1;
        self.counts.progress_late += u64::from(ended);
        true
    }

    /// A result; false when there is no such job. The first to arrive ends the job, whoever sends it; what comes later (a repeat,
    /// or after a cancel) changes nothing.
    pub(in crate::runpod) fn result(&mut self, subject: &Subject<'_>, ending: Ending, now: Duration) -> bool {
        let Some(job) = self.known(subject) else { return false };
        if job.recipe.plan.never_finishes() {
            return true;
        }
        if job.attached.pod.as_deref() == Some(subject.pod) {
            // It need not be told to stop.
            job.attached.held = false;
        }
        job.started.get_or_insert(now);
        let scripted = job.recipe.plan.ending.is_some();
        let ending = if scripted { Ending::of(&job.recipe.plan, &job.recipe.work) } else { ending };
        self.end(subject.id, ending, now);
        true
    }

    /// One more chunk for `/stream`; false when too many wait there. Those of a job that is not the pod's are dropped.
    pub(in crate::runpod) fn chunk(
        &mut self,
        subject: &Subject<'_>,
        chunk: Value,
        bytes: usize,
        now: Duration,
    ) -> bool {
        let Some(job) = self.held(subject) else { return true };
        job.attached.heard = now;
        let room =
            job.attached.stream.len() < STREAM_CHUNKS_MAX && job.attached.stream_bytes + bytes <= STREAM_BYTES_MAX;
        if room {
            Arc::make_mut(&mut job.attached.stream).push(chunk);
            job.attached.stream_bytes += bytes;
        }
        room
    }

    /// Whether `/stream` has something to say: a chunk, or that there will be none.
    pub(in crate::runpod) fn has_chunk_or_end(&self, id: &str) -> bool {
        self.jobs.get(id).is_none_or(|job| job.gone || job.is_ended() || !job.attached.stream.is_empty())
    }

    /// What `/stream` answers: the chunks that were not given out before.
    pub(in crate::runpod) fn take_chunks(&mut self, id: &str) -> Option<Value> {
        let job = self.jobs.get_mut(id).filter(|job| !job.is_gone())?;
        job.attached.stream_bytes = 0;
        let chunks = Arc::unwrap_or_clone(std::mem::take(&mut job.attached.stream));
        Some(json!({ "id": job.id, "status": job.status(), "stream": chunks }))
    }

    /// Whether the pod that has a job has spoken of it lately. If not, the worker is gone or has dropped the job: another worker
    /// gets it, once.
    pub(super) fn check_silence(&mut self, id: &str, start: u32, at: Duration) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.starts == start && job.attached.held && !job.gone)
        else {
            return;
        };
        let silent_at = job.attached.heard + self.pods.silence();
        if silent_at > at {
            self.schedule(silent_at, Event::Silence { id: id.to_owned(), start });
        } else if job.retries < RETRIES_MAX {
            job.retries += 1;
            job.requeue(at);
            let endpoint = job.endpoint.clone();
            self.enqueue(&endpoint, id.to_owned(), at);
        } else {
            self.end(id, Ending::worker_died(), at);
        }
    }
}
