//! A private Postgres, and databases in it that begin alike: our schema, users with credits. SQL.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use devstack::postgres::{Cluster, Purpose, Service, prepare};
use secrecy::SecretString;
use shared::ids::UserId;
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgPool, PgPoolOptions};
use uuid::Uuid;

use crate::processes::Program;
use crate::watch::Watch;

const TEMPLATE: &str = "bench_template";
/// Connections beside those that are measured.
const OWNER_POOL_MAX: u32 = 4;
/// More than any measurement spends.
const CREDITS: i32 = 1_000_000_000;
/// Ids of users and of their first generations: the number stands at the end, so that a script for `pgbench` knows them.
const ID_PREFIX: &str = "00000000-0000-7000-8000-";

/// The server, which loses nothing in a crash, as in production.
pub(crate) struct Server {
    cluster: Cluster,
    /// Connections to its maintenance database.
    pub(crate) maintenance: PgPool,
    databases: AtomicU32,
}

/// One database of it.
pub(crate) struct Database {
    pub(crate) name: String,
    /// Connections of the superuser.
    pub(crate) owner: PgPool,
    url: String,
    maintenance: PgPool,
    server: Option<Program>,
}

impl Server {
    /// Starts it, with a template in which `users` have signed up.
    pub(crate) async fn start(users: u32) -> anyhow::Result<Self> {
        let cluster = tokio::task::spawn_blocking(|| Cluster::temporary(Purpose::Run)).await??;
        let maintenance =
            PgPoolOptions::new().max_connections(OWNER_POOL_MAX).connect(&cluster.url("postgres")).await?;
        sqlx::query(AssertSqlSafe(format!("create database {TEMPLATE}"))).execute(&maintenance).await?;
        let url = cluster.url(TEMPLATE);
        prepare(&url).await?;
        let template = PgPoolOptions::new().max_connections(1).connect(&url).await?;
        sqlx::query("update gateway.setting set value = to_jsonb($1) where name = 'welcome_credits'")
            .bind(CREDITS)
            .execute(&template)
            .await?;
        sqlx::query(
            "insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data)
             select ($1 || lpad(to_hex(n), 12, '0'))::uuid, 'bench-' || n || '@example.com', now(), '{}'
             from generate_series(1, $2) as n",
        )
        .bind(ID_PREFIX)
        .bind(i32::try_from(users)?)
        .execute(&template)
        .await?;
        sqlx::query("vacuum analyze").execute(&template).await?;
        template.close().await;
        Ok(Self { cluster, maintenance, databases: AtomicU32::new(0) })
    }

    /// A new database, empty but for the users.
    pub(crate) async fn database(&self) -> anyhow::Result<Database> {
        let name = format!("bench_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        sqlx::query(AssertSqlSafe(format!("create database {name} template {TEMPLATE}")))
            .execute(&self.maintenance)
            .await?;
        // What the copy left to be written would be written while something is measured.
        sqlx::query("checkpoint").execute(&self.maintenance).await?;
        let url = self.cluster.url(&name);
        let owner = PgPoolOptions::new().max_connections(OWNER_POOL_MAX).connect(&url).await?;
        let server = self.cluster.pid().map(|pid| Program { name: "postgres", pid, has_children: true });
        Ok(Database { name, owner, url, maintenance: self.maintenance.clone(), server })
    }

    /// `pgbench`, if the server's package has it.
    pub(crate) fn pgbench(&self) -> Option<std::path::PathBuf> {
        self.cluster.program("pgbench")
    }

    /// What was measured on: settings decide more than code.
    pub(crate) async fn description(&self) -> anyhow::Result<String> {
        let settings: String = sqlx::query_scalar(
            "select 'PostgreSQL ' || current_setting('server_version') || ', '
                    || string_agg(name || ' ' || setting, ', ' order by name)
             from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method')",
        )
        .fetch_one(&self.maintenance)
        .await?;
        let processors = std::thread::available_parallelism()?;
        Ok(format!("{settings}; its files in {}; {processors} processors", self.cluster.dir().display()))
    }

    pub(crate) async fn stop(self) {
        self.maintenance.close().await;
        let _ = tokio::task::spawn_blocking(move || drop(self.cluster)).await;
    }
}

impl Database {
    /// Where a service logs in.
    pub(crate) fn service_url(&self, service: Service) -> String {
        service.url(&self.url)
    }

    /// Connections as the API opens them, under a name of our own.
    pub(crate) fn api_pool(&self, pool_max: u32) -> anyhow::Result<PgPool> {
        let url = SecretString::from(self.service_url(Service::Api));
        Ok(shared::db::pool(
            &shared::config::Database { url, pool_max, silence_max: Duration::from_secs(15) },
            "bench",
        )?)
    }

    /// Looks at what is done in it, by the server, by ourselves and by `programs`.
    pub(crate) fn watch(&self, programs: impl IntoIterator<Item = Program>) -> Watch {
        // Without our services, which are children of ours; but with `pgbench`, once it has ended.
        let bench = Program { name: "bench", pid: std::process::id(), has_children: false };
        let programs = self.server.into_iter().chain([bench]).chain(programs).collect();
        Watch { pool: self.maintenance.clone(), database: self.name.clone(), programs }
    }

    /// Ends its use: the books must balance.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let differences = shared::ledger::reconcile(&self.owner).await?;
        ensure!(differences.is_empty(), "the books of {} do not balance: {differences:?}", self.name);
        self.owner.close().await;
        let drop = format!("drop database {} with (force)", self.name);
        sqlx::query(AssertSqlSafe(drop)).execute(&self.maintenance).await.context("a database is still in use")?;
        Ok(())
    }
}

/// User `number`, from 1; also the id of the first generation of hers, where one is made beforehand.
pub(crate) fn numbered(number: u32) -> Uuid {
    format!("{ID_PREFIX}{number:012x}").parse().expect("an id of digits")
}

/// The same in SQL, for a parameter of `pgbench`.
pub(crate) fn numbered_sql(parameter: &str) -> String {
    format!("('{ID_PREFIX}' || lpad(to_hex({parameter}::bigint), 12, '0'))::uuid")
}

pub(crate) fn user_id(number: u32) -> UserId {
    UserId(numbered(number))
}

#[cfg(test)]
mod tests {
    use super::{numbered, numbered_sql};

    #[test]
    fn the_number_stands_at_the_end_of_the_id() {
        assert_eq!(numbered(500).to_string(), "00000000-0000-7000-8000-0000000001f4");
        assert_eq!(numbered_sql(":user"), "('00000000-0000-7000-8000-' || lpad(to_hex(:user::bigint), 12, '0'))::uuid");
    }
}
