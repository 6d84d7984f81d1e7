//! The servers of others: simulated, or the real ones where our environment names them.

use std::time::Duration;

use anyhow::Context;
use simulators::payments::PaymentsHandle;
use simulators::{
    PaymentsOptions, PaymentsSim, RunPodHandle, RunPodOptions, RunPodSim, SupabaseHandle, SupabaseOptions, SupabaseSim,
    Time,
};
use tempfile::TempDir;
use url::Url;

use super::database::Database;
use super::{StackOptions, places, settings};
use crate::bucket;
use crate::client::Auth;
use crate::{graph_endpoint, shop};

/// The endpoint of the simulated RunPod account that runs what no graph does.
const ENDPOINT: &str = "simulated-endpoint";
/// Jobs of one endpoint that run at a time.
const RUNPOD_WORKERS: usize = 8;

pub(super) struct StandIns {
    pub(super) auth: Auth,
    /// `None` where the real RunPod is used.
    pub(super) runpod: Option<RunPodHandle>,
    pub(super) runpod_url: String,
    /// `None` where the real provider of payments is used, or the database is not ours.
    pub(super) payments: Option<PaymentsHandle>,
    /// What the processes must be told to use them.
    pub(super) settings: Vec<(String, String)>,
    /// `None` where the real Supabase is used.
    pub(super) supabase: Option<SupabaseHandle>,
    /// Where the simulator's pictures are, if they go with this stack.
    store: Option<TempDir>,
}

impl StandIns {
    pub(super) async fn start(options: StackOptions, database: &Database, api_url: &Url) -> anyhow::Result<Self> {
        let binds = places::simulator_binds(options.keep)?;
        let mut settings = Vec::new();
        let mut tell = |name: &str, value: &str| settings.push((name.to_owned(), value.to_owned()));

        let store = if options.keep { None } else { Some(TempDir::with_prefix("shootx-storage-")?) };
        let (auth, supabase) = match settings::given("SUPABASE_URL") {
            Some(url) => (real_auth(&url)?, None),
            None => {
                let storage_dir = match &store {
                    Some(store) => store.path().to_owned(),
                    None => places::local_dir("storage")?,
                };
                let database_url = Some(database.owner_url.clone());
                let options = SupabaseOptions {
                    bind: binds.supabase,
                    database_url,
                    storage_dir: Some(storage_dir),
                    ..SupabaseOptions::default()
                };
                let supabase = SupabaseSim::start(options).context("the Supabase simulator cannot start")?;
                bucket::make(&supabase).await?;
                tell("SUPABASE_URL", &supabase.url());
                tell("SUPABASE_SERVICE_KEY", supabase.service_key());
                let auth = Auth { supabase_url: supabase.url().parse()?, api_key: supabase.anon_key().to_owned() };
                (auth, Some(supabase))
            }
        };

        let (runpod, runpod_url) = if settings::given("RUNPOD_API_KEY").is_some() {
            (None, "the real one".to_owned())
        } else {
            let options = RunPodOptions {
                bind: binds.runpod,
                workers: RUNPOD_WORKERS,
                generation_time: options.generation_time,
                ..RunPodOptions::default()
            };
            let runpod = RunPodSim::start(options).context("the RunPod simulator cannot start")?;
            tell("RUNPOD_API_URL", &runpod.api_url());
            tell("RUNPOD_API_KEY", runpod.api_key());
            tell("COMFYUI_ENDPOINT_ID", ENDPOINT);
            tell("OUTPUT_HOSTS", "127.0.0.1");
            graph_endpoint::settings().iter().for_each(|(name, value)| tell(name, value));
            let url = runpod.api_url();
            (Some(runpod), url)
        };
        // Play money buys no credits in somebody's database.
        let payments = if settings::given("STRIPE_SECRET_KEY").is_some() || !database.is_private() {
            None
        } else {
            let options = PaymentsOptions { bind: binds.payments, time: Time::Running, ..shop::options() };
            let payments = PaymentsSim::start(options).context("the payment simulator cannot start")?;
            payments.set_webhook_url(shop::webhook_url(api_url));
            shop::settings(&payments, api_url).iter().for_each(|(name, value)| tell(name, value));
            shop::stock(&database.pool).await?;
            Some(payments)
        };
        Ok(Self { auth, runpod, runpod_url, payments, settings, supabase, store })
    }

    /// Another Supabase project, on another database, with the pictures of the first.
    pub(super) async fn begin_project(&mut self, database: &Database) -> anyhow::Result<Auth> {
        let store = self.store.as_ref().context("the pictures are not this stack's own")?;
        self.supabase = None;
        let options = SupabaseOptions {
            database_url: Some(database.owner_url.clone()),
            storage_dir: Some(store.path().to_owned()),
            ..SupabaseOptions::default()
        };
        let supabase = SupabaseSim::start(options).context("the Supabase simulator cannot start")?;
        for (name, value) in &mut self.settings {
            match name.as_str() {
                "SUPABASE_URL" => *value = supabase.url(),
                "SUPABASE_SERVICE_KEY" => supabase.service_key().clone_into(value),
                _ => {}
            }
        }
        self.auth = Auth { supabase_url: supabase.url().parse()?, api_key: supabase.anon_key().to_owned() };
        self.supabase = Some(supabase);
        Ok(self.auth.clone())
    }

    /// Moves the clocks of all simulators.
    pub(super) fn advance(&self, by: Duration) {
        if let Some(runpod) = &self.runpod {
            runpod.advance(by);
        }
        if let Some(supabase) = &self.supabase {
            supabase.advance(by);
        }
        if let Some(payments) = &self.payments {
            payments.advance(by);
        }
    }
}

/// Any key of the project admits a sign-up; the service key is the one that must be set anyway.
fn real_auth(url: &str) -> anyhow::Result<Auth> {
    let api_key =
        settings::given("SUPABASE_SERVICE_KEY").context("SUPABASE_SERVICE_KEY is not set, but SUPABASE_URL is")?;
    Ok(Auth { supabase_url: url.parse().context("SUPABASE_URL is no address")?, api_key })
}
