//! SQL: the time that all processes on a database share.

use std::time::Duration;

use sqlx::PgPool;

/// Moves `gateway.now()` ahead, for every process on this database at once.
///
/// # Errors
/// Whatever the database says, above all to whoever does not own it.
pub(crate) async fn advance_clock(pool: &PgPool, by: Duration) -> Result<(), sqlx::Error> {
    let moved =
        sqlx::query("update gateway.clock set ahead = ahead + make_interval(secs => $1)").bind(by.as_secs_f64());
    moved.execute(pool).await.map(drop)
}
