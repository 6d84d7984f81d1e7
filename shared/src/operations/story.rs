//! SQL: everything that is known of one generation, in the order in which it happened.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;

use crate::ids::{GenerationId, UserId};

/// Happenings that a story tells at most: a run has some dozens.
const HAPPENINGS_MAX: i64 = 1_000;

/// A generation and what happened to it. Nothing of what the user wrote or uploaded is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Story {
    pub generation_id: GenerationId,
    pub user_id: UserId,
    pub workflow: String,
    pub stage: String,
    pub price: i32,
    pub outputs_asked: i16,
    pub outputs_delivered: Option<i16>,
    pub error_code: Option<String>,
    /// What the user was told.
    pub error_message: Option<String>,
    /// Finds every log line.
    pub request_id: String,
    pub happenings: Vec<Happening>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Happening {
    pub at: DateTime<Utc>,
    /// Where it is written down.
    pub of: String,
    pub what: String,
}

/// Tells what happened to a generation; `None` if there is no run of that id.
///
/// # Errors
/// Whatever the database says.
pub async fn tell_story(pool: &PgPool, id: GenerationId) -> Result<Option<Story>, sqlx::Error> {
    let run = sqlx::query!(
        r#"
        select run.user_id as "user_id: UserId", workflow, stage, price, outputs_asked, outputs_delivered, error_code,
               left(generations.error_message, 2000) as error_message, request_id
        from gateway.run join public.generations on generations.id = run.generation_id
        where generation_id = $1
        "#,
        id as GenerationId,
    )
    .fetch_optional(pool)
    .await?;
    let Some(run) = run else { return Ok(None) };
    Ok(Some(Story {
        generation_id: id,
        user_id: run.user_id,
        workflow: run.workflow,
        stage: run.stage,
        price: run.price,
        outputs_asked: run.outputs_asked,
        outputs_delivered: run.outputs_delivered,
        error_code: run.error_code,
        error_message: run.error_message,
        request_id: run.request_id,
        happenings: happenings(pool, id).await?,
    }))
}

async fn happenings(pool: &PgPool, id: GenerationId) -> Result<Vec<Happening>, sqlx::Error> {
    sqlx::query_as!(
        Happening,
        r#"
        select least(greatest(coalesce(at, 'epoch'), '0001-01-01'), '9999-12-31') as "at!", source as "of!", what as "what!"
        from (
            select created_at as at, 'event' as source, 2 as rank, id as place,
                   format('%s, attempt %s: %s%s', kind, attempt, stage, coalesce(' (' || detail || ')', '')) as what
            from gateway.event where generation_id = $1
            union all
            select started_at, 'attempt', 1, attempt,
                   format('attempt %s%s', attempt, coalesce(', provider job ' || provider_job_id, ', no provider job known'))
            from gateway.attempt where generation_id = $1
            union all
            select created_at, 'ledger', 3, 0, format('%s of %s credits', left(transaction_type, 100), amount)
            from public.credit_transactions where generation_id = $1
            union all
            select created_at, 'output', 2, n, format('output %s: %s x %s %s, %s bytes', n, width, height, format, size_bytes)
            from gateway.output where generation_id = $1
            union all
            select created_at, 'mail', 4, 0, format('mail that it has %s: %s', event, state)
            from gateway.notification where generation_id = $1
            union all
            select outputs_expired_at, 'output', 4, 0, 'the outputs expired'
            from gateway.run where generation_id = $1 and outputs_expired_at is not null
            union all
            select deleted_at, 'deleted', 4, 0, 'its user deleted it'
            from public.generations where id = $1 and deleted_at is not null
        ) as happenings
        order by at, rank, place
        limit $2
        "#,
        id as GenerationId,
        HAPPENINGS_MAX,
    )
    .fetch_all(pool)
    .await
}
