//! SQL: when workers clean up. Whoever finds a round due has it; who stops in its middle leaves it to the next hour.

use std::time::Duration;

use chrono::TimeDelta;
use sqlx::PgPool;

use super::seconds;

/// How often all of it is cleaned up.
const EVERY: TimeDelta = TimeDelta::hours(1);

/// Whether this process is to clean up now; no other one is for an hour.
///
/// # Errors
/// Whatever the database says.
pub async fn begin_if_due(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let begun = sqlx::query!(
        "update gateway.cleanup set next_at = gateway.now() + make_interval(secs => $1) where next_at <= gateway.now()",
        seconds(EVERY),
    )
    .execute(pool)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Notes that a round came to its end.
pub(super) async fn end(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!("update gateway.cleanup set completed_at = gateway.now()").execute(pool).await?;
    Ok(())
}

/// How long ago the last round came to its end, whoever did it; none if none has.
///
/// # Errors
/// Whatever the database says.
pub async fn age(pool: &PgPool) -> Result<Option<Duration>, sqlx::Error> {
    let age =
        sqlx::query_scalar!("select extract(epoch from gateway.now() - completed_at)::float8 from gateway.cleanup")
            .fetch_one(pool)
            .await?;
    Ok(age.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))))
}
