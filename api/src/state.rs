//! What every endpoint may use. Made once, cheap to clone.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use shared::billing::{Stripe, StripeSetupError};
use shared::clock::Clock;
use shared::config::{Billing, Config, RunPodSettings, StorageBackend};
use shared::generation::Limits;
use shared::ids::UserId;
use shared::images::{self, ImageStore, LocalStore, StoreError};
use shared::liveness::Liveness;
use shared::telemetry;
use sqlx::PgPool;
use url::Url;

use crate::auth::{Jwks, TokenVerifier};
use crate::error::ApiError;
use crate::estimates::Estimates;
use crate::limits::{Backlog, Budgets, Shares, Turns, UserDatabase, UserDatabases};
use crate::payload::UPLOADS_MAX;
use crate::stopping::Stopping;

/// The path of the key set below the project's address.
const JWKS_PATH: &str = "auth/v1/.well-known/jwks.json";

/// The state of one API process.
#[derive(Clone)]
pub struct ApiState {
    /// For the API's own queries; the requests of users use [`ApiState::database`].
    pub(crate) pool: PgPool,
    databases: UserDatabases,
    pub(crate) clock: Clock,
    pub(crate) images: Arc<dyn ImageStore>,
    /// The store whose files this process serves itself, if that is the one in use.
    pub(crate) files: Option<Arc<LocalStore>>,
    pub(crate) tokens: TokenVerifier,
    pub(crate) estimates: Estimates,
    pub(crate) backlog: Backlog,
    pub(crate) budgets: Arc<Budgets>,
    /// Of users whose pictures are worked on.
    pub(crate) picture_turns: Arc<Turns>,
    /// The turns in which one user's deletions of generations run.
    pub(crate) deletion_turns: Arc<Turns>,
    /// The turns in which one user's large bodies are read.
    pub(crate) uploads: Shares<UserId>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) stopping: Stopping,
    pub(crate) liveness: Liveness,
    /// Where credits are sold, if they are.
    billing: Option<Arc<BillingDesk>>,
}

/// The part of the configuration that requests are answered by.
pub(crate) struct Settings {
    pub(crate) webhook_secrets: Vec<SecretString>,
    pub(crate) unsubscribe_secrets: Vec<SecretString>,
    pub(crate) runpod: RunPodSettings,
    pub(crate) generations: Limits,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) https: bool,
    /// How long it is told that the process stops, before it does.
    pub(crate) stop_notice: Duration,
}

/// What selling credits takes.
pub(crate) struct BillingDesk {
    pub(crate) stripe: Stripe,
    pub(crate) webhook_secrets: Vec<SecretString>,
    pub(crate) currency: String,
    pub(crate) return_url: Url,
}

/// Why no state can be made of the settings.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the image store cannot be used")]
    Images(#[from] StoreError),
    #[error("the provider of payments cannot be called")]
    Billing(#[from] StripeSetupError),
}

impl ApiState {
    /// The state that `config` describes. Makes no call: neither the database nor the network is needed yet.
    ///
    /// # Errors
    /// When no client can be made for the image store or the provider of payments.
    pub fn new(config: &Config, pool: PgPool, clock: Clock) -> Result<Self, StateError> {
        let (images, files): (Arc<dyn ImageStore>, _) = match config.storage.backend {
            StorageBackend::Local => {
                let store = Arc::new(LocalStore::new(&config.storage, &config.public_url, &clock)?);
                (Arc::clone(&store) as Arc<dyn ImageStore>, Some(store))
            }
            StorageBackend::Supabase => {
                (images::connect(&config.storage, &config.supabase, &config.public_url, &clock)?, None)
            }
        };
        let jwks_url =
            config.supabase.url.join(JWKS_PATH).expect("SUPABASE_URL is an origin, and the path is relative");
        let tokens = TokenVerifier::new(
            config.supabase.jwt_issuer.clone(),
            Jwks::new(jwks_url, clock.clone()),
            config.supabase.jwt_secret.as_ref(),
        );
        let settings = Arc::new(Settings {
            webhook_secrets: config.webhook_secrets.clone(),
            unsubscribe_secrets: config.unsubscribe_secrets.clone(),
            runpod: config.runpod.clone(),
            generations: config.limits.generations,
            cors_origins: config.cors_origins.clone(),
            https: config.public_url.scheme() == "https",
            stop_notice: config.stop_notice,
        });
        let billing = config.billing.as_ref().map(BillingDesk::new).transpose()?.map(Arc::new);
        Ok(Self {
            databases: UserDatabases::new(pool.clone(), config.database.pool_max),
            pool,
            clock,
            images,
            files,
            tokens,
            estimates: Estimates::default(),
            backlog: Backlog::new(config.limits.queue_max),
            budgets: Arc::new(Budgets::new(&config.limits)),
            picture_turns: Arc::new(Turns::new()),
            deletion_turns: Arc::new(Turns::new()),
            uploads: Shares::new(UPLOADS_MAX),
            settings,
            stopping: Stopping::default(),
            liveness: Liveness::default(),
            billing,
        })
    }

    /// The database, for one step of a user's request. Refused with 429 if too many of the user's requests use it
    /// already.
    pub(crate) async fn database(&self, user_id: UserId) -> Result<UserDatabase, ApiError> {
        self.databases.of(user_id).await
    }

    /// Where credits are sold.
    pub(crate) fn billing(&self) -> Result<&BillingDesk, ApiError> {
        self.billing.as_deref().ok_or(ApiError::BillingDisabled)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The loops of this process.
    #[must_use]
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// The same state, whose loops report to `liveness`.
    #[must_use]
    pub fn with_liveness(self, liveness: Liveness) -> Self {
        Self { liveness, ..self }
    }

    /// Keeps the clock, the estimates, the count of the queue and the gauges up to date for as long as it is polled.
    pub async fn follow(&self) {
        tokio::join!(
            self.clock.follow(self.pool.clone(), self.liveness.register("clock")),
            self.estimates.follow(&self.pool, self.liveness.register("estimates")),
            self.backlog.follow(&self.pool, self.liveness.register("backlog")),
            telemetry::watch_process(self.pool.clone(), self.liveness.register("process gauges")),
        );
    }
}

impl BillingDesk {
    fn new(settings: &Billing) -> Result<Self, StripeSetupError> {
        Ok(Self {
            stripe: Stripe::new(settings)?,
            webhook_secrets: settings.webhook_secrets.clone(),
            currency: settings.currency.clone(),
            return_url: settings.return_url.clone(),
        })
    }
}
