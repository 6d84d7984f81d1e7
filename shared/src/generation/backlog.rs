//! SQL: how much waits to be submitted.

use sqlx::PgPool;

use crate::telemetry::timed;

/// Counts the runs in the queue, and stops at `limit`.
///
/// # Errors
/// Whatever the database says.
pub async fn count_waiting(pool: &PgPool, limit: u32) -> Result<u32, sqlx::Error> {
    let waiting = timed(
        "count_waiting",
        sqlx::query_scalar!(
            r#"
        select count(*)::integer as "waiting!"
        from (select from gateway.run where stage = 'queued' limit $1) as waiting
        "#,
            i64::from(limit),
        )
        .fetch_one(pool),
    )
    .await?;
    Ok(u32::try_from(waiting).expect("a count is not negative"))
}
