//! Processes events of the payment provider, grants the months of plans, collects debts, and cancels subscriptions and
//! checkouts of deleted users.
//!
//! Any number of workers do this side by side: events and grants are taken row by row, and all of it may be repeated.

use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use shared::billing::event::{self, DueEvent, Subject};
use shared::billing::stop::{self, DueStop};
use shared::billing::{self, ApplyError, Stripe, grant, watch};
use shared::db;
use shared::ledger::debt;
use shared::provider::ProviderError;
use shared::retry;
use shared::telemetry::names;
use shared::telemetry::trace::StepTrace;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::state::WorkerState;

/// How often events and grants are looked for: how long customers wait for their credits after they paid.
const EVERY: Duration = Duration::from_secs(1);
/// How often it is asked whether it is time for the daily look, and how old the oldest event is.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Longest time that a round may take: all of its calls are slow, and it searches a month of events.
const ROUND_TIME_MAX: Duration = Duration::from_mins(5);
const LOOK_TIME_MAX: Duration = Duration::from_mins(30);
/// Events followed up at once; each takes up to three calls.
const EVENTS_AT_ONCE: i64 = 8;
/// Subscriptions and checkouts of deleted users that one round cancels.
const STOPS_AT_ONCE: i64 = 4;
/// Grants and debts of one round; what is left waits for the next.
const BATCH: i64 = 100;
/// Times an event is followed up before it is given up, over some 30 days, as long as the provider remembers it.
const TRIES_MAX: i32 = 730;
/// The longest wait between two of them.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// Works until told to stop; a database or provider that fails is waited for.
pub(crate) async fn run(state: WorkerState, stop: CancellationToken) {
    let rounds = async {
        let pulse = state.liveness.register("billing");
        loop {
            if let Err(error) = pulse.during(ROUND_TIME_MAX, round(&state)).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a round of billing failed; the next repeats it"
                );
            }
            pulse.rest(EVERY).await;
        }
    };
    // On its own: it may list a month of events, and keeps nobody waiting who pays now.
    let looks = async {
        let pulse = state.liveness.register("billing looks");
        loop {
            pulse.during(LOOK_TIME_MAX, recover(&state)).await;
            if let Err(error) = show_oldest(&state.pool).await {
                tracing::warn!(%error, "the oldest event could not be found");
            }
            pulse.rest(LOOK_EVERY).await;
        }
    };
    stop.run_until_cancelled(async { tokio::join!(rounds, looks) }).await;
}

/// One look and one round; returns how much they moved.
///
/// # Errors
/// Whatever the database says; the next round repeats it.
pub async fn tick(state: &WorkerState) -> Result<usize, sqlx::Error> {
    Ok(recover(state).await + round(state).await?)
}

/// What was paid for stays granted, and debts repaid, also where nothing is sold any more.
async fn round(state: &WorkerState) -> Result<usize, sqlx::Error> {
    let pool = &state.pool;
    let mut moved = match &state.stripe {
        Some(stripe) => follow_up(pool, stripe).await? + stop_billing(pool, stripe).await?,
        None => 0,
    };
    moved += grant::grant_due(pool, BATCH).await?;
    moved += repay(pool).await?;
    Ok(moved)
}

/// The daily look for events that never came. One that fails is repeated later.
async fn recover(state: &WorkerState) -> usize {
    let Some(stripe) = &state.stripe else { return 0 };
    let found = match watch::recover(&state.pool, stripe).await {
        Ok(Some(found)) => found,
        Ok(None) => return 0,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the provider's list of events could not be read"
            );
            return 0;
        }
    };
    if found > 0 {
        tracing::warn!(found, "events of the provider of payments never came; they were found by looking");
    }
    counter!(names::PAYMENT_EVENTS_RECOVERED_TOTAL).increment(found as u64);
    found
}

async fn show_oldest(pool: &PgPool) -> Result<(), sqlx::Error> {
    gauge!(names::PAYMENT_EVENTS_OLDEST_SECONDS).set(event::oldest(pool).await?.as_secs_f64());
    gauge!(names::BILLING_STOPS_OLDEST_SECONDS).set(stop::oldest(pool).await?.as_secs_f64());
    Ok(())
}

