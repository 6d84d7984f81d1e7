//! The platform's inside as a simulation of discrete events: a queue and workers for each endpoint, and an agenda of what
//! happens when. Nothing here waits; [`Engine::tick`] does all that is due.

mod attached;
mod commands;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub(super) use self::attached::Subject;
use super::RunPodOptions;
use super::faults::{JobFault, RunPodEffect};
use super::job::{Job, State};
use super::limits::Limits;
use super::plan::Ending;
use super::worker_side::Pods;
use crate::fault::{Operation, Script};

/// Jobs remembered; beyond it the oldest ended one is forgotten.
pub const JOBS_MAX: usize = 10_000;
/// How long a result is kept after the end of its job.
pub const RETENTION: Duration = Duration::from_mins(30);
/// The same of `/runsync`.
pub const SYNC_RETENTION: Duration = Duration::from_mins(1);

/// What was counted since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Requests by operation, refused and failed ones too.
    pub requests: BTreeMap<Operation, u64>,
    /// Provider jobs made. The number that a test of "exactly one job" wants.
    pub jobs_made: u64,
    /// Jobs for which a cancel was asked.
    pub jobs_cancelled: u64,
    /// Webhook requests sent.
    pub webhooks_sent: u64,
    /// Those answered 200.
    pub webhooks_delivered: u64,
    /// Progress updates of attached workers.
    pub progress_updates: u64,
    /// Those that came after the result of their job.
    pub progress_late: u64,
}

#[derive(Debug)]
enum Event {
    Finish {
        id: String,
        start: u32,
        ending: Option<Ending>,
    },
    Forget {
        id: String,
    },
    Webhook {
        id: String,
        tries_left: u32,
    },
    /// Its pod may not have spoken of it for too long.
    Silence {
        id: String,
        start: u32,
    },
}

/// A webhook request to be sent now.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) id: String,
    pub(super) tries_left: u32,
}

pub(super) struct Engine {
    workers: usize,
    webhook_tries: u32,
    webhook_on_cancel: bool,
    jobs: HashMap<String, Job>,
    order: VecDeque<String>,
    queues: HashMap<String, VecDeque<String>>,
    running: HashMap<String, usize>,
    agenda: BTreeMap<(Duration, u64), Event>,
    sequence: u64,
    pub(super) pods: Pods,
    pub(super) outbox: Vec<Delivery>,
    pub(super) script: Script<RunPodEffect>,
    pub(super) limits: Limits,
    pub(super) counts: Counts,
}

impl Engine {
    pub(super) fn new(options: &RunPodOptions) -> Self {
        Self {
            workers: options.workers,
            webhook_tries: options.webhook_tries,
            webhook_on_cancel: options.webhook_on_cancel,
            jobs: HashMap::new(),
            order: VecDeque::new(),
            queues: HashMap::new(),
            running: HashMap::new(),
            agenda: BTreeMap::new(),
            sequence: 0,
            pods: Pods::new(options.attached.clone(), options.silence),
            outbox: Vec::new(),
            script: Script::new(options.seed),
            limits: Limits::default(),
            counts: Counts::default(),
        }
    }

