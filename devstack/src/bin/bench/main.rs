//! `make bench`: measures on this machine, and prints each figure beside a reference taken on the same server. SQL.
//!
//! A row is a function that answers with a [`row::Row`]; [`measure`] calls them one after the other.

mod accept;
mod load;
mod row;

use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;
use devstack::postgres::{Cluster, Purpose, Service, prepare};
use devstack::stack::Interrupt;
use secrecy::SecretString;
use shared::config::Database;
use sqlx::postgres::{PgPool, PgPoolOptions};

use row::Row;

const DATABASE: &str = "bench";
/// Connections beside those that are measured: for looking at them.
const OWNER_POOL_MAX: u32 = 2;

/// Measures on this machine and prints each figure beside its reference.
///
/// Starts a Postgres of its own that loses nothing in a crash, as in production. Reference and measured take turns, so
/// that what else this machine does hits both. Fails if the books do not balance afterwards, not for a goal not met.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Of each measurement.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often reference and measured take turns; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// That work at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=150))]
    connections: u32,
}

/// A private server with our schema in it.
struct Server {
    cluster: Cluster,
    /// Connections of the superuser.
    owner: PgPool,
    /// Connections as the API opens them.
    api: PgPool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // Before the server: a signal during its start must not leave it behind.
    let mut interrupt = Interrupt::listen()?;
    let server = Server::start(arguments.connections).await?;
    let measured = tokio::select! {
        measured = measure(&server, arguments) => measured,
        () = interrupt.asked() => Err(anyhow::anyhow!("interrupted")),
    };
    server.stop().await;
    print!("\n{}", row::table(&measured?));
    Ok(())
}

async fn measure(server: &Server, arguments: &Arguments) -> anyhow::Result<Vec<Row>> {
    println!("{}", server.description().await?);
    let Arguments { seconds, rounds, connections } = arguments;
    println!("{connections} connections, {rounds} rounds of {seconds} s for each figure and each reference");
    let rows = vec![accept::one_user(server, arguments).await?];
    let differences = shared::ledger::reconcile(&server.owner).await?;
    ensure!(differences.is_empty(), "the books do not balance: {differences:?}");
    println!("  the books balance");
    Ok(rows)
}

impl Server {
    async fn start(connections: u32) -> anyhow::Result<Self> {
        let cluster = tokio::task::spawn_blocking(|| Cluster::temporary(Purpose::Run)).await??;
        let maintenance = PgPoolOptions::new().max_connections(1).connect(&cluster.url("postgres")).await?;
        sqlx::query("create database bench").execute(&maintenance).await?;
        maintenance.close().await;
        let url = cluster.url(DATABASE);
        prepare(&url).await?;
        let owner = PgPoolOptions::new().max_connections(OWNER_POOL_MAX).connect(&url).await?;
        let settings = Database { url: SecretString::from(Service::Api.url(&url)), pool_max: connections };
        let api = shared::db::pool(&settings, load::APPLICATION)?;
        Ok(Self { cluster, owner, api })
    }

    /// What was measured on: settings decide more than code.
    async fn description(&self) -> anyhow::Result<String> {
        let settings: String = sqlx::query_scalar(
            "select 'PostgreSQL ' || current_setting('server_version') || ', '
                    || string_agg(name || ' ' || setting, ', ' order by name)
             from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method')",
        )
        .fetch_one(&self.owner)
        .await?;
        let processors = std::thread::available_parallelism()?;
        Ok(format!("{settings}; its files in {}; {processors} processors", self.cluster.dir().display()))
    }

    async fn stop(self) {
        self.api.close().await;
        self.owner.close().await;
        let _ = tokio::task::spawn_blocking(move || drop(self.cluster)).await;
    }
}
