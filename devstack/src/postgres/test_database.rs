//! A database of one test's own, in a tenth of a second.

use std::fs::File;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use shared::config::Database;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

use super::project::ProjectKind;
use super::template::{database_url, ensure_furnished, ensure_template, ensure_template_of};
use super::{Cluster, PostgresError, Purpose, Service, TEST_SERVER_VARIABLE};

/// Most connections of one of its pools.
const POOL_MAX: u32 = 8;
/// Longest time that the server may leave a message unanswered, in tests.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Databases of tests that were killed are dropped once they are older than this.
const LEFT_OVER: Duration = Duration::from_hours(6);
const PREFIX: &str = "shootx_test_";

static SERVER: OnceCell<Server> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);

struct Server {
    url: String,
    template: String,
}

/// A copy of the template, dropped with this value.
///
/// The server is the one that `with-postgres` names, else one that is started for this machine's tests and stays up.
#[derive(Debug)]
pub struct TestDatabase {
    server: String,
    name: String,
    pool: PgPool,
}

impl TestDatabase {
    /// A database with our whole schema in it and no rows of users.
    ///
    /// # Panics
    /// When there is no server to be had: no test can go on without.
    pub async fn new() -> Self {
        let server = server().await;
        Self::create(&format!("template {}", server.template)).await.expect("the template can be copied")
    }

    /// The same in a project of some kind. The first to ask for a kind waits for its template to be built.
    ///
    /// # Panics
    /// As [`TestDatabase::new`].
    pub async fn of(kind: ProjectKind) -> Self {
        let template = ensure_template_of(&server().await.url, kind).await.expect("the template can be built");
        Self::create(&format!("template {template}")).await.expect("the template can be copied")
    }

    /// Where the superuser reaches a database of this kind with `rows` in it, made once a server. All tests that ask
    /// for the same share it, so none may change anything in it for good.
    ///
    /// # Panics
    /// As [`TestDatabase::new`], and when the rows cannot be inserted.
    pub async fn shared_url(kind: ProjectKind, rows: &str) -> String {
        let server = &server().await.url;
        let name = ensure_furnished(server, kind, rows).await.expect("the shared database can be made");
        database_url(server, &name)
    }

    /// An empty database, for tests of what makes the schema.
    ///
    /// # Panics
    /// As [`TestDatabase::new`].
    pub async fn empty() -> Self {
        Self::create("template template0").await.expect("a database can be made")
    }

    async fn create(source: &str) -> Result<Self, PostgresError> {
        let server = server().await.url.clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{now}_{}_{count}", std::process::id());
        let mut connection = PgConnection::connect(&server).await?;
        connection.execute(AssertSqlSafe(format!("create database {name} {source}"))).await?;
        connection.close().await?;
        let pool = PgPoolOptions::new().max_connections(POOL_MAX).connect_lazy(&database_url(&server, &name))?;
        Ok(Self { server, name, pool })
    }

    /// Connections of the superuser, who passes row level security.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Where the superuser reaches it.
    pub fn url(&self) -> String {
        database_url(&self.server, &self.name)
    }

    /// Where the API logs in, with its own grants.
    pub fn api_url(&self) -> String {
        Service::Api.url(&self.url())
    }

    /// Where a worker logs in, with its own grants.
    pub fn worker_url(&self) -> String {
        Service::Worker.url(&self.url())
    }

    /// A pool as the API opens it.
    pub fn api_pool(&self) -> PgPool {
        service_pool(self.api_url(), "test-api")
    }

    /// A pool as a worker opens it.
    pub fn worker_pool(&self) -> PgPool {
        service_pool(self.worker_url(), "test-worker")
    }

    /// Moves `gateway.now()` ahead, for every process on this database at once.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn advance(&self, by: Duration) {
        super::advance_clock(&self.pool, by).await.expect("the clock can be moved");
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // The test's runtime cannot wait here, and its pools may still hold connections.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await?;
                connection.execute(AssertSqlSafe(format!("drop database {name} with (force)"))).await?;
                connection.close().await
            })
        })
        .join();
        if !matches!(dropped, Ok(Ok(()))) {
            eprintln!("the test database {} was left behind", self.name);
        }
    }
}

fn service_pool(url: String, name: &str) -> PgPool {
    let settings = Database { url: SecretString::from(url), pool_max: POOL_MAX, silence_max: SILENCE_MAX };
    shared::db::pool(&settings, name).expect("URLs of test databases are well-formed")
}

async fn server() -> &'static Server {
    let found = SERVER
        .get_or_try_init(|| async {
            let url = match std::env::var(TEST_SERVER_VARIABLE) {
                Ok(url) => url,
                Err(_) => tokio::task::spawn_blocking(shared_server).await.expect("starting does not panic")?,
            };
            let template = ensure_template(&url).await?;
            drop_left_over(&url).await?;
            Ok::<_, PostgresError>(Server { url, template })
        })
        .await;
    match found {
        Ok(server) => server,
        Err(error) => panic!("no database server for tests: {error}"),
    }
}

/// One server for all test programs of this user, started by the first that asks and left running.
fn shared_server() -> Result<String, PostgresError> {
    let user = super::server_user::id(&["-u"]).unwrap_or_default();
    let dir = std::env::temp_dir().join(format!("shootx-postgres-{user}"));
    let lock_path = dir.with_extension("lock");
    let lock = File::options().create(true).append(true).open(&lock_path).map_err(PostgresError::file(&lock_path))?;
    lock.lock().map_err(PostgresError::file(&lock_path))?;
    let mut cluster = Cluster::start(&dir, Purpose::Tests)?;
    cluster.leave_running();
    Ok(cluster.url("postgres"))
}

async fn drop_left_over(server: &str) -> Result<(), PostgresError> {
    let mut connection = PgConnection::connect(server).await?;
    let old: Vec<String> = sqlx::query_scalar(
        "select datname from pg_database
         where starts_with(datname, $1) and split_part(datname, '_', 3)::bigint < extract(epoch from now()) - $2",
    )
    .bind(PREFIX)
    .bind(LEFT_OVER.as_secs_f64())
    .fetch_all(&mut connection)
    .await?;
    for name in old {
        let _ = connection.execute(AssertSqlSafe(format!("drop database if exists {name} with (force)"))).await;
    }
    connection.close().await?;
    Ok(())
}
