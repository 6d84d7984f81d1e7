//! One API on one database, with an issuer of tokens beside it.

mod issuer;
mod process;
mod run;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use devstack::client::{Answer, Client};
use devstack::postgres::TestDatabase;
use shared::clock::Clock;
use shared::config::{Config, Process};
use shared::liveness::Liveness;
use shared::{db, ledger};
use shootx_api::{ApiState, accept_on, listen, serve};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;

pub(crate) use issuer::{
    Answering, CURRENT_KEY, FOREIGN_KEY, Issuer, LEGACY_SECRET, RSA_KEY, sign, sign_under, sign_with_secret, unsigned,
};
pub(crate) use run::webhook_address;
pub(crate) use wire::{Wire, request};

/// Longest time between two turns of an API's loop, in tests.
pub(crate) const LOOP_TURN_MAX: Duration = Duration::from_secs(10);
/// What every new user is given.
pub(crate) const WELCOME: i64 = 100;
/// Signs webhook addresses first, and then an older one that is still accepted.
pub(crate) const WEBHOOK_SECRETS: [&str; 2] =
    ["new webhook secret of at least 32 characters", "old webhook secret of at least 32 characters"];

/// A running API. Dropping it ends it.
pub(crate) struct Stack {
    pub(crate) database: TestDatabase,
    pub(crate) issuer: Issuer,
    pub(crate) base: Url,
    pub(crate) config: Config,
    /// Where the local image store keeps its files.
    _images: TempDir,
    clock: Clock,
    pub(crate) liveness: Liveness,
    /// What a process of its own is told.
    vars: BTreeMap<String, String>,
    api_pool: PgPool,
    serving: JoinHandle<()>,
}

/// A second API on the database of the first.
pub(crate) struct Second {
    pub(crate) base: Url,
    pool: PgPool,
    serving: JoinHandle<()>,
}

impl Second {
    pub(crate) async fn finish(self) {
        self.serving.abort();
        self.pool.close().await;
    }
}

/// Somebody who signed up, and acts with her token.
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) client: Client,
}

/// For answers of which nothing but the status matters.
pub(crate) trait Answered {
    /// Fails, quoting the answer, when it has another status.
    fn answered(self, status: u16);
}

impl Answered for Answer {
    fn answered(self, status: u16) {
        drop(self.expecting(status));
    }
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With some settings changed; an empty value leaves one out.
    pub(crate) async fn with(changes: &[(&str, &str)]) -> Self {
        Self::on(TestDatabase::new().await, changes).await
    }

    /// On a database of the test's own making.
    pub(crate) async fn on(database: TestDatabase, changes: &[(&str, &str)]) -> Self {
        let issuer = Issuer::start().await;
        let images = TempDir::new().unwrap();
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if changes.iter().any(|(name, _)| *name == "TLS_CERT") { "https" } else { "http" };
        let base = Url::parse(&format!("{scheme}://{address}")).unwrap();
        let mut vars: BTreeMap<String, String> = [
            ("DATABASE_URL", database.api_url()),
            ("PUBLIC_URL", base.to_string()),
            ("WEBHOOK_SECRET", WEBHOOK_SECRETS.join(",")),
            ("SUPABASE_URL", issuer.url.to_string()),
            ("SUPABASE_SERVICE_KEY", "sb_secret_0123456789".to_owned()),
            ("RUNPOD_API_KEY", "rpa_0123456789".to_owned()),
            ("COMFYUI_ENDPOINT_ID", "endpoint1".to_owned()),
            ("STORAGE_BACKEND", "local".to_owned()),
            // All users of a test come from one address, and as fast as they can.
            ("ADDRESS_RATE_PER_SECOND", "100000".to_owned()),
            ("USER_RATE_PER_SECOND", "100000".to_owned()),
            ("STORAGE_DIR", images.path().display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        vars.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let config = Config::from_vars(Process::Api, &|name| vars.get(name).cloned()).unwrap();
        let acceptor = accept_on(listener, config.tls.as_ref(), &config.limits).unwrap();
        let api_pool = db::pool(&config.database, "shootx-api").unwrap();
        let clock = Clock::system();
        let liveness = Liveness::new(LOOP_TURN_MAX);
        let state = ApiState::new(&config, api_pool.clone(), clock.clone()).unwrap().with_liveness(liveness.clone());
        let serving = tokio::spawn(async move { serve(state, acceptor, std::future::pending()).await.unwrap() });
        Self { database, issuer, base, config, _images: images, clock, liveness, vars, api_pool, serving }
    }

    /// Another process of the same deployment.
    pub(crate) async fn beside(&self) -> Second {
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let base = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let acceptor = accept_on(listener, None, &self.config.limits).unwrap();
        let pool = db::pool(&self.config.database, "shootx-api").unwrap();
        let state = ApiState::new(&self.config, pool.clone(), self.clock.clone()).unwrap();
        let serving = tokio::spawn(async move { serve(state, acceptor, std::future::pending()).await.unwrap() });
        Second { base, pool, serving }
    }

    /// Signs a new user up, as Supabase Auth does it: the database makes the rest.
    pub(crate) async fn sign_up(&self) -> User {
        let id = Uuid::now_v7();
        sqlx::query("insert into auth.users (id, email, email_confirmed_at) values ($1, $2, now())")
            .bind(id)
            .bind(format!("{id}@example.com"))
            .execute(self.database.pool())
            .await
            .unwrap();
        User { id, client: self.client(Some(self.issuer.token(id))) }
    }

    /// A client with this token, or with none.
    pub(crate) fn client(&self, token: Option<String>) -> Client {
        Client::new(self.base.clone(), token).unwrap()
    }

    /// Moves the time of the database and of the API.
    pub(crate) async fn advance(&self, by: Duration) {
        self.database.advance(by).await;
        self.clock.read_offset(self.database.pool()).await.unwrap();
    }

    /// Takes all of a user's credits but `left`, by the hand of an operator.
    pub(crate) async fn leave_credits(&self, user: &User, left: i64) {
        sqlx::query(
            "with entry as (
               insert into public.credit_transactions (user_id, amount, transaction_type, description)
               select user_id, $2 - balance, 'adjustment', 'test' from public.credits where user_id = $1)
             update public.credits set balance = $2 where user_id = $1",
        )
        .bind(user.id)
        .bind(i32::try_from(left).unwrap())
        .execute(self.database.pool())
        .await
        .unwrap();
    }

    /// Rows of one of our tables, for what must not have changed.
    pub(crate) async fn count(&self, table: &'static str) -> i64 {
        let query = match table {
            "generations" => "select count(*) from public.generations",
            "credit_transactions" => "select count(*) from public.credit_transactions",
            "event" => "select count(*) from gateway.event",
            "jobs" => "select count(*) from apalis.jobs",
            other => panic!("{other} is not counted here"),
        };
        sqlx::query_scalar(query).fetch_one(self.database.pool()).await.unwrap()
    }

    /// What every test ends with: the books balance.
    pub(crate) async fn finish(self) {
        assert_eq!(ledger::reconcile(self.database.pool()).await.unwrap(), []);
        self.serving.abort();
        self.api_pool.close().await;
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
