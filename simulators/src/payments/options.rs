//! How the simulator is set up.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::time::Time;

/// How the payment simulator is set up.
#[derive(Clone, Debug)]
pub struct PaymentsOptions {
    /// Where to listen; port 0 chooses a free one.
    pub bind: SocketAddr,
    /// The key that is accepted, `sk_…`.
    pub secret_key: String,
    /// The version that events have, and answers to requests that name none.
    pub api_version: String,
    /// Where events go; may be given later. Without it none is sent.
    pub webhook_url: Option<String>,
    /// The endpoint's first secret.
    pub webhook_secret: String,
    /// How long a webhook may take.
    pub webhook_timeout: Duration,
    /// The pause after the first attempt that failed; each next one is twice as long, up to [`super::PAUSE_MAX`].
    pub webhook_pause: Duration,
    /// The pauses between the attempts to have an invoice paid; after the last the subscription ends.
    pub payment_retries: Vec<Duration>,
    /// How long the invoice of a renewal is a draft, which takes an hour at Stripe; nothing here, so that a renewal is one step.
    pub draft_time: Duration,
    /// Who moves the clock.
    pub time: Time,
    /// The first date of the clock; the machine's without it.
    pub starts_at: Option<DateTime<Utc>>,
    /// What faults by rate are drawn from.
    pub seed: u64,
}

impl Default for PaymentsOptions {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            secret_key: "sk_test_simulated000000000000".to_owned(),
            api_version: "2025-03-31.basil".to_owned(),
            webhook_url: None,
            webhook_secret: "whsec_simulated0000000000000000".to_owned(),
            webhook_timeout: Duration::from_secs(10),
            webhook_pause: Duration::from_mins(1),
            payment_retries: [3, 5, 7].map(|days| Duration::from_hours(24 * days)).to_vec(),
            draft_time: Duration::ZERO,
            time: Time::Running,
            starts_at: None,
            seed: 1,
        }
    }
}
