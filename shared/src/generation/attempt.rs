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
