//! What every step, the poller and the sweeper work with.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use shared::billing::{Stripe, StripeSetupError};
use shared::clock::Clock;
use shared::config::Config;
use shared::images::{self, FetchError, ImageStore, InputFetcher, StoreError};
use shared::ledger::Thresholds;
use shared::liveness::Liveness;
use shared::mail::{MailSetupError, Mailer};
use shared::notification::Notify;
use shared::retention;
use shared::runpod::{RunPod, SetupError};
use shared::workflow;
use sqlx::PgPool;
use url::Url;

/// The connections and settings of one worker process. Cheap to clone.
#[derive(Clone)]
pub struct WorkerState {
    pub pool: PgPool,
    pub runpod: RunPod,
    pub images: Arc<dyn ImageStore>,
    /// Gets pictures from addresses that customers chose.
    pub inputs: InputFetcher,
    pub clock: Clock,
    /// Where RunPod reaches the API: the origin of webhook URLs.
    pub public_url: Url,
    /// The first signs webhook URLs.
    pub webhook_secrets: Arc<[SecretString]>,
    /// Whether RunPod is asked to call back; without it results are found by polling alone.
    pub webhooks_enabled: bool,
    /// Time that a provider job may take beyond its workflow's maximum, because its worker may have to boot first.
    pub cold_start: Duration,
    /// Where payments are made, if credits are sold.
    pub stripe: Option<Stripe>,
    /// What tells users how their generations ended, if mail is on.
    pub mailer: Option<Mailer>,
    /// From when on something about the money is odd.
    pub anomalies: Thresholds,
    /// How long pictures are kept.
    pub retention: retention::Settings,
    /// The loops of this process.
    pub liveness: Liveness,
}

/// Why no state can be made of the settings.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("RunPod cannot be called")]
    RunPod(#[from] SetupError),
    #[error("the image store cannot be used")]
    Images(#[from] StoreError),
    #[error("no client can be made for pictures of customers")]
    Inputs(#[from] FetchError),
    #[error("the provider of payments cannot be called")]
    Billing(#[from] StripeSetupError),
    #[error("mail cannot be sent")]
    Mail(#[from] MailSetupError),
    #[error("the graphs are faulty: {}", .0.join("; "))]
    Graphs(Vec<String>),
}

impl WorkerState {
    /// Builds the clients that the settings describe. Makes no call yet.
    ///
    /// # Errors
    /// Settings that no client can be built from.
    pub fn from_config(config: &Config, pool: PgPool, clock: Clock) -> Result<Self, StateError> {
        workflow::graph::check_templates().map_err(StateError::Graphs)?;
        Ok(Self {
            inputs: InputFetcher::new()?,
            runpod: RunPod::new(&config.runpod)?,
            images: images::connect(&config.storage, &config.supabase, &config.public_url, &clock)?,
            public_url: config.public_url.clone(),
            webhook_secrets: config.webhook_secrets.clone().into(),
            webhooks_enabled: config.webhooks_enabled,
            cold_start: config.runpod.cold_start,
            stripe: config.billing.as_ref().map(Stripe::new).transpose()?,
            mailer: config.mail.as_ref().map(|mail| Mailer::new(mail, &config.public_url)).transpose()?,
            anomalies: config.anomalies,
            retention: config.retention,
            liveness: Liveness::default(),
            pool,
            clock,
        })
    }

    /// Whether users are told by mail.
    #[must_use]
    pub fn notify(&self) -> Notify {
        if self.mailer.is_some() { Notify::ByMail } else { Notify::Nobody }
    }
}
