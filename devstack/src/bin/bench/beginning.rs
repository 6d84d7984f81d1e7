//! How long a generation waits for a worker that is free, beside a bare notification of the same server. SQL.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::oneshot;

use crate::Bench;
use crate::generations::nothing_failed;
use crate::open_loop::{Outcome, Plan, drive};
use crate::requests::{IN_FLIGHT_MAX, pick};
use crate::row::Row;
use crate::system::System;

const FIGURE: &str = "enqueue to start p99";
/// Far below what two workers can do: they are free when a job comes.
const RATE: f64 = 10.0;
const WORKERS: u16 = 2;
/// Of fewer than this there is no 99th part.
const SAMPLES_MIN: f64 = 100.0;
/// How long the last may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const CHANNEL: &str = "bench";

const WAITED: &str = "
    select percentile_cont(0.99) within group (order by extract(epoch from started_at - accepted_at))::float8 * 1000,
           percentile_cont(0.5) within group (order by extract(epoch from started_at - accepted_at))::float8 * 1000
    from gateway.run join gateway.attempt using (generation_id) where attempt.attempt = 1";
const NOT_STARTED: &str = "
    select count(*) from gateway.run where not exists (
        select from gateway.attempt where attempt.generation_id = run.generation_id)";

/// From the accept of a request to the lease of its submission, both by the database's clock.
pub(crate) async fn row(bench: &Bench) -> anyhow::Result<Row> {
    let lasting = Duration::from_secs_f64(SAMPLES_MIN / RATE).max(bench.lasting() * 2);
    let plan = Plan { rate: RATE, lasting, in_flight_max: IN_FLIGHT_MAX };
    let system = System::start(&bench.server, bench.options(WORKERS, true)).await?;
    let owner = &system.database.owner;
    let reference = notify(owner, plan).await?;
    let (outcome, seen) = system
        .watch()
        .during(drive(plan, |number| {
            let (api, users) = (Arc::clone(&system.api), Arc::clone(&system.users));
            async move { api.call(&users[pick(number, users.len())].generate, 202).await.map(|_| ()) }
        }))
        .await?;
    ensure!(outcome.failed == 0, "{}", outcome.words(plan));
    all_begun(owner).await?;
    let (p99, p50): (f64, f64) = sqlx::query_as(WAITED).fetch_one(owner).await?;
    nothing_failed(owner).await?;
    system.stop().await?;
    eprintln!("  {FIGURE}: {p99:.1} ms beside {:.1}", reference.ms(0.99));
    let beside = "`pg_notify` until a listener has it, at the same rate";
    let row = Row::of(FIGURE, p99, "ms", beside).with_reference(reference.ms(0.99)).bound_by(seen.bound());
    let note = format!("p50 {p50:.1} ms; {} generations at {RATE:.0}/s, {WORKERS} workers that are free", outcome.sent);
    Ok(row.note(note).note(format!("the reference: {}", reference.words(plan))))
}

async fn all_begun(owner: &PgPool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while sqlx::query_scalar::<_, i64>(NOT_STARTED).fetch_one(owner).await? > 0 {
        ensure!(begun.elapsed() < PATIENCE, "a generation was not begun within {PATIENCE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Notifications at a fixed rate, each timed until it is heard.
async fn notify(pool: &PgPool, plan: Plan) -> anyhow::Result<Outcome> {
    let awaited: Arc<Mutex<HashMap<String, oneshot::Sender<()>>>> = Arc::default();
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    let listening = {
        let awaited = Arc::clone(&awaited);
        tokio::spawn(async move {
            while let Ok(heard) = listener.recv().await {
                let waiting = awaited.lock().unwrap_or_else(PoisonError::into_inner).remove(heard.payload());
                waiting.map(|waiting| waiting.send(()));
            }
        })
    };
    let outcome = drive(plan, |number| {
        let (pool, awaited) = (pool.clone(), Arc::clone(&awaited));
        async move {
            let (heard, hearing) = oneshot::channel();
            awaited.lock().unwrap_or_else(PoisonError::into_inner).insert(number.to_string(), heard);
            sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(number.to_string()).execute(&pool).await?;
            tokio::time::timeout(PATIENCE, hearing).await.context("a notification was lost")??;
            Ok(())
        }
    })
    .await?;
    listening.abort();
    ensure!(outcome.failed == 0, "{}", outcome.words(plan));
    Ok(outcome)
}
