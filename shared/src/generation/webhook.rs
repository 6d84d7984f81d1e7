//! SQL: noting that a provider has called. A webhook is a trigger; the truth is read from the provider.

use sqlx::PgPool;

use super::webhook_url::WebhookRef;
use crate::ids::GenerationId;
use crate::telemetry::timed;

/// The channel on which the pollers are rung.
pub const POLL_CHANNEL: &str = "gateway_poll";

/// What became of a webhook whose signature was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noted {
    /// It is noted; if the run still waits for its provider, it is looked at now.
    Noted {
        /// The id that ties the call to the request that was paid for.
        request_id: String,
        /// The span that accepted it, as `traceparent`.
        traceparent: Option<String>,
    },
    /// The link has expired, or names an attempt that was never made; nothing changed.
    Refused,
}

/// Notes the call of an attempt's provider job and rings for its run, in one statement.
///
/// `provider_job_id` is kept only where none is known: that is how a lost answer is found again. Locks the
/// run before its attempt, as every commit does.
///
/// # Errors
/// Whatever the database says.
pub async fn note_webhook(
    pool: &PgPool,
    link: &WebhookRef,
    provider_job_id: Option<&str>,
) -> Result<Noted, sqlx::Error> {
    let noted = timed(
        "note_webhook",
        sqlx::query!(
            r#"
        with rung as (
            update gateway.run
            set rings = rings + 1,
                poll_at = case when stage in ('submitting', 'running') then gateway.now() else poll_at end
            where generation_id = $1 and $3 > gateway.now()
              and exists (select from gateway.attempt where generation_id = $1 and attempt = $2)
            returning generation_id, stage, request_id, traceparent
        ), noted as (
            update gateway.attempt
            set webhook_at = coalesce(webhook_at, gateway.now()),
                provider_job_id = coalesce(provider_job_id, $4)
            from rung
            where attempt.generation_id = rung.generation_id and attempt.attempt = $2
        ), event as (
            insert into gateway.event (generation_id, kind, stage, attempt, created_at)
            select generation_id, 'webhook_received', stage, $2, gateway.now() from rung
        )
        select request_id, traceparent, pg_notify($5, '')::text as rung from rung
        "#,
            link.generation_id as GenerationId,
            link.attempt,
            link.expires_at,
            provider_job_id,
            POLL_CHANNEL,
        )
        .fetch_optional(pool),
    )
    .await?;
    Ok(noted.map_or(Noted::Refused, |run| Noted::Noted { request_id: run.request_id, traceparent: run.traceparent }))
}
