//! SQL: one rate budget per endpoint and operation, shared by all workers.

use std::time::Duration;

use sqlx::PgPool;

use crate::telemetry::timed;

/// Calls of `/run` a second, per endpoint.
pub const RUN_PER_SECOND: f64 = 50.0;
/// Calls of `/status` a second, per endpoint.
pub const STATUS_PER_SECOND: f64 = 100.0;
/// A slot further away than this is not taken; the caller comes back later.
pub const SLOT_WAIT_MAX: Duration = Duration::from_secs(2);
/// Unused slots that may be used up at once, as time.
const BURST: Duration = Duration::from_secs(1);

/// Takes the next free slot and says how long to wait for it; `None` if it is too far away.
///
/// # Errors
/// Whatever the database says.
pub async fn take_slot(
    pool: &PgPool,
    endpoint: &str,
    operation: &str,
    per_second: f64,
) -> Result<Option<Duration>, sqlx::Error> {
    let wait = timed(
        "take_slot",
        sqlx::query_scalar!(
            r#"
        insert into gateway.provider_budget as budget (endpoint, operation, free_at)
        values ($1, $2, gateway.now() + make_interval(secs => $3))
        on conflict (endpoint, operation) do update
        set free_at = greatest(budget.free_at, gateway.now() - make_interval(secs => $5)) + make_interval(secs => $3)
        where budget.free_at <= gateway.now() + make_interval(secs => $4)
        returning extract(epoch from budget.free_at - gateway.now())::float8 as "until_free!"
        "#,
            endpoint,
            operation,
            1.0 / per_second,
            SLOT_WAIT_MAX.as_secs_f64(),
            BURST.as_secs_f64(),
        )
        .fetch_optional(pool),
    )
    .await?;
    Ok(wait.map(|until_free| Duration::from_secs_f64((until_free - 1.0 / per_second).clamp(0.0, 60.0))))
}
