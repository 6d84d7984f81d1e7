//! The database that tests copy: prepared once a server, and again when a migration has changed.

use sha2::{Digest, Sha256};
use shared::db::MIGRATOR;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use url::Url;

use super::PostgresError;
use super::prepare::{STORAGE_SHIM, SUPABASE_SHIM, prepare};

const PREFIX: &str = "shootx_template_";
/// Advisory lock, held in the maintenance database while a template is looked for or built.
const BUILD_LOCK: i64 = 0x5368_6f6f_7459;

/// The name of the template on this server, built now if it is not there. Templates of other schemas are dropped.
///
/// # Errors
/// When the server cannot be reached or the schema cannot be built.
pub async fn ensure_template(server: &str) -> Result<String, PostgresError> {
    let name = format!("{PREFIX}{}", schema_hash());
    let mut connection = server.parse::<PgConnectOptions>()?.connect().await?;
    sqlx::query("select pg_advisory_lock($1)").bind(BUILD_LOCK).execute(&mut connection).await?;
    let found: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut connection)
        .await?;
    if !found {
        build(&mut connection, server, &name).await?;
    }
    connection.close().await?; // gives the lock back
    Ok(name)
}

async fn build(connection: &mut PgConnection, server: &str, name: &str) -> Result<(), PostgresError> {
    let old: Vec<String> = sqlx::query_scalar("select datname from pg_database where starts_with(datname, $1)")
        .bind(PREFIX)
        .fetch_all(&mut *connection)
        .await?;
    for old in old {
        // Copies of it may be being made by tests of an older build: then it stays for the next time.
        let _ = connection.execute(AssertSqlSafe(format!("drop database {old}"))).await;
    }
    let building = format!("{PREFIX}building");
    execute(connection, format!("create database {building}")).await?;
    prepare(&database_url(server, &building)).await?;
    // Whoever still looks at it would make the renaming fail.
    execute(connection, format!("alter database {building} with allow_connections false")).await?;
    let disconnect = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1";
    sqlx::query(disconnect).bind(&building).execute(&mut *connection).await?;
    execute(connection, format!("alter database {building} rename to {name}")).await
}

/// `server` with another database.
pub(super) fn database_url(server: &str, database: &str) -> String {
    let mut url = Url::parse(server).expect("database URLs of this module are made by it");
    url.set_path(database);
    url.into()
}

async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), PostgresError> {
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(())
}

/// Short, and different whenever anything that goes into a template is.
fn schema_hash() -> String {
    let mut hash = Sha256::new();
    hash.update(SUPABASE_SHIM);
    hash.update(STORAGE_SHIM);
    for migration in MIGRATOR.iter() {
        hash.update(migration.version.to_be_bytes());
        hash.update(&migration.checksum);
    }
    hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
