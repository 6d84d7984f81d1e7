//! A database connection that falls silent (stays open, but answers nothing) is closed, whatever it is used for.

use std::time::{Duration, Instant};

use devstack::postgres::TestDatabase;
use devstack::silent_proxy::SilentProxy;
use shared::config::Database;
use shared::db;
use sqlx::postgres::PgListener;
use sqlx::{Connection, Executor, PgPool};
use tokio::time::{sleep, timeout};

const SILENCE_MAX: Duration = Duration::from_secs(1);
/// The longest wait of one use: a response that broke off, plus the pool's own limit.
const PATIENCE: Duration = Duration::from_secs(20);
const POOL_MAX: u32 = 2;

struct World {
    _database: TestDatabase,
    proxy: SilentProxy,
    pool: PgPool,
}

impl World {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let proxy = SilentProxy::start(&database.worker_url()).await;
        let url = proxy.url(&database.worker_url()).into();
        let pool = db::pool(&Database { url, pool_max: POOL_MAX, silence_max: SILENCE_MAX }, "silence").unwrap();
        pool.execute("select 1").await.unwrap();
        Self { _database: database, proxy, pool }
    }

    /// Checks that every connection that the pool may hold can be used again.
    async fn is_whole(&self) {
        let whole = async {
            loop {
                let both = tokio::join!(self.pool.acquire(), self.pool.acquire());
                if let (Ok(mut one), Ok(mut other)) = both
                    && one.execute("select 1").await.is_ok()
                    && other.execute("select 1").await.is_ok()
                {
                    return;
                }
            }
        };
        timeout(PATIENCE, whole).await.expect("no permit of the pool is lost");
    }
}

async fn bounded<T>(what: &str, used: impl Future<Output = T>) -> T {
    timeout(PATIENCE, used).await.unwrap_or_else(|_| panic!("{what} waits for ever"))
}

#[tokio::test]
async fn a_statement_fails_and_its_connection_is_closed() {
    let world = World::new().await;
    let mut connection = world.pool.acquire().await.unwrap();
    world.proxy.silence();
    let begun = Instant::now();
    assert!(matches!(bounded("a statement", connection.execute("select 1")).await, Err(sqlx::Error::Io(_))));
    assert!(begun.elapsed() < SILENCE_MAX * 2, "{:?}", begun.elapsed());
    drop(connection);
    world.is_whole().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_in_the_middle_fails() {
    for bytes in [1, 100, 5_000] {
        let world = World::new().await;
        let mut connection = world.pool.acquire().await.unwrap();
        world.proxy.silence_after(bytes);
        let answer = connection.fetch_all("select repeat('x', 1000) from generate_series(1, 1000)");
        assert!(bounded("an answer", answer).await.is_err());
        drop(connection);
        world.is_whole().await;
    }
}

#[tokio::test]
async fn no_part_of_a_transaction_waits_for_ever() {
    let world = World::new().await;
    let mut connection = world.pool.acquire().await.unwrap();
    world.proxy.silence();
    assert!(bounded("a beginning", connection.begin()).await.is_err());
    drop(connection);
    world.is_whole().await;

    let mut tx = world.pool.begin().await.unwrap();
    tx.execute("select 1").await.unwrap();
    world.proxy.silence();
    assert!(bounded("a commit", tx.commit()).await.is_err());
    world.is_whole().await;

    let tx = world.pool.begin().await.unwrap();
    world.proxy.silence();
    assert!(bounded("a rollback", tx.rollback()).await.is_err());
    world.is_whole().await;
}

#[tokio::test]
async fn what_is_dropped_midway_gives_its_place_in_the_pool_back() {
    let world = World::new().await;
    for _ in 0..POOL_MAX {
        let mut tx = bounded("a transaction", async {
            loop {
                // A busy machine may be silent for as long as an unreachable server.
                if let Ok(tx) = world.pool.begin().await {
                    return tx;
                }
            }
        })
        .await;
        world.proxy.silence();
        let abandoned = timeout(Duration::from_millis(50), tx.execute("select 2")).await;
        assert!(abandoned.is_err(), "it is dropped while it waits");
    }
    world.is_whole().await;
}

#[tokio::test]
async fn an_idle_connection_is_found_silent_before_it_is_used() {
    let world = World::new().await;
    let held = (world.pool.acquire().await.unwrap(), world.pool.acquire().await.unwrap());
    drop(held);
    world.proxy.silence();
    world.is_whole().await;
}

#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_is_given_up() {
    let world = World::new().await;
    world.proxy.silence_new(true);
    world.proxy.silence();
    assert!(
        bounded("a connection", world.pool.acquire()).await.is_err() || world.pool.execute("select 1").await.is_err()
    );
    assert!(bounded("a long connection", db::connect_for_long(&world.pool, SILENCE_MAX)).await.is_err());
    world.proxy.silence_new(false);
    world.is_whole().await;
}

#[tokio::test]
async fn a_listener_that_is_told_nothing_any_more_listens_anew() {
    let world = World::new().await;
    let mut listener = PgListener::connect_with(&world.pool).await.unwrap();
    listener.listen("a_channel").await.unwrap();
    world.proxy.silence();
    let notified = async {
        loop {
            tokio::select! {
                notified = listener.recv() => break notified.is_ok(),
                () = sleep(Duration::from_millis(200)) => {
                    let _ = timeout(PATIENCE, world.pool.execute("notify a_channel")).await;
                }
            }
        }
    };
    assert!(bounded("a listener", notified).await);
}

#[tokio::test]
async fn a_long_statement_may_take_longer_than_others() {
    let world = World::new().await;
    assert!(world.pool.execute("select pg_sleep(2.5)").await.is_err(), "the limit of others is in force");
    let mut connection = db::connect_for_long(&world.pool, Duration::from_secs(60)).await.unwrap();
    connection.execute("select pg_sleep(2.5)").await.unwrap();
}
