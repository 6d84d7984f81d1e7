//! The database: how processes connect to it, and how its schema is brought up to date.
//!
//! Two sets of migrations share it: the queue's own, then ours in `migrations/`. Each keeps its history beside its
//! tables (`apalis._sqlx_migrations`, `gateway._sqlx_migrations`), where no browser can reach it.

mod relay;
mod user;

use std::collections::BTreeSet;
use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use apalis_postgres::PostgresStorage;
use secrecy::ExposeSecret;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::config::Database;
use crate::loopback::is_local_database;
use relay::Relay;
pub use user::{begin_for, keep_user};

/// Longest wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection idle for longer than this is tried before it is used, so that a restarted server costs no failed query.
const IDLE_TRUST: Duration = Duration::from_secs(5);
const LIFETIME_MAX: Duration = Duration::from_mins(30);
/// Bounds of every service session: one statement, one wait for a lock, one pause inside a transaction.
const SESSION_LIMITS: &str = "set statement_timeout = '10s'; set lock_timeout = '5s'; \
     set idle_in_transaction_session_timeout = '15s'";

/// Names of the relays' sockets: the driver's own for pool connections, and one with [`LONG`] for long statements.
const RELAYED: &str = "\0shootx-";
const LONG: &str = "-long";
/// Longer than any statement that runs on a connection of [`connect_for_long`].
pub(crate) const LONG_TIME_MAX: Duration = Duration::from_secs(330);

/// Names the advisory lock that one migration at a time holds.
const MIGRATION_LOCK: i64 = 0x5368_6f6f_7458;
/// A migration waits for another one this long, and then for any table lock this long: a table that is in use for
/// longer would otherwise queue all other sessions behind the migration.
const MIGRATION_TURN_LIMITS: &str = "set statement_timeout = 0; set lock_timeout = '5min'";
const MIGRATION_LIMITS: &str = "set lock_timeout = '10s'; set client_min_messages = warning";

const HISTORY: &str = "gateway._sqlx_migrations";
const QUEUE_HISTORY: &str = "apalis._sqlx_migrations";

/// Our migrations. A database may be ahead of them: the previous release runs while a newer schema is there.
pub static MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("../migrations");
    migrator.dangerous_set_table_name(HISTORY);
    migrator.create_schema("gateway");
    migrator.set_ignore_missing(true);
    migrator
});

/// The queue's migrations, embedded in its crate.
static QUEUE_MIGRATOR: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = PostgresStorage::<()>::migrations();
    migrator.set_ignore_missing(true);
    migrator
});