    pub(super) fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.get(id)
    }

    pub(super) fn job_mut(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.get_mut(id)
    }

    /// All jobs, oldest first.
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.order.iter().filter_map(|id| self.jobs.get(id))
    }

    /// When something is next on the agenda.
    pub(super) fn due(&self) -> Option<Duration> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// Takes a job into its queue; false when nothing can be forgotten to make room.
    pub(super) fn submit(&mut self, job: Job, now: Duration) -> bool {
        if self.jobs.len() >= JOBS_MAX && !self.forget_one() {
            return false;
        }
        let (id, endpoint) = (job.id.clone(), job.endpoint.clone());
        self.schedule(job.gone_at, Event::Forget { id: id.clone() });
        self.counts.jobs_made += 1;
        self.order.push_back(id.clone());
        self.jobs.insert(id.clone(), job);
        self.enqueue(&endpoint, id, now);
        true
    }

    fn forget_one(&mut self) -> bool {
        let ended = |id: &String| self.jobs.get(id).is_none_or(|job| job.is_ended() || job.gone);
        let Some(at) = self.order.iter().position(ended) else { return false };
        if let Some(id) = self.order.remove(at) {
            self.jobs.remove(&id);
        }
        true
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), event);
    }

    /// Does all that is due at `now`, each at its own time.
    pub(super) fn tick(&mut self, now: Duration) {
        // Every event is removed before it is done, and each job adds a bounded number of them: this ends.
        while let Some(entry) = self.agenda.first_entry() {
            let at = entry.key().0;
            if at > now {
                break;
            }
            match entry.remove() {
                Event::Finish { id, start, ending } => self.finish(&id, start, ending, at),
                Event::Forget { id } => self.forget(&id, at),
                Event::Webhook { id, tries_left } => self.outbox.push(Delivery { id, tries_left }),
                Event::Silence { id, start } => self.check_silence(&id, start, at),
            }
        }
    }

    fn enqueue(&mut self, endpoint: &str, id: String, at: Duration) {
        self.queues.entry(endpoint.to_owned()).or_default().push_back(id);
        self.start_queued(endpoint, at);
    }

    fn start_queued(&mut self, endpoint: &str, at: Duration) {
        if self.pods.serve(endpoint) {
            return; // They come and take.
        }
        let running = self.running.get(endpoint).copied().unwrap_or_default();
        let started = self.start(endpoint, self.workers.saturating_sub(running), at);
        *self.running.entry(endpoint.to_owned()).or_default() += started.len();
        for id in started {
            self.plan_finish(&id, at);
        }
    }

    /// Starts the oldest queued jobs, at most so many.
    fn start(&mut self, endpoint: &str, count_max: usize, at: Duration) -> Vec<String> {
        let Some(queue) = self.queues.get_mut(endpoint) else { return Vec::new() };
        let mut started = Vec::new();
        let waiting: Vec<String> = queue.drain(..).collect();
        for id in waiting {
            let Some(job) = self.jobs.get_mut(&id).filter(|job| matches!(job.state, State::Queued) && !job.gone) else {
                continue;
            };
            if started.len() >= count_max || job.never_starts() {
                queue.push_back(id);
                continue;
            }
            job.state = State::Running;
            job.started = Some(at);
            job.starts += 1;
            started.push(id);
        }
        started
    }

    fn plan_finish(&mut self, id: &str, at: Duration) {
        let Some(job) = self.jobs.get(id) else { return };
        let plan = &job.recipe.plan;
        if plan.never_finishes() {
            return;
        }
        let (after, ending) = if plan.execution_time() > job.execution_timeout {
            (job.execution_timeout, Some(Ending::execution_timeout()))
        } else {
            (plan.execution_time(), None)
        };
        let event = Event::Finish { id: id.to_owned(), start: job.starts, ending };
        self.schedule(at + after, event);
    }

    fn finish(&mut self, id: &str, start: u32, ending: Option<Ending>, at: Duration) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if job.starts != start || !matches!(job.state, State::Running) || job.gone {
            return;
        }
        if matches!(job.recipe.plan.ending, Some(JobFault::WorkerGone)) && job.retries == 0 {
            job.retries += 1;
            job.requeue(at);
            let endpoint = job.endpoint.clone();
            self.free_worker(&endpoint);
            self.enqueue(&endpoint, id.to_owned(), at);
            return;
        }
        let ending = ending.unwrap_or_else(|| Ending::of(&job.recipe.plan, &job.recipe.work));
        self.end(id, ending, at);
    }

    /// Ends a job, whatever it was doing, unless it has ended or is deleted.
    pub(super) fn end(&mut self, id: &str, ending: Ending, at: Duration) -> bool {
        let Some(job) = self.jobs.get_mut(id).filter(|job| !job.is_ended() && !job.gone) else { return false };
        let was_running = matches!(job.state, State::Running);
        let cancelled = ending.status == "CANCELLED";
        job.state = State::Ended(Arc::new(ending));
        job.ended = Some(at);
        job.gone_at = job.gone_at.min(at + if job.sync { SYNC_RETENTION } else { RETENTION });
        let (gone_at, endpoint) = (job.gone_at, job.endpoint.clone());
        let webhook = job.recipe.plan.webhook.clone();
        if let Some(pod) = job.release() {
            self.pods.stop(&endpoint, &pod, id);
        }
        // One that comes before the answer is sent by who gives the answer.
        let none = job.webhook.is_none() || webhook.before_answer || (cancelled && !self.webhook_on_cancel);
        let copies = if none { 0 } else { webhook.copies };
        self.schedule(gone_at, Event::Forget { id: id.to_owned() });
        for _ in 0..copies {
            self.schedule(at + webhook.late, Event::Webhook { id: id.to_owned(), tries_left: self.webhook_tries });
        }
        if was_running {
            self.free_worker(&endpoint);
            self.start_queued(&endpoint, at);
        }
        true
    }

    fn free_worker(&mut self, endpoint: &str) {
        if let Some(running) = self.running.get_mut(endpoint) {
            *running = running.saturating_sub(1);
        }
    }

    fn forget(&mut self, id: &str, at: Duration) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| !job.gone && job.gone_at <= at) else { return };
        let was_running = matches!(job.state, State::Running);
        job.delete();
        let endpoint = job.endpoint.clone();
        if was_running {
            // The ttl deletes a job even while it runs.
            self.free_worker(&endpoint);
            self.start_queued(&endpoint, at);
        }
    }
}
