//! SQL: accepting a generation. All that must be true together, in one round trip (`accept.sql`).

use std::time::Duration;

use sqlx::PgPool;
use thiserror::Error;
use uuid::Uuid;

use super::limits::{Allowance, Limits, RATE_WINDOW};
use super::run::QUEUE_ALLOWANCE;
use crate::credits::Credits;
use crate::db;
use crate::ids::{GenerationId, UserId};
use crate::jobs::{Job, new_job_id};
use crate::ledger;
use crate::telemetry::timed;
use crate::workflow::{Dialect, Request};

/// How long an idempotency key and its answer are kept.
const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// A key may be found expired but not yet removed; then accept is tried once more without it.
const ACCEPT_TRIES_MAX: u8 = 2;

/// A validated request, ready to be paid for.
#[derive(Debug, Clone)]
pub struct NewGeneration<'a> {
    /// The id it will have.
    pub id: GenerationId,
    /// Who pays.
    pub user_id: UserId,
    /// What is asked for.
    pub request: &'a Request,
    /// What it costs: the price of today, or the one that was quoted.
    pub price: Credits,
    /// The seed the provider gets.
    pub seed: i64,
    /// Ties all logs of this generation together.
    pub request_id: &'a str,
    /// The span of the request, as `traceparent`.
    pub traceparent: Option<&'a str>,
    /// The caller's name for this intent.
    pub key: Option<&'a str>,
    /// The body of the 202, kept with the key so that a replay is byte-identical.
    pub response: &'a str,
    /// How much one user may ask for.
    pub limits: Limits,
    /// The provider's endpoint that will run it.
    pub endpoint: &'a str,
    /// What that endpoint speaks.
    pub dialect: Dialect,
    /// Whether [`super::admit()`] has charged the limit for it.
    pub admitted: bool,
}

/// What became of an accepted request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It was paid for and enqueued.
    New {
        /// What is left of the user's rate.
        allowance: Allowance,
    },
    /// The same request under the same key was accepted before, and answered so.
    Replayed {
        /// The stored body.
        response: String,
    },
}

