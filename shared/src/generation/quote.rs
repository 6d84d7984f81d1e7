//! SQL: quotes. One promises a price for one request for a while, and takes nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;
use thiserror::Error;
use uuid::Uuid;

use super::accept::{self, AcceptError, Accepted};
use super::admit::{outputs, pointers};
use crate::credits::Credits;
use crate::db;
use crate::ids::{QuoteId, UserId};
use crate::workflow::Request;

/// How long a quoted price is honoured.
pub const QUOTE_LIFETIME: Duration = Duration::from_mins(15);
/// The most quotes of one user that have not expired. The next waits until one has: a promise is not taken back.
pub const QUOTES_LIVE_MAX: i64 = 1_000;

/// A price promised for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Names it.
    pub id: QuoteId,
    /// What the request costs under it.
    pub price: Credits,
    /// When it is over.
    pub expires_at: DateTime<Utc>,
}

/// Why a request was not quoted.
#[derive(Debug, Error)]
pub enum QuoteError {
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
    /// The user has as many quotes as may be.
    #[error("{QUOTES_LIVE_MAX} quotes have not expired; the first will in {next_in:?}")]
    TooMany {
        /// When one of them will have expired.
        next_in: Duration,
    },
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// What a request that names a quote is accepted at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terms {
    /// The quoted price.
    Price(Credits),
    /// None: the same request under the same key was accepted before, and answered so.
    Replayed {
        /// The stored body.
        response: String,
    },
}

/// Asks what only the database knows of a request, before its pictures are worked on, and answers the user's balance.
///
/// # Errors
/// See [`QuoteError`]: what [`super::accept()`] and [`super::admit()`] would refuse whenever it is sent.
pub async fn examine(pool: &PgPool, user_id: UserId, request: &Request) -> Result<Credits, QuoteError> {
    let (generations, paths) = outputs(request, user_id);
    let row = sqlx::query!(
        r#"
        select exists (select from public.profiles where id = $1) as "user_known!",
               $2::uuid is null or exists (
                   select from public.projects where id = $2 and user_id = $1) as "project_known!",
               coalesce((select balance from public.credits where user_id = $1), 0) as "balance!: Credits",
               array(select path from unnest($3::uuid[], $4::text[]) as given (generation_id, path)
                     where not exists (
                         select from gateway.output join gateway.run using (generation_id)
                         where output.generation_id = given.generation_id and output.path = given.path
                           and run.user_id = $1)) as "missing!"
        "#,
        user_id as UserId,
        request.project_id as Option<Uuid>,
        &generations,
        &paths,
    )
    .fetch_one(pool)
    .await?;
    match row.balance {
        _ if !row.user_known => Err(QuoteError::NoProfile),
        _ if !row.project_known => Err(QuoteError::ProjectNotFound),
        _ if !row.missing.is_empty() => Err(QuoteError::NoSuchOutput { pointers: pointers(request, &row.missing) }),
        balance => Ok(balance),
    }
}

/// Promises the price of today for a request.
///
/// # Errors
/// See [`QuoteError`].
pub async fn quote(pool: &PgPool, user_id: UserId, request: &Request) -> Result<Quote, QuoteError> {
    let (id, price) = (QuoteId::generate(), request.price());
    let mut tx = pool.begin().await?;
    // A user's quotes are made one after the other, so that each knows how many there are. It waits for no other lock.
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('gateway.quote ' || $1::uuid, 0))", user_id as UserId)
        .execute(&mut *tx)
        .await?;
    let row = sqlx::query!(
        r#"
        with asked as (
            select gateway.now() as now
        ), live as (
            select count(*) as quotes, min(expires_at) as next_at
            from gateway.quote, asked where user_id = $2 and expires_at > asked.now
        ), made as (
            insert into gateway.quote (quote_id, user_id, fingerprint, price, created_at, expires_at)
            select $1, $2, $3, $4, now, now + make_interval(secs => $5)
            from asked, live where live.quotes < $6
            returning expires_at
        )
        select (select expires_at from made) as expires_at,
               coalesce(extract(epoch from live.next_at - asked.now), 0)::float8 as "next_in_seconds!"
        from asked, live
        "#,
        id as QuoteId,
        user_id as UserId,
        &request.fingerprint()[..],
        price as Credits,
        QUOTE_LIFETIME.as_secs_f64(),
        QUOTES_LIVE_MAX,
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(not_made)?;
    tx.commit().await?;
    let next_in = Duration::from_secs_f64(row.next_in_seconds.max(0.0));
    row.expires_at.map(|expires_at| Quote { id, price, expires_at }).ok_or(QuoteError::TooMany { next_in })
}

fn not_made(error: sqlx::Error) -> QuoteError {
    // The profile was there when the request was examined.
    match db::constraint_name(&error) {
        Some("quote_user_id_fkey") => QuoteError::NoProfile,
        _ => error.into(),
    }
}

/// The price that the quote a request names has promised for it.
///
/// A stored answer comes first: what was accepted stays so when its quote has expired or gone.
///
/// # Errors
/// [`AcceptError::QuoteNotFound`], [`AcceptError::QuoteExpired`], [`AcceptError::QuotedOtherwise`]; and
/// [`AcceptError::KeyReused`] where the key is of another request, or of the same one under another quote.
pub async fn honour(
    pool: &PgPool,
    user_id: UserId,
    quote_id: QuoteId,
    key: Option<&str>,
    request: &Request,
) -> Result<Terms, AcceptError> {
    let row = sqlx::query!(
        r#"
        with asked as (
            select $1::uuid as user_id, $2::uuid as quote_id, $3::text as key, gateway.now() as now
        )
        select stored.fingerprint as "replay_fingerprint?", stored.response as "replay_response?",
               quote.fingerprint as "quoted_fingerprint?", quote.price as "price?: Credits",
               quote.expires_at > asked.now as is_live
        from asked
        left join gateway.quote on quote.quote_id = asked.quote_id and quote.user_id = asked.user_id
        left join gateway.idempotency_key as stored
               on stored.user_id = asked.user_id and stored.operation = 'generate' and stored.key = asked.key
              and stored.expires_at > asked.now
        "#,
        user_id as UserId,
        quote_id as QuoteId,
        key,
    )
    .fetch_one(pool)
    .await?;
    if let (Some(stored), Some(response)) = (row.replay_fingerprint, row.replay_response) {
        return match accept::replay(&stored, response, &request.intent_fingerprint())? {
            Accepted::Replayed { response } => Ok(Terms::Replayed { response }),
            Accepted::New { .. } => unreachable!("a stored answer makes nothing new"),
        };
    }
    match (row.price, row.quoted_fingerprint) {
        (Some(_), Some(_)) if row.is_live != Some(true) => Err(AcceptError::QuoteExpired),
        (Some(_), Some(quoted)) if quoted != request.fingerprint() => Err(AcceptError::QuotedOtherwise),
        (Some(price), Some(_)) => Ok(Terms::Price(price)),
        _ => Err(AcceptError::QuoteNotFound),
    }
}
