//! The database that tests copy: prepared once a server, and again when a migration has changed.

use sha2::{Digest, Sha256};
use shared::db::MIGRATOR;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use url::Url;

use super::PostgresError;
use super::prepare::{prepare, prepare_project};
use super::project::{DEPLOYED_SCHEMA, ProjectKind, STORAGE_SHIM, SUPABASE_SHIM};

const PREFIX: &str = "shootx_template_";
const BUILDING: &str = "shootx_template_building";
/// Advisory lock, held in the maintenance database while a template is looked for or built.
const BUILD_LOCK: i64 = 0x5368_6f6f_7459;

/// The name of the template on this server, built now if it is not there. Templates of other schemas are dropped.
///
/// # Errors
/// When the server cannot be reached or the schema cannot be built.
pub async fn ensure_template(server: &str) -> Result<String, PostgresError> {
    ensure_template_of(server, ProjectKind::default()).await
}

/// The same, for a project of some kind. That of the kind most tests use was migrated by the superuser, the others by
/// the hosted owner.
pub(super) async fn ensure_template_of(server: &str, kind: ProjectKind) -> Result<String, PostgresError> {
    let name = format!("{PREFIX}{}{}", short_hash(&schema()), kind.suffix());
    let mut connection = turn(server).await?;
    if !is_there(&mut connection, &name).await? {
        drop_old(&mut connection).await?;
        execute(&mut connection, format!("create database {BUILDING}")).await?;
        let url = database_url(server, BUILDING);
        if kind == ProjectKind::default() {
            prepare(&url).await?;
        } else {
            prepare_project(&url, kind).await?;
        }
        // Whoever still looks at it would make copying fail, now and later.
        execute(&mut connection, format!("alter database {BUILDING} with allow_connections false")).await?;
        rename(&mut connection, &name).await?;
    }
    connection.close().await?; // gives the turn back
    Ok(name)
}

/// The name of a copy of a template with `rows` in it, which is made once a server, and is nobody's own.
pub(super) async fn ensure_furnished(server: &str, kind: ProjectKind, rows: &str) -> Result<String, PostgresError> {
    let template = ensure_template_of(server, kind).await?;
    let name = format!("{template}_{}", short_hash(rows.as_bytes()));
    let mut connection = turn(server).await?;
    if !is_there(&mut connection, &name).await? {
        execute(&mut connection, format!("drop database if exists {BUILDING}")).await?;
        execute(&mut connection, format!("create database {BUILDING} template {template}")).await?;
        let mut inside = PgConnection::connect(&database_url(server, BUILDING)).await?;
        inside.execute(sqlx::raw_sql(AssertSqlSafe(rows.to_owned()))).await?;
        inside.close().await?;
        rename(&mut connection, &name).await?;
    }
    connection.close().await?;
    Ok(name)
}

/// A connection that has the turn to look for databases and to build them.
async fn turn(server: &str) -> Result<PgConnection, PostgresError> {
    let mut connection = server.parse::<PgConnectOptions>()?.connect().await?;
    sqlx::query("select pg_advisory_lock($1)").bind(BUILD_LOCK).execute(&mut connection).await?;
    Ok(connection)
}

async fn is_there(connection: &mut PgConnection, name: &str) -> Result<bool, PostgresError> {
    let query = sqlx::query_scalar("select exists (select from pg_database where datname = $1)");
    Ok(query.bind(name).fetch_one(connection).await?)
}

async fn drop_old(connection: &mut PgConnection) -> Result<(), PostgresError> {
    let old = "select datname from pg_database where starts_with(datname, $1) and not starts_with(datname, $2)";
    let old: Vec<String> = sqlx::query_scalar(old)
        .bind(PREFIX)
        .bind(format!("{PREFIX}{}", short_hash(&schema())))
        .fetch_all(&mut *connection)
        .await?;
    for old in old {
        // Copies of it may be being made by tests of an older build: then it stays for the next time.
        let _ = connection.execute(AssertSqlSafe(format!("drop database {old}"))).await;
    }
    Ok(())
}

/// Gives what was built its name, once nobody is connected to it any more.
async fn rename(connection: &mut PgConnection, name: &str) -> Result<(), PostgresError> {
    let disconnect = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1";
    sqlx::query(disconnect).bind(BUILDING).execute(&mut *connection).await?;
    execute(connection, format!("alter database {BUILDING} rename to {name}")).await
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

/// All that goes into a template.
fn schema() -> Vec<u8> {
    let mut all = [SUPABASE_SHIM, STORAGE_SHIM, DEPLOYED_SCHEMA].concat().into_bytes();
    for migration in MIGRATOR.iter() {
        all.extend(migration.version.to_be_bytes());
        all.extend(migration.checksum.iter());
    }
    all
}

/// Different for different bytes.
fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
