//! Generations from accept to stored, and what each costs. SQL: how many are under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use shared::generation::budget::RUN_PER_SECOND;
use sqlx::PgPool;

use crate::Bench;
use crate::processes::Memory;
use crate::requests::pick;
use crate::row::Row;
use crate::seen::Seen;
use crate::system::System;

/// Workers of each measurement.
const WORKERS: [u16; 3] = [1, 2, 4];
/// Generations under way: enough for whoever works, and without webhooks for the ten seconds until the first look, too.
const OPEN_WITH_WEBHOOKS: i64 = 128;
const OPEN_WITHOUT: i64 = 800;
/// Requests that are sent at once to keep it so.
const FEED_AT_ONCE: usize = 8;
const FEED_EVERY: Duration = Duration::from_millis(50);
/// Stored generations and time before anything is measured.
const STORED_BEFORE: u64 = 10;
const SETTLE: Duration = Duration::from_secs(1);
const WARM_UP_MAX: Duration = Duration::from_secs(60);
/// From this part of what RunPod admits on, that is what bounds it.
const AT_RUNPODS_RATE: f64 = 0.9;
/// Once for each look of the feeder.
const LOOK: &str = "
    select (select count(*) from gateway.run where stage in ('queued', 'collecting'))
         + (select count(*) from gateway.run where stage in ('submitting', 'running'))";

/// Keeps so many generations under way.
struct Feeder<'a> {
    system: &'a System,
    open: i64,
    accepted: u64,
    looks: u32,
}

/// What one measurement found.
struct Found {
    per_second: f64,
    stored: f64,
    looks: u32,
    seen: Seen,
    before: Vec<(String, Memory)>,
    after: Vec<(String, Memory)>,
}

/// Generations a second for each number of workers, webhooks on and off, and what one costs.
pub(crate) async fn rows(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let statement = bench.statement().await?;
    let (mut rows, mut costs, mut single) = (Vec::new(), Vec::new(), None);
    for webhooks in [true, false] {
        for workers in WORKERS {
            let found = measure(bench, workers, webhooks).await?;
            let named = if webhooks { "on" } else { "off" };
            let processes = if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") };
            let figure = format!("generations, {processes}, webhooks {named}");
            eprintln!("  {figure}: {:.1} a second", found.per_second);
            let mut row = Row::of(&figure, found.per_second, "/s", "accepts a second, pgbench of the statement alone");
            if let Some(statement) = &statement {
                row = row.with_reference(statement.per_second);
            }
            let row = row.bound_by(bound(&found)).note(found.seen.each(found.stored)).note(found.seen.connections());
            let one: &f64 = single.get_or_insert(found.per_second);
            let sim = found.seen.ms_of("simulators", found.stored);
            let note = format!(
                "{:.2} of one worker with webhooks; the simulators take {sim:.1} ms of processor time each, \
                                which RunPod and the store would not",
                found.per_second / one
            );
            rows.push(row.note(note));
            if (workers, webhooks) == (1, true) {
                costs = cost_rows(&found, statement.as_ref().map(|statement| (statement.log_bytes, statement.commits)));
            }
        }
    }
    rows.append(&mut costs);
    Ok(rows)
}

async fn measure(bench: &Bench, workers: u16, webhooks: bool) -> anyhow::Result<Found> {
    let system = System::start(&bench.server, bench.options(workers, webhooks)).await?;
    let before = system.memory();
    let open = if webhooks { OPEN_WITH_WEBHOOKS } else { OPEN_WITHOUT };
    let mut feeder = Feeder { system: &system, open, accepted: 0, looks: 0 };
    let begun = Instant::now();
    while feeder.feed().await? < STORED_BEFORE {
        ensure!(
            begun.elapsed() < WARM_UP_MAX,
            "nothing was stored within {WARM_UP_MAX:?}; logs are in .local/bench/log"
        );
        tokio::time::sleep(FEED_EVERY).await;
    }
    feeder.feed_for(SETTLE).await?;
    feeder.looks = 0;
    let lasting = bench.lasting();
    let (stored, seen) = system.watch().during(feeder.feed_for(lasting)).await?;
    let (looks, after) = (feeder.looks, system.memory());
    nothing_failed(&system.database.owner).await?;
    system.stop().await?;
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let stored = stored as f64;
    Ok(Found { per_second: stored / seen.seconds, stored, looks, seen, before, after })
}

impl Feeder<'_> {
    /// Sends what is missing; how many have been stored so far.
    async fn feed(&mut self) -> anyhow::Result<u64> {
        let under_way: i64 = sqlx::query_scalar(LOOK).fetch_one(&self.system.database.owner).await?;
        self.looks += 1;
        let stored = self.accepted.saturating_sub(u64::try_from(under_way)?);
        let missing = u64::try_from(self.open - under_way).unwrap_or(0);
        let (api, users) = (Arc::clone(&self.system.api), Arc::clone(&self.system.users));
        let sent = futures::stream::iter(self.accepted..self.accepted + missing)
            .map(|number| api.call(&users[pick(number, users.len())].generate, 202))
            .buffer_unordered(FEED_AT_ONCE);
        self.accepted += u64::try_from(sent.try_collect::<Vec<_>>().await?.len())?;
        Ok(stored)
    }

    /// Goes on for so long; how many were stored meanwhile.
    async fn feed_for(&mut self, lasting: Duration) -> anyhow::Result<u64> {
        let begun = Instant::now();
        let before = self.feed().await?;
        while begun.elapsed() < lasting {
            tokio::time::sleep(FEED_EVERY).await;
            self.feed().await?;
        }
        Ok(self.feed().await? - before)
    }
}

/// What is final and not stored would count as stored.
pub(crate) async fn nothing_failed(owner: &PgPool) -> anyhow::Result<()> {
    let failed: Option<(i64, Option<String>)> = sqlx::query_as(
        "select count(*), min(error_code) from gateway.run where stage in ('failed', 'cancelled') having count(*) > 0",
    )
    .fetch_optional(owner)
    .await?;
    match failed {
        Some((count, code)) => bail!("{count} generations failed, one of them with {}", code.unwrap_or_default()),
        None => Ok(()),
    }
}

fn bound(found: &Found) -> String {
    if found.per_second >= RUN_PER_SECOND * AT_RUNPODS_RATE {
        return format!("RunPod's rate: {RUN_PER_SECOND} calls of /run a second and endpoint; {}", found.seen.bound());
    }
    found.seen.bound()
}

/// Log, commits and memory.
fn cost_rows(found: &Found, accept: Option<(f64, f64)>) -> Vec<Row> {
    let (log_bytes, commits) = (found.seen.log_bytes / found.stored, found.seen.commits - f64::from(found.looks));
    let beside = "an accept alone";
    let mut log = Row::of("log of a generation", log_bytes / 1024.0, "kB", beside);
    let mut commits = Row::of("commits of a generation", commits / found.stored, "", beside);
    if let Some((accept_bytes, accept_commits)) = accept {
        (log, commits) = (log.with_reference(accept_bytes / 1024.0), commits.with_reference(accept_commits));
    }
    let note = "from accept to stored, 1 worker, webhooks on, with what the processes do by the clock";
    let mut rows = vec![log.note(note), commits.note(note)];
    for ((name, before), (_, after)) in found.before.iter().zip(&found.after) {
        let row = Row::of(&format!("memory of {name}"), after.resident, "MiB", "the same process when it was ready");
        let most = format!(
            "the most there ever was: {:.1} MiB; {:.0} generations in the time measured",
            after.most, found.stored
        );
        rows.push(row.with_reference(before.resident).note(most));
    }
    rows
}
