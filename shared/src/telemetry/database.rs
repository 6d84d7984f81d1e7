//! SQL: what the database and this process's connections to it are like, as gauges.

use std::time::Duration;

use metrics::{counter, gauge};
use sqlx::PgPool;

use super::names;
use crate::liveness::Pulse;

/// How often connections are counted, and the process itself is looked at.
const POOL_EVERY: Duration = Duration::from_secs(5);
/// How often tables are measured.
const SIZES_EVERY: Duration = Duration::from_mins(1);

/// Keeps the gauges of the pool and of the process current for as long as it lives.
pub async fn watch_process(pool: PgPool, pulse: Pulse) {
    let process = metrics_process::Collector::default();
    process.describe();
    loop {
        process.collect();
        let (open, idle) = (f64::from(pool.size()), count(pool.num_idle()));
        gauge!(names::POOL_CONNECTIONS, "state" => "idle").set(idle);
        gauge!(names::POOL_CONNECTIONS, "state" => "used").set((open - idle).max(0.0));
        gauge!(names::POOL_CONNECTIONS_MAX).set(f64::from(pool.options().get_max_connections()));
        pulse.rest(POOL_EVERY).await;
    }
}

/// Keeps the sizes of the database current for as long as the process lives. While it cannot be reached they keep their
/// last values.
pub async fn watch_sizes(pool: PgPool, pulse: Pulse) {
    loop {
        if let Err(error) = show_sizes(&pool).await {
            tracing::warn!(%error, "the database could not be measured");
        }
        pulse.rest(SIZES_EVERY).await;
    }
}

async fn show_sizes(pool: &PgPool) -> Result<(), sqlx::Error> {
    let tables = sqlx::query!(
        r#"
        select format('%s.%s', nspname, relname) as "name!", pg_total_relation_size(pg_class.oid) as "bytes!"
        from pg_class join pg_namespace on pg_namespace.oid = relnamespace
        where relkind = 'r' and nspname not in ('pg_catalog', 'information_schema')
          and has_table_privilege(pg_class.oid, 'select')
        "#
    )
    .fetch_all(pool)
    .await?;
    for table in tables {
        gauge!(names::TABLE_BYTES, "table" => table.name).set(bytes(table.bytes));
    }
    let whole = sqlx::query!(
        r#"
        select pg_database_size(current_database()) as "database!",
               (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint as "wal!"
        "#
    )
    .fetch_one(pool)
    .await?;
    gauge!(names::DATABASE_BYTES).set(bytes(whole.database));
    counter!(names::WAL_BYTES_TOTAL).absolute(whole.wal.unsigned_abs());
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "no table has 2^53 bytes")]
fn bytes(size: i64) -> f64 {
    size as f64
}

#[expect(clippy::cast_precision_loss, reason = "a pool has few connections")]
fn count(connections: usize) -> f64 {
    connections as f64
}
