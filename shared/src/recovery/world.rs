//! SQL: what belonged to a world that is gone: the queue, links, accounts that have no row any more, and how far the
//! provider's list of payments was read. All of it may be repeated.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::billing::watch;
use crate::queue_housekeeping;

/// A worker that was seen within this time lives: its heartbeat comes every four seconds.
const ALIVE_WITHIN: Duration = Duration::from_secs(30);
/// Links that one statement forgets.
const LINKS_BATCH: i64 = 1000;
/// Statements of one recovery; links live a day, so more than this many is a day's work of a large deployment.
const LINK_BATCHES_MAX: usize = 10_000;
/// Outputs that are looked for in the store before anything is decided by it.
const SAMPLE: i64 = 20;

/// What was cleared away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Jobs of the queue: each run that needs one is given a new one.
    pub jobs: u64,
    /// Links to pictures, which a reader renews: the store may be another one.
    pub links: u64,
    /// Users who signed up after the backup, and have their accounts again.
    pub accounts: i64,
}

/// Workers that run on this database now.
///
/// # Errors
/// Whatever the database says.
pub async fn count_workers(pool: &PgPool) -> Result<i64, sqlx::Error> {
    queue_housekeeping::count_alive(pool, ALIVE_WITHIN).await
}

/// Clears all of it away. `since` is of when the rows are, if that is known.
///
/// # Errors
/// Whatever the database says; a repeat goes on.
pub async fn clear(pool: &PgPool, since: Option<DateTime<Utc>>) -> Result<Cleared, sqlx::Error> {
    let jobs = queue_housekeeping::empty(pool).await?;
    let links = forget_links(pool).await?;
    let accounts = match since {
        Some(since) => open_accounts(pool, since).await?,
        None => 0,
    };
    watch::start_over(pool).await?;
    Ok(Cleared { jobs, links, accounts })
}

async fn forget_links(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let mut forgotten = 0;
    for _ in 0..LINK_BATCHES_MAX {
        let batch = sqlx::query!(
            r#"
            update gateway.output set link = null, link_until = null
            where (generation_id, n) in (select generation_id, n from gateway.output where link is not null limit $1)
            "#,
            LINKS_BATCH,
        )
        .execute(pool)
        .await?
        .rows_affected();
        forgotten += batch;
        if batch < LINKS_BATCH.unsigned_abs() {
            break;
        }
    }
    Ok(forgotten)
}

async fn open_accounts(pool: &PgPool, since: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"select gateway.open_accounts_since($1) as "opened!""#, since).fetch_one(pool).await
}

/// The paths of the latest outputs: at least one of them must be in the store, or it is another store.
///
/// # Errors
/// Whatever the database says.
pub async fn sample_outputs(pool: &PgPool) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(r#"select path from gateway.output order by generation_id desc, n limit $1"#, SAMPLE,)
        .fetch_all(pool)
        .await
}
