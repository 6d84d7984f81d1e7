//! SQL: the runs that were under way at the moment the rows are of.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::credits::Credits;
use crate::generation::{Run, Stage};
use crate::ids::{GenerationId, UserId};
use crate::workflow::Dialect;

/// At most `limit` runs that are not final and were accepted by `accepted_by`, after the run `after`, in order.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    pool: &PgPool,
    accepted_by: DateTime<Utc>,
    after: Option<GenerationId>,
    limit: i64,
) -> Result<Vec<Run>, sqlx::Error> {
    sqlx::query_as!(
        Run,
        r#"
        select generation_id as "generation_id: GenerationId", user_id as "user_id: UserId", workflow, endpoint,
               dialect as "dialect: Dialect", stage as "stage: Stage", price as "price: Credits", outputs_asked,
               outputs_delivered, output_format, seed, request_id, traceparent, accepted_at, deadline_at, target_seconds,
               max_seconds, attempt, timeouts, tries, polls, lost_looks, provider_job_id, submitted_at,
               unknown_until, result_at, poll_at, wake_at, rings, leases_lost, cancel_requested_at,
               cancel_fee as "cancel_fee: Credits", progress,
               error_code, settled_at
        from gateway.run
        where stage in ('queued', 'submitting', 'running', 'collecting') and accepted_at <= $1
          and ($2::uuid is null or generation_id > $2)
        order by generation_id
        limit $3
        "#,
        accepted_by,
        after as Option<GenerationId>,
        limit,
    )
    .fetch_all(pool)
    .await
}
