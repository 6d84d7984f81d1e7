//! The stack's database: a private Postgres that looks like Supabase, or the one that `DATABASE_URL` names.

use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor};
use tokio::process::Command;

use super::{places, settings};
use crate::postgres::{Cluster, Purpose, STORAGE_SHIM, SUPABASE_SHIM, Service, ensure_login_roles};

const NAME: &str = "shootx";
/// Most of the owner's connections.
const POOL_MAX: u32 = 4;
/// Servers that this process has started: each is in a directory of its own.
static STARTED: AtomicU32 = AtomicU32::new(0);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Database {
    /// The owner's connections.
    pub(super) pool: PgPool,
    /// What to print: the private server's address, but not somebody's URL with a password in it.
    pub(super) shown: String,
    /// Where the owner logs in.
    pub(super) owner_url: String,
    /// The server, if it is ours.
    cluster: Option<Cluster>,
}

impl Database {
    /// Starts or finds the server and brings the schema up to date with `shootx-api migrate`.
    pub(super) async fn start(keep: bool) -> anyhow::Result<Self> {
        match settings::given("MIGRATION_DATABASE_URL").or_else(|| settings::given("DATABASE_URL")) {
            Some(url) if settings::given("DATABASE_URL").is_some() => Self::given(&url).await,
            _ => Self::private(keep).await,
        }
    }

    async fn given(owner_url: &str) -> anyhow::Result<Self> {
        migrate(&[]).await?;
        let shown = "the one of DATABASE_URL".to_owned();
        Ok(Self { pool: connect(owner_url).await?, shown, owner_url: owner_url.to_owned(), cluster: None })
    }

    async fn private(keep: bool) -> anyhow::Result<Self> {
        let laid = Self::laid(keep).await?;
        migrate(&[("DATABASE_URL".to_owned(), laid.owner_url.clone())]).await?;
        ensure_login_roles(&mut *laid.pool.acquire().await?).await?;
        Ok(laid)
    }

    /// A fresh server with a Supabase project in which there is nothing of ours but the roles that services log in by.
    pub(super) async fn fresh() -> anyhow::Result<Self> {
        let fresh = Self::laid(false).await?;
        fresh.pool.execute("create role shootx_api; create role shootx_worker").await?;
        ensure_login_roles(&mut *fresh.pool.acquire().await?).await?;
        Ok(fresh)
    }

    /// A server of our own, with what Supabase provides in it.
    async fn laid(keep: bool) -> anyhow::Result<Self> {
        let dir = places::local().join("postgres");
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let start = move || match (keep, number) {
            (true, _) => Cluster::start(&dir, Purpose::Run),
            (false, 0) => Cluster::temporary(Purpose::Tests),
            (false, _) => Cluster::another_temporary(Purpose::Tests, number),
        };
        let cluster = tokio::task::spawn_blocking(start).await??;
        let url = cluster.url(NAME);
        create(&cluster.url("postgres")).await?;
        let mut connection = PgConnection::connect(&url).await?;
        connection.execute("set client_min_messages = error").await?;
        connection.execute(sqlx::raw_sql(SUPABASE_SHIM)).await?;
        connection.execute(sqlx::raw_sql(STORAGE_SHIM)).await?;
        connection.close().await?;
        Ok(Self { pool: connect(&url).await?, shown: url.clone(), owner_url: url, cluster: Some(cluster) })
    }

    /// `settings` with the URL by which the API logs in.
    pub(super) fn api_settings(&self, settings: Vec<(String, String)>) -> Vec<(String, String)> {
        self.service_settings(settings, Service::Api)
    }

    /// `settings` with the URL by which a worker logs in.
    pub(super) fn worker_settings(&self, settings: Vec<(String, String)>) -> Vec<(String, String)> {
        self.service_settings(settings, Service::Worker)
    }

    fn service_settings(&self, mut settings: Vec<(String, String)>, service: Service) -> Vec<(String, String)> {
        if self.cluster.is_some() {
            settings.push(("DATABASE_URL".to_owned(), service.url(&self.owner_url)));
        }
        settings
    }

    /// Whether the server is ours.
    pub(super) fn is_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// Stops the server if it is ours.
    pub(super) async fn stop(self) {
        let cluster = self.cluster;
        let _ = tokio::task::spawn_blocking(move || drop(cluster)).await;
    }
}

async fn create(maintenance_url: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(maintenance_url).await?;
    let there: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(NAME)
        .fetch_one(&mut connection)
        .await?;
    if !there {
        connection.execute("create database shootx").await?;
    }
    connection.close().await?;
    Ok(())
}

async fn migrate(settings: &[(String, String)]) -> anyhow::Result<()> {
    let output = Command::new(places::program("shootx-api")?)
        .arg("migrate")
        .envs(settings.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .await
        .context("shootx-api cannot be started")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

async fn connect(url: &str) -> anyhow::Result<PgPool> {
    let options = PgPoolOptions::new().max_connections(POOL_MAX).acquire_timeout(CONNECT_TIMEOUT);
    options.connect(url).await.context("the database cannot be reached")
}
