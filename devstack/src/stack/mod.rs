//! The whole system on one machine: Postgres, simulators, the API and two workers as processes of their own.
//!
//! Where `DATABASE_URL`, `SUPABASE_URL`, `RUNPOD_API_KEY` or `STRIPE_SECRET_KEY` is set, that stand-in steps aside for the
//! real thing.

mod child;
mod database;
mod interrupt;
mod places;
mod restored;
mod services;
mod settings;
mod stand_ins;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use shared::clock::FOLLOW_EVERY;
use simulators::RunPodHandle;
use simulators::payments::PaymentsHandle;
use sqlx::PgPool;
use url::Url;

use crate::client::{Auth, Client};
use crate::postgres::advance_clock;

use database::Database;
use services::Services;
use stand_ins::StandIns;

pub use child::Child;
pub use interrupt::Interrupt;
pub use places::{local, local_dir};

/// Worker processes of one stack: enough to show that they share the queue.
const WORKERS: u16 = 2;

/// What kind of stack is wanted.
#[derive(Clone, Copy, Debug)]
pub struct StackOptions {
    /// Stay up on the usual ports, and keep rows and pictures in `.local` for the next start. Else only the API's port is
    /// fixed, and all is gone afterwards.
    pub keep: bool,
    /// How long the RunPod simulator takes for a generation.
    pub generation_time: Duration,
}

/// Where the processes of a stack show their metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub api: SocketAddr,
    pub workers: Vec<SocketAddr>,
}

/// A running system. [`Stack::stop`] ends it in order; dropping it ends it at once.
pub struct Stack {
    /// Where the API is.
    pub api_url: Url,
    /// Where users sign up.
    pub auth: Auth,
    /// The owner's connections, past all row level security.
    pub pool: PgPool,
    /// One line for each part that can be looked at: its name and its address.
    pub addresses: Vec<(&'static str, String)>,
    /// Where each process shows its metrics.
    pub metrics: Metrics,
    // Dropped in this order: the processes before what they talk to.
    children: Vec<Child>,
    services: Services,
    stand_ins: StandIns,
    database: Database,
}

impl Stack {
    /// Boots everything, telling each part to `report` as it becomes ready.
    ///
    /// # Errors
    /// One clear line: a port in use, no Postgres, a program that was not built, or what a process said when it ended.
    pub async fn start(options: StackOptions, report: impl Fn(&str, Duration)) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let api_bind = settings::api_bind()?;
        places::require_free("API_BIND", api_bind)?;
        let metrics = places::metrics_binds(1 + WORKERS, options.keep)?;
        settings::refuse_halves()?;

        let database = Database::start(options.keep).await?;
        report("database", begun.elapsed());

        let begun = Instant::now();
        let api_url = Url::parse(&format!("http://{api_bind}")).context("API_BIND makes no address")?;
        let stand_ins = StandIns::start(options, &database, &api_url).await?;
        report("simulators", begun.elapsed());

        let begun = Instant::now();
        let log = places::local_dir(if options.keep { "log" } else { "demo/log" })?;
        let common = settings::common(api_bind, &stand_ins);
        let services = Services { api_url: api_url.clone(), common, metrics: metrics.clone(), log };
        let children = services.start(&database).await?;
        report("api and workers", begun.elapsed());

        let mut addresses = addresses(&api_url, &stand_ins, &database, &services.metrics);
        addresses.push(("logs", services.log.display().to_string()));
        Ok(Self {
            api_url,
            auth: stand_ins.auth.clone(),
            pool: database.pool.clone(),
            addresses,
            metrics: Metrics { api: metrics[0], workers: metrics[1..].to_vec() },
            children,
            services,
            stand_ins,
            database,
        })
    }

    /// A client of the API with `token`.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn client(&self, token: &str) -> anyhow::Result<Client> {
        Client::new(self.api_url.clone(), Some(token.to_owned()))
    }

    /// The RunPod simulator, unless the real RunPod is used.
    pub fn runpod(&self) -> Option<&RunPodHandle> {
        self.stand_ins.runpod.as_ref()
    }

    /// The payment simulator, unless credits are sold by the real provider, or not at all.
    pub fn payments(&self) -> Option<&PaymentsHandle> {
        self.stand_ins.payments.as_ref()
    }

    /// Whether time is this stack's own: nobody else's database or provider is in it.
    pub fn owns_time(&self) -> bool {
        let stand_ins = &self.stand_ins;
        self.database.is_private()
            && stand_ins.supabase.is_some()
            && stand_ins.runpod.is_some()
            && stand_ins.payments.is_some()
    }

    /// Lets time pass for every part at once. Users must sign in again: their tokens grow old, too.
    ///
    /// # Errors
    /// When the time is not this stack's own, or the database does not answer.
    pub async fn advance(&self, by: Duration) -> anyhow::Result<()> {
        ensure!(self.owns_time(), "a real service takes part, whose clock nobody moves");
        advance_clock(&self.pool, by).await?;
        // The processes take the database's time over; until they have, they would refuse what comes from later.
        tokio::time::sleep(FOLLOW_EVERY * 2).await;
        self.stand_ins.advance(by);
        Ok(())
    }

    /// Waits until one of the processes ends, which none should, and says which and why.
    pub async fn ended(&mut self) -> String {
        let ends = self.children.iter_mut().map(|child| Box::pin(child.ended()));
        futures::future::select_all(ends).await.0
    }

    /// Asks all processes to finish what they are doing, waits for them, and ends the rest.
    pub async fn stop(mut self) {
        futures::future::join_all(self.children.iter_mut().map(Child::stop)).await;
        drop(self.stand_ins);
        self.pool.close().await;
        self.database.stop().await;
    }
}

fn addresses(
    api_url: &Url,
    stand_ins: &StandIns,
    database: &Database,
    metrics: &[SocketAddr],
) -> Vec<(&'static str, String)> {
    let mut addresses = vec![
        ("API", api_url.to_string()),
        ("API documentation", format!("{api_url}docs")),
        ("Supabase", stand_ins.auth.supabase_url.to_string()),
        ("RunPod", stand_ins.runpod_url.clone()),
        (
            "payments",
            stand_ins.payments.as_ref().map_or_else(|| "the real ones, or none".to_owned(), PaymentsHandle::url),
        ),
        ("Postgres", database.shown.clone()),
    ];
    let pages = metrics.iter().map(|bind| format!("http://{bind}/metrics"));
    addresses.push(("metrics", pages.collect::<Vec<_>>().join("  ")));
    addresses
}
