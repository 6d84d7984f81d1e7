//! SQL: the daily look at the provider's own list of events, which finds those that never came.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use super::event::{self, KINDS, Noted};
use super::outcome::ApplyError;
use super::stripe::Stripe;

/// How often it is read.
const READ_EVERY: Duration = Duration::from_hours(24);
/// When it is tried again after a failure: nobody has read it then.
const RETRY_AFTER: Duration = Duration::from_mins(10);
/// How far back each reading begins before the end of the last: an event may appear late in the list.
const OVERLAP: TimeDelta = TimeDelta::days(1);
/// How far back the first one begins; the provider lists 30 days.
const FIRST_READ: TimeDelta = TimeDelta::days(29);
/// What happened just now is still on its way.
const ON_THE_WAY: TimeDelta = TimeDelta::minutes(10);
/// The list comes newest first, so it is read a day at a time, the oldest first.
const WINDOW: TimeDelta = TimeDelta::days(1);
/// Pages of one window: 100 events each.
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
    let until = taken.now - ON_THE_WAY;
    let mut since = taken.read_until.map_or(taken.now - FIRST_READ, |read| read - OVERLAP);
    let mut found = 0;
    while since < until {
        let end = until.min(since + WINDOW);
        found += read(pool, stripe, (since, end)).await?;
        sqlx::query!("update gateway.payment_watch set read_until = greatest(read_until, $1)", end)
            .execute(pool)
            .await?;
        since = end;
    }
    sqlx::query!(
        "update gateway.payment_watch set next_at = $1::timestamptz + make_interval(secs => $2)",
        taken.now,
        READ_EVERY.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(Some(found))
}

async fn read(pool: &PgPool, stripe: &Stripe, window: (DateTime<Utc>, DateTime<Utc>)) -> Result<usize, ApplyError> {
    let (mut found, mut after) = (0, None::<String>);
    for _ in 0..PAGES_MAX {
        let (events, next) = stripe.list_events(&KINDS, window, after.as_deref()).await?;
        for event in &events {
            found += usize::from(event::note(pool, event, true).await? == Noted::New);
        }
        match next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
    tracing::error!(pages = PAGES_MAX, "the provider lists more events of a day than are read; its oldest were not");
    Ok(found)
}

/// Has the whole list read again, as soon as all that was paid by now is sure to stand in it: so what was paid after
/// the moment of a restored backup is found.
///
/// # Errors
/// Whatever the database says.
pub async fn start_over(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update gateway.payment_watch set next_at = gateway.now() + make_interval(secs => $1), read_until = null",
        ON_THE_WAY.as_seconds_f64(),
    )
    .execute(pool)
    .await?;
    Ok(())
}
