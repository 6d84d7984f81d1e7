//! The simulators of a stack, and the services made around them on a database: the first one, or a restored one.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use api::ApiState;
use shared::clock::Clock;
use shared::config::{Config, Process};
use simulators::payments::PaymentsHandle;
use simulators::{RunPodHandle, SupabaseHandle, SupabaseOptions, SupabaseSim};
use url::Url;
use worker::WorkerState;

use super::{Serving, TestStack};
use crate::postgres::TestDatabase;
use crate::{bucket, shop};

/// The world outside.
pub(super) struct Parts {
    pub(super) runpod: RunPodHandle,
    pub(super) supabase: SupabaseHandle,
    pub(super) payments: PaymentsHandle,
}

impl Parts {
    /// The services on `database`, with `changes` to their settings.
    pub(super) async fn serve(self, database: TestDatabase, changes: BTreeMap<String, String>) -> TestStack {
        let Self { runpod, supabase, payments } = self;
        bucket::make(&supabase).await.expect("the simulator makes buckets");
        let listener = api::listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let api_url = Url::parse(&format!("http://{address}")).expect("a valid address");

        payments.set_webhook_url(shop::webhook_url(&api_url));
        let mut vars = settings(&runpod, &supabase, &api_url);
        vars.extend(shop::settings(&payments, &api_url));
        vars.extend(changes.clone());
        let mut config = |process, database_url: String| {
            vars.insert("DATABASE_URL".to_owned(), database_url);
            Config::from_vars(process, &|name| vars.get(name).cloned()).expect("complete settings")
        };
        let api_config = config(Process::Api, database.api_url());
        let worker_config = config(Process::Worker, database.worker_url());

        let acceptor = api::accept_on(listener, None, &api_config.limits).expect("a usable socket");
        let clock = Clock::system();
        let state = ApiState::new(&api_config, database.api_pool(), clock.clone()).expect("a usable image store");
        let worker = WorkerState::from_config(&worker_config, database.worker_pool(), clock.clone());
        let serving = tokio::spawn(async move {
            api::serve(state, acceptor, std::future::pending()).await.expect("the socket stays usable");
        });
        TestStack {
            worker: worker.expect("a usable image store"),
            config: worker_config,
            database,
            runpod,
            supabase,
            payments,
            clock,
            api_url,
            worker_environment: vars,
            changes,
            serving: Serving(serving),
        }
    }
}

impl TestStack {
    /// The services again on another database, in the world that has gone on: RunPod and the payments remember what they
    /// did, and the store that `supabase` opens is the old one's if its directory is. What ran on the old database is gone.
    ///
    /// # Panics
    /// When any part cannot start: no test can go on without.
    pub async fn moved_to(self, database: TestDatabase, supabase: SupabaseOptions) -> Self {
        self.begun_again(Some(database), supabase).await
    }

    /// The same on the same database.
    ///
    /// # Panics
    /// As [`TestStack::moved_to`].
    pub async fn restarted(self, supabase: SupabaseOptions) -> Self {
        self.begun_again(None, supabase).await
    }

    async fn begun_again(self, database: Option<TestDatabase>, supabase: SupabaseOptions) -> Self {
        let Self { runpod, supabase: old, payments, changes, serving, worker, database: left, .. } = self;
        drop((serving, old));
        worker.pool.close().await;
        let database = database.unwrap_or(left);
        let supabase = SupabaseOptions { database_url: Some(database.url()), ..supabase };
        let supabase = SupabaseSim::start(supabase).expect("a free port");
        let stack = Parts { runpod, supabase, payments }.serve(database, changes).await;
        stack.clock.read_offset(stack.database.pool()).await.expect("the database answers");
        stack
    }
}

fn settings(runpod: &RunPodHandle, supabase: &SupabaseHandle, api_url: &Url) -> BTreeMap<String, String> {
    [
        ("PUBLIC_URL", api_url.to_string()),
        ("WEBHOOK_SECRET", "a webhook secret of tests that is long enough".to_owned()),
        ("WEBHOOKS", "off".to_owned()),
        ("SUPABASE_URL", supabase.url()),
        ("SUPABASE_SERVICE_KEY", supabase.service_key().to_owned()),
        ("RUNPOD_API_URL", runpod.api_url()),
        ("RUNPOD_API_KEY", runpod.api_key().to_owned()),
        ("COMFYUI_ENDPOINT_ID", "endpoint".to_owned()),
        ("OUTPUT_HOSTS", "127.0.0.1".to_owned()),
        // All users of a test come from one address, and as fast as they can.
        ("ADDRESS_RATE_PER_SECOND", "100000".to_owned()),
        ("USER_RATE_PER_SECOND", "100000".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
