//! What is done to jobs from outside: the platform's operations beside `/run`.

use std::time::Duration;

use super::{Delivery, Engine, Event};
use crate::runpod::job::Job;
use crate::runpod::plan::Ending;

/// Jobs of an endpoint by status, for `/health`.
#[derive(Default)]
pub(in crate::runpod) struct Census {
    pub(in crate::runpod) queued: u64,
    pub(in crate::runpod) running: u64,
    pub(in crate::runpod) completed: u64,
    pub(in crate::runpod) failed: u64,
    pub(in crate::runpod) retried: u64,
}

impl Engine {
    /// Moves a job's hard deletion.
    pub(in crate::runpod) fn keep_until(&mut self, id: &str, at: Duration) {
        if let Some(job) = self.jobs.get_mut(id).filter(|job| !job.gone) {
            job.gone_at = at;
            self.schedule(at, Event::Forget { id: id.to_owned() });
        }
    }

    /// Asks for the end of a job; what is known of it afterwards, none if there is no such job.
    pub(in crate::runpod) fn cancel(&mut self, id: &str, now: Duration) -> Option<&Job> {
        let job = self.jobs.get_mut(id).filter(|job| !job.is_gone())?;
        if !job.is_ended() {
            job.cancel_asked = true;
            self.counts.jobs_cancelled += 1;
            if !job.recipe.plan.ignores_cancel {
                self.end(id, Ending::cancelled(), now);
            }
        }
        self.jobs.get(id)
    }

    /// Puts a failed job back into its queue; false unless it is FAILED or `TIMED_OUT` and still kept.
    pub(in crate::runpod) fn retry(&mut self, id: &str, now: Duration) -> bool {
        let retriable = |job: &&mut Job| !job.is_gone() && matches!(job.status(), "FAILED" | "TIMED_OUT");
        let Some(job) = self.jobs.get_mut(id).filter(retriable) else { return false };
        job.requeue(now);
        let endpoint = job.endpoint.clone();
        self.enqueue(&endpoint, id.to_owned(), now);
        true
    }

    /// Removes what is queued; how many jobs that were.
    pub(in crate::runpod) fn purge(&mut self, endpoint: &str) -> usize {
        let mut removed = 0;
        for id in self.queues.remove(endpoint).unwrap_or_default() {
            // One that was cancelled or has expired while it waited is no longer queued.
            if let Some(job) = self.jobs.get_mut(&id).filter(|job| !job.gone && !job.is_ended()) {
                job.delete();
                removed += 1;
            }
        }
        removed
    }

    pub(in crate::runpod) fn webhook_failed(&mut self, delivery: Delivery, again_at: Duration) {
        if delivery.tries_left > 1 {
            self.schedule(again_at, Event::Webhook { id: delivery.id, tries_left: delivery.tries_left - 1 });
        }
    }

    pub(in crate::runpod) fn census(&self, endpoint: &str) -> Census {
        let mut census = Census::default();
        for job in self.jobs.values().filter(|job| job.endpoint == endpoint && !job.gone) {
            census.retried += u64::from(job.retries);
            match job.status() {
                "IN_QUEUE" => census.queued += 1,
                "COMPLETED" => census.completed += 1,
                "FAILED" | "TIMED_OUT" => census.failed += 1,
                "CANCELLED" => {}
                _ => census.running += 1,
            }
        }
        census
    }
}