/// Why a request was not accepted. In every case nothing was taken.
#[derive(Debug, Error)]
pub enum AcceptError {
    /// The balance does not cover the price.
    #[error("{price} needed, {balance} left")]
    InsufficientCredits {
        /// What it costs.
        price: Credits,
        /// What there is.
        balance: Credits,
    },
    /// A payment was taken back after its credits were spent.
    #[error("{debt} are owed")]
    DebtOpen {
        /// How many.
        debt: Credits,
    },
    /// The user asks too often.
    #[error("too many requests; next in {:?}", .allowance.next_in())]
    RateLimited {
        /// What is left of the user's rate: nothing.
        allowance: Allowance,
    },
    /// The user has as many generations under way as are allowed.
    #[error("{runs_open_max} generations are under way")]
    TooManyOpen {
        /// How many may be.
        runs_open_max: u32,
    },
    /// The key was used with another request.
    #[error("the idempotency key was used with another request")]
    KeyReused,
    /// The token is good, but there is no such user any more.
    #[error("the user has no profile")]
    NoProfile,
    /// The project does not exist or is not the caller's.
    #[error("no such project")]
    ProjectNotFound,
    /// Storage paths of outputs that are not the caller's, or not there.
    #[error("{} pictures are no outputs of the user's", .pointers.len())]
    NoSuchOutput {
        /// Where they stand in the body, as JSON pointers.
        pointers: Vec<String>,
    },
    /// A picture of it is removed from the store at this moment; a minute later it can be stored again.
    #[error("a picture is being removed")]
    PictureLeaving,
    /// There is no such quote of the caller's.
    #[error("no such quote")]
    QuoteNotFound,
    /// The quote's time is over.
    #[error("the quote has expired")]
    QuoteExpired,
    /// The quote is the caller's, but about something else.
    #[error("the quote is for another request")]
    QuotedOtherwise,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Reserves the price, and writes the generation, its run and its first job; or says why not.
///
/// # Errors
/// See [`AcceptError`].
pub async fn accept(pool: &PgPool, new: &NewGeneration<'_>) -> Result<Accepted, AcceptError> {
    let fingerprint = new.request.intent_fingerprint();
    for _ in 0..ACCEPT_TRIES_MAX {
        let refused = match try_accept(pool, new, &fingerprint).await {
            Err(AcceptError::Database(error)) if db::constraint_name(&error) == Some("idempotency_key_once") => None,
            // It was there when the statement began.
            Err(AcceptError::Database(error)) if db::constraint_name(&error) == Some("generations_project_id_fkey") => {
                return Err(AcceptError::ProjectNotFound);
            }
            // The first of two duplicates may have taken what the second, which waited for it, then lacks.
            Err(
                error @ (AcceptError::InsufficientCredits { .. }
                | AcceptError::RateLimited { .. }
                | AcceptError::TooManyOpen { .. }),
            ) => Some(error),
            decided => return decided,
        };
        if let Some(answer) = stored_answer(pool, new, &fingerprint).await? {
            return answer;
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
    }
    Err(AcceptError::Database(sqlx::Error::RowNotFound))
}

async fn try_accept(pool: &PgPool, new: &NewGeneration<'_>, fingerprint: &[u8; 32]) -> Result<Accepted, AcceptError> {
    let request = new.request;
    let query = sqlx::query_file!(
        "src/generation/accept.sql",
        new.id as GenerationId,
        new.user_id as UserId,
        request.workflow.kind.as_str(),
        request.workflow.title,
        request.method,
        serde_json::Value::Object(request.parameters.clone()),
        new.price as Credits,
        i16::from(request.outputs_asked),
        request.output_format.as_str(),
        new.seed,
        new.request_id,
        new.endpoint,
        seconds(request.workflow.target),
        seconds(request.workflow.max),
        request.project_id as Option<Uuid>,
        request.brand_name.as_deref(),
        request.campaign_name.as_deref(),
        &request.tags,
        new.key,
        &fingerprint[..],
        new.response,
        new_job_id(),
        Job::Generation(new.id).to_bytes(),
        if new.admitted { 0.0 } else { new.limits.step_seconds() },
        RATE_WINDOW.as_secs_f64(),
        QUEUE_ALLOWANCE.as_seconds_f64(),
        IDEMPOTENCY_KEPT.as_secs_f64(),
        new.dialect.as_str(),
        new.limits.runs_open_max(),
        new.traceparent,
    );
    let row = timed("accept", query.fetch_one(pool)).await?;

    if row.accepted {
        return Ok(Accepted::New { allowance: new.limits.allowance(row.full_in_seconds) });
    }
    if let (Some(stored), Some(response)) = (row.replay_fingerprint, row.replay_response) {
        return replay(&stored, response, fingerprint);
    }
    Err(if !row.user_known {
        AcceptError::NoProfile
    } else if !row.project_known {
        AcceptError::ProjectNotFound
    } else if !row.within_limit {
        refusal(pool, new).await?
    } else if !row.debt.is_zero() {
        AcceptError::DebtOpen { debt: row.debt }
    } else {
        // As it is now: the statement's snapshot may be older than a request it waited for.
        AcceptError::InsufficientCredits { price: new.price, balance: ledger::balance(pool, new.user_id).await? }
    })
}

/// Which of the two limits keeps a request out, as they are now: the statement's snapshot may be older than a request it
/// waited for.
pub(super) async fn refusal(pool: &PgPool, new: &NewGeneration<'_>) -> Result<AcceptError, sqlx::Error> {
    let held = sqlx::query!(
        r#"
        select runs_open, extract(epoch from full_at - gateway.now())::float8 as "full_in_seconds!"
        from gateway.user_limit where user_id = $1
        "#,
        new.user_id as UserId,
    )
    .fetch_one(pool)
    .await?;
    if held.runs_open >= new.limits.runs_open_max() {
        return Ok(AcceptError::TooManyOpen { runs_open_max: new.limits.runs_open_max });
    }
    let allowance = new.limits.allowance(held.full_in_seconds);
    Ok(AcceptError::RateLimited { allowance: Allowance { remaining: 0, ..allowance } })
}

/// The answer kept under the caller's key; removes it instead if it has expired.
async fn stored_answer(
    pool: &PgPool,
    new: &NewGeneration<'_>,
    fingerprint: &[u8; 32],
) -> Result<Option<Result<Accepted, AcceptError>>, sqlx::Error> {
    if new.key.is_none() {
        return Ok(None);
    }
    sqlx::query!(
        r#"
        delete from gateway.idempotency_key
        where user_id = $1 and operation = 'generate' and key = $2 and expires_at <= gateway.now()
        "#,
        new.user_id as UserId,
        new.key,
    )
    .execute(pool)
    .await?;
    let stored = sqlx::query!(
        r#"
        select fingerprint, response from gateway.idempotency_key
        where user_id = $1 and operation = 'generate' and key = $2
        "#,
        new.user_id as UserId,
        new.key,
    )
    .fetch_optional(pool)
    .await?;
    Ok(stored.map(|row| replay(&row.fingerprint, row.response, fingerprint)))
}

pub(super) fn replay(stored: &[u8], response: String, fingerprint: &[u8; 32]) -> Result<Accepted, AcceptError> {
    if stored == fingerprint { Ok(Accepted::Replayed { response }) } else { Err(AcceptError::KeyReused) }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).expect("a workflow takes minutes, not years")
}
