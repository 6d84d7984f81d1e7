//! The attached workers: who they are, when they were heard of, and what they are to stop.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;

/// Pods remembered; beyond it those not heard of for long are forgotten, and then new ones are refused.
pub const PODS_MAX: usize = 1_000;
/// Jobs that one pod is yet to be told to stop; beyond it the oldest are not told.
const STOPS_MAX: usize = 1_000;

/// An attached worker as tests and demos look at it.
#[derive(Clone, Debug, Serialize)]
pub struct PodView {
    /// The endpoint it works for.
    pub endpoint: String,
    /// Its id.
    pub id: String,
    /// Whether it was heard of lately.
    pub alive: bool,
    /// Pings it sent.
    pub pings: u64,
    /// The jobs that its last ping named.
    pub jobs: Vec<String>,
    /// The SDK's version, as its pings say.
    pub version: Option<String>,
    /// Why it calls itself unhealthy.
    pub unhealthy: Option<String>,
}

/// What a ping says.
#[derive(Default)]
pub(in crate::runpod) struct Ping {
    pub(in crate::runpod) jobs: Vec<String>,
    pub(in crate::runpod) version: Option<String>,
    pub(in crate::runpod) unhealthy: Option<String>,
}

#[derive(Default)]
struct Pod {
    heard: Duration,
    pings: u64,
    last_ping: Ping,
    stops: VecDeque<String>,
}

/// The attached workers of all endpoints, by endpoint and id.
pub(in crate::runpod) struct Pods {
    attached: Vec<String>,
    silence: Duration,
    pods: BTreeMap<(String, String), Pod>,
}

fn key(endpoint: &str, pod: &str) -> (String, String) {
    (endpoint.to_owned(), pod.to_owned())
}

impl Pods {
    pub(in crate::runpod) fn new(attached: Vec<String>, silence: Duration) -> Self {
        Self { attached, silence, pods: BTreeMap::new() }
    }

    /// Whether attached workers serve this endpoint, instead of the built-in ones.
    pub(in crate::runpod) fn serve(&self, endpoint: &str) -> bool {
        self.attached.iter().any(|attached| attached == endpoint)
    }

    /// After how long without a word a pod, or a job, is taken for lost.
    pub(in crate::runpod) fn silence(&self) -> Duration {
        self.silence
    }

    /// Notes that a pod called; false when there is no room for one more.
    pub(in crate::runpod) fn hear(&mut self, endpoint: &str, pod: &str, now: Duration) -> bool {
        let key = key(endpoint, pod);
        if !self.pods.contains_key(&key) && self.pods.len() >= PODS_MAX {
            let silence = self.silence;
            self.pods.retain(|_, pod| pod.heard + silence > now);
            if self.pods.len() >= PODS_MAX {
                return false;
            }
        }
        self.pods.entry(key).or_default().heard = now;
        true
    }

    pub(in crate::runpod) fn ping(&mut self, endpoint: &str, pod: &str, ping: Ping) {
        if let Some(pod) = self.pods.get_mut(&key(endpoint, pod)) {
            pod.pings += 1;
            pod.last_ping = ping;
        }
    }

    /// Tells a pod, when it asks next, to stop a job.
    pub(in crate::runpod) fn stop(&mut self, endpoint: &str, pod: &str, job: &str) {
        if let Some(pod) = self.pods.get_mut(&key(endpoint, pod)) {
            pod.stops.push_back(job.to_owned());
            if pod.stops.len() > STOPS_MAX {
                pod.stops.pop_front();
            }
        }
    }

    /// A job given to a pod anew is not to be stopped for what it was told before.
    pub(in crate::runpod) fn forgive(&mut self, endpoint: &str, pod: &str, job: &str) {
        if let Some(pod) = self.pods.get_mut(&key(endpoint, pod)) {
            pod.stops.retain(|stopped| stopped != job);
        }
    }

    pub(in crate::runpod) fn has_stops(&self, endpoint: &str, pod: &str) -> bool {
        self.pods.get(&key(endpoint, pod)).is_some_and(|pod| !pod.stops.is_empty())
    }

    pub(in crate::runpod) fn take_stops(&mut self, endpoint: &str, pod: &str) -> VecDeque<String> {
        self.pods.get_mut(&key(endpoint, pod)).map(|pod| std::mem::take(&mut pod.stops)).unwrap_or_default()
    }

    pub(in crate::runpod) fn views(&self, now: Duration) -> Vec<PodView> {
        let view = |((endpoint, id), pod): (&(String, String), &Pod)| PodView {
            endpoint: endpoint.clone(),
            id: id.clone(),
            alive: pod.heard + self.silence > now,
            pings: pod.pings,
            jobs: pod.last_ping.jobs.clone(),
            version: pod.last_ping.version.clone(),
            unhealthy: pod.last_ping.unhealthy.clone(),
        };
        self.pods.iter().map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silent_make_room_for_new_pods_and_nobody_else_does() {
        let at = Duration::from_secs;
        let mut pods = Pods::new(vec!["ep".to_owned()], at(30));
        assert!((0..PODS_MAX).all(|number| pods.hear("ep", &number.to_string(), at(0))));
        assert!(pods.hear("ep", "0", at(20)) && !pods.hear("ep", "new", at(29)));
        assert!(pods.hear("ep", "new", at(30)));
        let ids: Vec<String> = pods.views(at(30)).into_iter().map(|pod| pod.id).collect();
        assert_eq!(ids, ["0", "new"]);
    }

    #[test]
    fn a_pod_is_told_once_to_stop_and_not_for_a_job_given_anew() {
        let mut pods = Pods::new(Vec::new(), Duration::ZERO);
        pods.hear("ep", "a", Duration::ZERO);
        for job in ["1", "2"] {
            pods.stop("ep", "a", job);
        }
        pods.forgive("ep", "a", "1");
        assert_eq!(pods.take_stops("ep", "a"), ["2"]);
        assert!(!pods.has_stops("ep", "a") && !pods.has_stops("other", "a"));
    }
}
