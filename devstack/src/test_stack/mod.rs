//! The whole system inside one test: a database of its own, the simulators, the API on a free port, and the worker's
//! steps run by hand with [`TestStack::drain`]. No time passes but by [`TestStack::advance`].

mod parts;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use shared::clock::Clock;
use shared::config::Config;
use simulators::payments::PaymentsHandle;
use simulators::{
    PaymentsOptions, PaymentsSim, RunPodHandle, RunPodOptions, RunPodSim, SupabaseHandle, SupabaseOptions, SupabaseSim,
    Time,
};
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;
use worker::WorkerState;

use crate::client::{Auth, Client};
use crate::graph_endpoint;
use crate::postgres::TestDatabase;
use crate::shop;
use parts::Parts;

pub use crate::test_user::TestUser;

/// Steps of [`TestStack::finish`], and how many of them: together longer than any deadline.
const FINISH_STEP: Duration = Duration::from_secs(5);
const FINISH_STEPS_MAX: usize = 240;

/// A running system; all of it goes when this is dropped.
pub struct TestStack {
    pub database: TestDatabase,
    pub runpod: RunPodHandle,
    pub supabase: SupabaseHandle,
    /// Where payments are made.
    pub payments: PaymentsHandle,
    /// What [`TestStack::drain`] works with; clone it to act as a second worker.
    pub worker: WorkerState,
    /// The clock of the API and the worker.
    pub clock: Clock,
    /// The settings the worker was made from.
    pub config: Config,
    pub api_url: Url,
    /// What a worker process needs to join this system.
    pub worker_environment: BTreeMap<String, String>,
    changes: BTreeMap<String, String>,
    serving: Serving,
}

/// The API's task; it ends with this.
struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a test wants to be different.
#[derive(Default)]
pub struct TestStackBuilder {
    settings: BTreeMap<String, String>,
    runpod: Option<RunPodOptions>,
    supabase: SupabaseOptions,
    payments: Option<PaymentsOptions>,
}

impl TestStackBuilder {
    /// Sets a variable of deploy/env.template for both processes.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Lets RunPod call back. Off otherwise: then nothing happens between two calls of the test.
    #[must_use]
    pub fn webhooks(self) -> Self {
        self.set("WEBHOOKS", "on")
    }

    /// Runs every workflow that has a graph over worker-comfyui, on [`graph_endpoint::GRAPH_ENDPOINT`].
    #[must_use]
    pub fn graphs(mut self) -> Self {
        self.settings.extend(graph_endpoint::settings());
        self
    }

    /// The RunPod simulator's options, instead of instant jobs under a clock that the test moves.
    #[must_use]
    pub fn runpod(mut self, options: RunPodOptions) -> Self {
        self.runpod = Some(options);
        self
    }

    /// The Supabase simulator's options; its database is the test's in any case.
    #[must_use]
    pub fn supabase(mut self, options: SupabaseOptions) -> Self {
        self.supabase = options;
        self
    }

    /// The payment simulator's options, instead of a clock that the test moves.
    #[must_use]
    pub fn payments(mut self, options: PaymentsOptions) -> Self {
        self.payments = Some(options);
        self
    }

    /// Boots it.
    ///
    /// # Panics
    /// When any part cannot start: no test can go on without.
    pub async fn start(self) -> TestStack {
        let database = TestDatabase::new().await;
        let runpod = self.runpod.unwrap_or_else(|| RunPodOptions { time: Time::Manual, ..RunPodOptions::default() });
        let runpod = RunPodSim::start(runpod).expect("a free port");
        let supabase = SupabaseOptions { database_url: Some(database.url()), ..self.supabase };
        let supabase = SupabaseSim::start(supabase).expect("a free port");
        let payments = self.payments.unwrap_or_else(shop::options);
        let payments = PaymentsSim::start(payments).expect("a free port");
        Parts { runpod, supabase, payments }.serve(database, self.settings).await
    }
}

impl TestStack {
    /// The system as most tests want it.
    ///
    /// # Panics
    /// As [`TestStackBuilder::start`].
    pub async fn new() -> Self {
        Self::builder().start().await
    }

    pub fn builder() -> TestStackBuilder {
        TestStackBuilder::default()
    }

    /// A new user, with her welcome credits.
    ///
    /// # Panics
    /// When she cannot sign up.
    pub async fn user(&self) -> TestUser {
        let signed_in = self.auth().sign_up().await.expect("anybody can sign up");
        let client = self.client(&signed_in.token);
        TestUser { signed_in, client }
    }

    /// The same user with a token that lives from now.
    ///
    /// # Panics
    /// When she cannot sign in.
    pub async fn sign_in_again(&self, user: &TestUser) -> TestUser {
        let signed_in = self.auth().sign_in(&user.signed_in).await.expect("she has signed up");
        let client = self.client(&signed_in.token);
        TestUser { signed_in, client }
    }

    /// Where users sign up.
    ///
    /// # Panics
    /// Never: the simulator's address is one.
    pub fn auth(&self) -> Auth {
        let supabase_url = self.supabase.url().parse().expect("the simulator's address is one");
        Auth { supabase_url, api_key: self.supabase.anon_key().to_owned() }
    }

    /// A client with any text as its token.
    ///
    /// # Panics
    /// When the HTTP client cannot be made.
    pub fn client(&self, token: &str) -> Client {
        Client::new(self.api_url.clone(), Some(token.to_owned())).expect("a client needs no network")
    }

    /// A client without token.
    ///
    /// # Panics
    /// When the HTTP client cannot be made.
    pub fn anonymous(&self) -> Client {
        Client::new(self.api_url.clone(), None).expect("a client needs no network")
    }

    /// Does all work that is due now; returns how much was moved.
    ///
    /// # Panics
    /// When a step cannot commit, or work never ends.
    pub async fn drain(&self) -> usize {
        worker::app::drain(&self.worker).await.expect("every step can commit")
    }

    /// Has the provider of payments tell all that happened, and follows it up.
    ///
    /// # Panics
    /// When its calls are not answered, or a step cannot commit.
    pub async fn settle_payments(&self) {
        assert!(self.payments.delivered().await, "the payment simulator is still sending");
        self.drain().await;
    }

    /// Lets time pass: for the database, the API, the worker and the simulators at once.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn advance(&self, by: Duration) {
        self.database.advance(by).await;
        self.clock.read_offset(self.database.pool()).await.expect("the database answers");
        self.runpod.advance(by);
        self.supabase.advance(by);
        self.payments.advance(by);
    }

    /// Works and lets time pass until the generation is final, and answers its status.
    ///
    /// # Panics
    /// When it is not final past every deadline.
    pub async fn finish(&self, user: &TestUser, generation_id: Uuid) -> Value {
        for _ in 0..FINISH_STEPS_MAX {
            self.drain().await;
            let seen = user.status(generation_id).await.expect("the API answers").expecting(200).body;
            if seen["status"] != "processing" {
                return seen;
            }
            self.advance(FINISH_STEP).await;
        }
        panic!("generation {generation_id} is not final after {FINISH_STEPS_MAX} steps of {FINISH_STEP:?}");
    }

    /// Every capability test ends with this: the books balance.
    ///
    /// # Panics
    /// When they do not, naming each difference.
    pub async fn reconcile(&self) {
        let differences = shared::ledger::reconcile(self.database.pool()).await.expect("the database answers");
        assert!(differences.is_empty(), "{differences:#?}");
    }
}