async fn follow_up(pool: &PgPool, stripe: &Stripe) -> Result<usize, sqlx::Error> {
    let due = event::take_due(pool, EVENTS_AT_ONCE).await?;
    let (taken, mut under_way) = (due.len(), JoinSet::new());
    for event in due {
        let (pool, stripe) = (pool.clone(), stripe.clone());
        let trace = StepTrace::begin("billing", None);
        trace.about("event_id", &event.event_id);
        let trace_id = trace.context().trace_id();
        let span = tracing::info_span!("step", step = "billing", event_id = event.event_id, %trace_id);
        let (begun, exported) = (Instant::now(), trace.span());
        let followed = async move {
            let label = follow(&pool, &stripe, &event).await?;
            trace.ended(label, label == "error");
            let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(kind = event.kind, object_id = event.object_id, outcome = label, took_ms, "followed up");
            Ok::<(), sqlx::Error>(())
        };
        under_way.spawn(followed.instrument(exported).instrument(span));
    }
    while let Some(followed) = under_way.join_next().await {
        followed.expect("following an event up does not panic")?;
    }
    Ok(taken)
}

async fn follow(pool: &PgPool, stripe: &Stripe, event: &DueEvent) -> Result<&'static str, sqlx::Error> {
    let outcome = match Subject::of(&event.kind) {
        Some(subject) => billing::apply(pool, stripe, subject, (&event.kind, &event.object_id)).await,
        // Of a release that knew more kinds.
        None => Ok(billing::Outcome::Foreign),
    };
    let label = match outcome {
        Ok(outcome) => {
            event::end(pool, &event.event_id, outcome.as_str()).await?;
            outcome.as_str()
        }
        Err(error) => put_off(pool, event, &error).await?,
    };
    counter!(names::PAYMENT_EVENTS_TOTAL, "kind" => event.kind.clone(), "outcome" => label).increment(1);
    Ok(label)
}

async fn put_off(pool: &PgPool, event: &DueEvent, error: &ApplyError) -> Result<&'static str, sqlx::Error> {
    let is_last = event.tries >= TRIES_MAX;
    tracing::warn!(
        event_id = event.event_id,
        kind = event.kind,
        tries = event.tries,
        error = error as &dyn std::error::Error,
        "an event could not be followed up"
    );
    if is_last {
        tracing::error!(event_id = event.event_id, kind = event.kind, "an event was given up");
        event::end(pool, &event.event_id, "given_up").await?;
        return Ok("given_up");
    }
    event::put_off(pool, &event.event_id, wait(event.tries)).await?;
    Ok(match error {
        ApplyError::Provider(ProviderError::Unavailable { alarm: true, .. }) => "misconfigured",
        // With the key of another account, too.
        ApplyError::Provider(ProviderError::NotFound) => "not_found",
        ApplyError::Provider(_) => "unavailable",
        ApplyError::NotYet => "not_yet",
        ApplyError::Contended => "contended",
        ApplyError::Database(_) => "error",
    })
}

/// Doubles from about a second to an hour, with the jitter of all our delays.
fn wait(tries: i32) -> Duration {
    let doublings = tries.clamp(1, 12).unsigned_abs();
    Duration::from_secs(1 << doublings).min(WAIT_MAX) + retry::delay(doublings)
}

/// Cancels subscriptions and checkouts of deleted users, one after the other: there are few.
async fn stop_billing(pool: &PgPool, stripe: &Stripe) -> Result<usize, sqlx::Error> {
    let due = stop::take_due(pool, STOPS_AT_ONCE).await?;
    for one in &due {
        let DueStop { provider_id, kind, user_id, tries } = one;
        let outcome = match stop::stop(stripe, one).await {
            Ok(()) => {
                stop::end(pool, provider_id).await?;
                tracing::info!(provider_id, ?kind, %user_id, "a deleted user's subscription or checkout was cancelled");
                "stopped"
            }
            Err(error) => {
                tracing::warn!(
                    provider_id,
                    ?kind,
                    %user_id,
                    tries,
                    error = &error as &dyn std::error::Error,
                    "a user is gone and is still billed"
                );
                stop::put_off(pool, provider_id, wait(*tries)).await?;
                "failed"
            }
        };
        counter!(names::BILLING_STOPS_TOTAL, "outcome" => outcome).increment(1);
    }
    Ok(due.len())
}

/// Has debts repaid by what came without a purchase, such as a refund.
async fn repay(pool: &PgPool) -> Result<usize, sqlx::Error> {
    let mut repaid = 0;
    for user_id in debt::list_payable(pool, BATCH).await? {
        let mut tx = db::begin_for(pool, user_id).await?;
        repaid += usize::from(debt::repay(&mut tx, user_id).await?);
        tx.commit().await?;
    }
    Ok(repaid)
}