/// Why the database cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("the database address cannot be read")]
    Address(#[source] sqlx::Error),
    #[error("the database is behind this release, it lacks {}; run `shootx-api migrate`", brief(missing))]
    Behind { missing: Vec<String> },
    #[error("another migration has held the lock for more than 5 minutes")]
    Busy,
    #[error("the migrations of {set} failed")]
    Migrate {
        set: &'static str,
        #[source]
        source: MigrateError,
    },
    #[error("the socket of the database relay cannot be created")]
    Relay(#[source] io::Error),
    #[error("the database takes no writes at present")]
    ReadOnly,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The first few names, so that an empty database does not fill the screen.
fn brief(missing: &[String]) -> String {
    const NAMED_MAX: usize = 5;
    let named = missing.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match missing.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more migrations"),
    }
}

/// How to reach the database at `url`. Outside this machine always encrypted: the driver alone would fall back to plain.
fn connect_options(url: &str) -> Result<PgConnectOptions, DatabaseError> {
    let options: PgConnectOptions = url.parse().map_err(DatabaseError::Address)?;
    let may_be_plain = matches!(options.get_ssl_mode(), PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer);
    let is_local = options.get_socket().is_some() || is_local_database(options.get_host());
    Ok(if may_be_plain && !is_local { options.ssl_mode(PgSslMode::Require) } else { options })
}

/// Opens a pool of at most `settings.pool_max` connections. Every wait is limited: on the server by [`SESSION_LIMITS`],
/// on the network by the relay, whatever the driver does with the connection.
///
/// Connects on first use: a service starts while its database is unreachable, and reports that it is not ready. Needs a
/// running tokio runtime.
///
/// # Errors
/// [`DatabaseError::Address`] when the URL is not a Postgres one.
pub fn pool(settings: &Database, application_name: &str) -> Result<PgPool, DatabaseError> {
    let options = connect_options(settings.url.expose_secret())?.application_name(application_name);
    // In the abstract namespace: it needs no writable directory, and leaves no file behind.
    let directory = format!("{RELAYED}{}", Uuid::new_v4().simple());
    let relay = Relay::bind(&options, &directory, settings.silence_max).map_err(DatabaseError::Relay)?;
    let long_relay =
        Relay::bind(&options, &format!("{directory}{LONG}"), LONG_TIME_MAX).map_err(DatabaseError::Relay)?;
    let pool = PgPoolOptions::new()
        .max_connections(settings.pool_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // Before the relay closes it.
        .idle_timeout(settings.silence_max)
        .max_lifetime(LIFETIME_MAX)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > IDLE_TRUST {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SESSION_LIMITS).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options.socket(directory));
    let mut closed = pool.close_event();
    tokio::spawn(async move { closed.do_until(async { tokio::join!(relay.run(), long_relay.run()) }).await });
    Ok(pool)
}

/// Opens a separate connection for statements that take longer than those of the pool may: up to `time_max`, and at
/// most [`LONG_TIME_MAX`].
///
/// # Errors
/// As for a connection of the pool.
pub async fn connect_for_long(pool: &PgPool, time_max: Duration) -> Result<PgConnection, sqlx::Error> {
    let mut options = (*pool.connect_options()).clone();
    let relayed = options.get_socket().map(|directory| directory.display().to_string());
    if let Some(directory) = relayed.filter(|directory| directory.starts_with(RELAYED)) {
        options = options.socket(format!("{directory}{LONG}"));
    }
    let connecting = async {
        let mut connection = options.connect().await?;
        connection.execute(SESSION_LIMITS).await?;
        let limit = format!("set statement_timeout = {}", time_max.as_millis());
        connection.execute(AssertSqlSafe(limit)).await?;
        Ok(connection)
    };
    tokio::time::timeout(ACQUIRE_TIMEOUT, connecting).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

const UNFINISHED_OF_BEFORE: &str = "
    select count(*) from public.generations as g
    where g.status in ('pending', 'processing')
      and not exists (select from gateway.run where run.generation_id = g.id)";

/// What [`migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Names of what was applied now, in order; empty when the database was up to date.
    pub applied: Vec<String>,
    /// Generations of before this backend that never finished: they are left as they are, for an operator to see.
    pub unfinished_of_before: i64,
}

/// Brings the schema up to date: the queue's migrations, then ours, under a lock that one caller holds at a time.
///
/// `url` must be a direct connection (or a session pooler) of the role that owns the tables.
///
/// # Errors
/// Each migration is a transaction of its own: after an error those before it stay applied, and a repeat goes on there.
pub async fn migrate(url: &str) -> Result<Migrated, DatabaseError> {
    let options = connect_options(url)?;
    let mut connection = options.application_name("shootx-migrate").connect().await?;
    connection.execute(MIGRATION_TURN_LIMITS).await?;
    let turn = sqlx::query("select pg_advisory_lock($1)").bind(MIGRATION_LOCK).execute(&mut connection).await;
    if let Err(error) = turn {
        let timed_out = error.as_database_error().is_some_and(|e| e.code().as_deref() == Some("55P03"));
        return Err(if timed_out { DatabaseError::Busy } else { error.into() });
    }
    connection.execute(MIGRATION_LIMITS).await?;

    let missing = missing(&mut connection).await?;
    run(&QUEUE_MIGRATOR, "the queue", &mut connection).await?;
    run(&MIGRATOR, "the product", &mut connection).await?;
    let unfinished_of_before = sqlx::query_scalar(UNFINISHED_OF_BEFORE).fetch_one(&mut connection).await?;
    connection.close().await?; // also gives the lock back, as does a crash
    Ok(Migrated { applied: missing, unfinished_of_before })
}

async fn run(migrator: &Migrator, set: &'static str, connection: &mut PgConnection) -> Result<(), DatabaseError> {
    migrator.run(connection).await.map_err(|source| DatabaseError::Migrate { set, source })
}

/// Checks that everything this release needs has been applied. A database that is ahead passes.
///
/// # Errors
/// [`DatabaseError::Behind`] names what is missing.
pub async fn ensure_current(pool: &PgPool) -> Result<(), DatabaseError> {
    let missing = missing(&mut *pool.acquire().await?).await?;
    if missing.is_empty() { Ok(()) } else { Err(DatabaseError::Behind { missing }) }
}

/// Checks that the database accepts writes: it is not a standby, and its host has not made it read-only, as hosts do
/// when the disk is nearly full.
///
/// # Errors
/// [`DatabaseError::ReadOnly`].
pub async fn ensure_writable(pool: &PgPool) -> Result<(), DatabaseError> {
    let is_writable: bool =
        sqlx::query_scalar("select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off'")
            .fetch_one(pool)
            .await?;
    if is_writable { Ok(()) } else { Err(DatabaseError::ReadOnly) }
}

/// What a unique, check or foreign key violation was about, for the constraints that code reacts to.
pub fn constraint_name(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

/// Whether a statement named a row that is not there, or not any more.
#[must_use]
pub fn is_foreign_key_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_foreign_key_violation())
}

async fn missing(connection: &mut PgConnection) -> Result<Vec<String>, DatabaseError> {
    let mut missing = Vec::new();
    for (migrator, history, set) in [(&*QUEUE_MIGRATOR, QUEUE_HISTORY, "queue "), (&*MIGRATOR, HISTORY, "")] {
        let applied = applied(connection, history).await?;
        let absent = migrator.iter().filter(|migration| !applied.contains(&migration.version));
        missing.extend(absent.map(|migration| format!("{set}{} {}", migration.version, migration.description)));
    }
    Ok(missing)
}

async fn applied(connection: &mut PgConnection, history: &'static str) -> Result<BTreeSet<i64>, DatabaseError> {
    let known: bool =
        sqlx::query_scalar("select to_regclass($1) is not null").bind(history).fetch_one(&mut *connection).await?;
    if !known {
        return Ok(BTreeSet::new());
    }
    let query = match history {
        QUEUE_HISTORY => "select version from apalis._sqlx_migrations where success",
        _ => "select version from gateway._sqlx_migrations where success",
    };
    Ok(sqlx::query_scalar(query).fetch_all(connection).await?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgSslMode;

    use super::connect_options;

    #[test]
    fn a_connection_that_leaves_this_machine_is_encrypted_whatever_is_left_out() {
        let mode = |url: &str| connect_options(url).expect("a database's address").get_ssl_mode();
        assert!(matches!(mode("postgres://u:p@db.example.com/d"), PgSslMode::Require));
        assert!(matches!(mode("postgres://u:p@10.0.0.7/d?sslmode=disable"), PgSslMode::Require));
        assert!(matches!(mode("postgres://u:p@db.example.com/d?sslmode=verify-full"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://u:p@[::1]/d?sslmode=disable"), PgSslMode::Disable));
        assert!(matches!(mode("postgres://u:p@x/d?host=/tmp&sslmode=disable"), PgSslMode::Disable));
    }
}
