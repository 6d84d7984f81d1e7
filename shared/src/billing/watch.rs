//! SQL: the daily look at the provider's own list of events, which finds those that never came.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use super::apply::ApplyError;
use super::event::{self, KINDS, Noted};
use super::stripe::Stripe;

/// How often it is read.
const READ_EVERY: Duration = Duration::from_hours(24);
/// When it is tried again after a failure: nobody has read it then.
const RETRY_AFTER: Duration = Duration::from_mins(10);
/// How far back each reading begins before the end of the last: an event may appear late in the list.
const OVERLAP: TimeDelta = TimeDelta::days(1);
/// How far back the first one begins; the provider lists 30 days.
const FIRST_READ: TimeDelta = TimeDelta::days(29);
/// Pages of one reading: 100 events each. A reading that needs more is an alarm and begins there again.
const PAGES_MAX: usize = 1_000;

/// Reads the list if a day has passed, and keeps what never came; returns how many that were, `None` if it is not time.
///
/// # Errors
/// See [`ApplyError`]; then another reading begins in ten minutes.
pub async fn recover(pool: &PgPool, stripe: &Stripe) -> Result<Option<usize>, ApplyError> {
    let taken = sqlx::query!(
        r#"
        update gateway.payment_watch set next_at = gateway.now() + make_interval(secs => $1)
        where next_at <= gateway.now()
        returning read_until, gateway.now() as "now!"
        "#,
        RETRY_AFTER.as_secs_f64(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(taken) = taken else { return Ok(None) };
    let since = taken.read_until.map_or(taken.now - FIRST_READ, |until| until - OVERLAP);
    let found = read(pool, stripe, since).await?;
    sqlx::query!(
        r#"
        update gateway.payment_watch
        set read_until = $1, next_at = $1::timestamptz + make_interval(secs => $2)
        "#,
        taken.now,
        READ_EVERY.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(Some(found))
}

async fn read(pool: &PgPool, stripe: &Stripe, since: DateTime<Utc>) -> Result<usize, ApplyError> {
    let (mut found, mut after) = (0, None::<String>);
    for _ in 0..PAGES_MAX {
        let (events, next) = stripe.list_events(&KINDS, since, after.as_deref()).await?;
        for event in &events {
            found += usize::from(event::note(pool, event, true).await? == Noted::New);
        }
        match next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
    tracing::error!(pages = PAGES_MAX, "the provider lists more events than are read; the oldest were not");
    Ok(found)
}
