//! SQL: the provider jobs of a run, and what they are made from.

use sqlx::PgPool;

use crate::ids::GenerationId;
use crate::runpod::ProviderJobId;

/// A provider job that is known to exist and not known to have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which attempt made it, from 1.
    pub attempt: i16,
    /// The provider's id of it.
    pub provider_job_id: ProviderJobId,
}

/// The provider jobs that may still deliver, latest attempt first. At most `ATTEMPTS_MAX`.
///
/// # Errors
/// Whatever the database says.
pub async fn list_open(pool: &PgPool, generation_id: GenerationId) -> Result<Vec<Attempt>, sqlx::Error> {
    sqlx::query_as!(
        Attempt,
        r#"
        select attempt, provider_job_id as "provider_job_id!: ProviderJobId"
        from gateway.attempt
        where generation_id = $1 and provider_job_id is not null
          and (outcome is null or outcome = 'unknown_outlasted')
        order by attempt desc
        "#,
        generation_id as GenerationId,
    )
    .fetch_all(pool)
    .await
}

/// The validated parameters that the customer's request stored.
///
/// # Errors
/// Whatever the database says.
pub async fn parameters(pool: &PgPool, generation_id: GenerationId) -> Result<serde_json::Value, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select coalesce(input_data, '{}') as "input_data!" from public.generations where id = $1"#,
        generation_id as GenerationId,
    )
    .fetch_one(pool)
    .await
}

/// Keeps the id of a provider job that was heard of too late to commit, and rings for its run.
///
/// Whoever holds the run now finds the job instead of making another one. Locks the run before its attempt.
///
/// # Errors
/// Whatever the database says; then the attempt's webhook may still bring the id.
pub async fn remember(
    pool: &PgPool,
    generation_id: GenerationId,
    attempt: i16,
    provider_job_id: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        with rung as (
            update gateway.run
            set rings = rings + 1, poll_at = case when stage = 'submitting' then gateway.now() else poll_at end
            where generation_id = $1
            returning generation_id
        )
        update gateway.attempt
        set provider_job_id = coalesce(provider_job_id, $3)
        from rung
        where attempt.generation_id = rung.generation_id and attempt.attempt = $2
        "#,
        generation_id as GenerationId,
        attempt,
        provider_job_id,
    )
    .execute(pool)
    .await?;
    Ok(())
}
