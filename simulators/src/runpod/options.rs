//! How the simulator is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::faults::ImageForm;
use crate::time::Time;

/// How the simulator is set up.
#[derive(Clone, Debug)]
pub struct RunPodOptions {
    /// Where to listen; port 0 chooses a free one.
    pub bind: SocketAddr,
    /// The key that is accepted, as `Bearer <key>` or bare.
    pub api_key: String,
    /// The endpoint ids that exist; empty means any.
    pub endpoints: Vec<String>,
    /// Jobs of one endpoint that run at a time.
    pub workers: usize,
    /// How long a job runs; zero completes it before `/run` has answered.
    pub generation_time: Duration,
    /// Width and height of pictures whose request names none.
    pub picture_size: (u32, u32),
    /// How pictures are given.
    pub form: ImageForm,
    /// Who moves the clock.
    pub time: Time,
    /// Requests for one webhook at most.
    pub webhook_tries: u32,
    /// Pause between two tries of a webhook.
    pub webhook_pause: Duration,
    /// How long a webhook's answer is waited for.
    pub webhook_timeout: Duration,
    /// Whether a cancelled job sends its webhook. RunPod does not document it.
    pub webhook_on_cancel: bool,
    /// Whether RunPod's documented request rates are enforced with 429.
    pub rate_limits: bool,
    /// The endpoint ids whose jobs wait for attached workers (a process with RunPod's SDK, or a test) instead of being done by
    /// the built-in ones.
    pub attached: Vec<String>,
    /// The key that attached workers send, bare.
    pub worker_key: String,
    /// How long an attached worker's question for a job, or for a job to stop, is held open at most.
    pub poll_wait: Duration,
    /// After how long without a ping that names it a job is taken from its worker, and a worker for gone. RunPod does not document
    /// it; a job that its worker drops was seen to fail after 40 to 100 seconds, which is two of these.
    pub silence: Duration,
    /// What faults by rate are drawn from.
    pub seed: u64,
}

impl Default for RunPodOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_key: "rpa_simulated_key".to_owned(),
            endpoints: Vec::new(),
            workers: 4,
            generation_time: Duration::ZERO,
            picture_size: (1024, 1024),
            form: ImageForm::Base64,
            time: Time::Running,
            webhook_tries: 3,
            webhook_pause: Duration::from_secs(10),
            webhook_timeout: Duration::from_secs(10),
            webhook_on_cancel: false,
            rate_limits: true,
            attached: Vec::new(),
            worker_key: "rpa_simulated_worker_key".to_owned(),
            poll_wait: Duration::from_secs(20),
            silence: Duration::from_secs(30),
            seed: 1,
        }
    }
}
