//! The API without workers: how many requests it answers, and how soon, beside the very same statements. SQL: a count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use futures::{StreamExt as _, TryStreamExt as _};
use shared::ids::GenerationId;

use crate::Bench;
use crate::load::{load, warm_up};
use crate::open_loop::{Outcome, Plan, drive};
use crate::row::{Goal, Round, Row};
use crate::seen::Seen;
use crate::server::{numbered, user_id};
use crate::spend::limits;
use crate::statement::{Pgbench, Told};
use crate::system::{Options, System};

/// Of the statement's own rate, what is left of it through the API.
const ACCEPT_GOAL: f64 = 0.5;
/// Connections of HTTP for each connection to the database, so that no one of these waits for work.
const HTTP_PER_CONNECTION: u32 = 2;
/// Requests under way at once in the open loop; the API admits 200 connections of one address.
pub(crate) const IN_FLIGHT_MAX: usize = 128;
/// From one in so many that had to wait for a place on, what is measured is a queue that grows.
const HELD_BACK: u64 = 20;
/// First generations that are made at once.
const FIRST_AT_ONCE: usize = 8;
/// Spreads numbers that follow each other over the users.
const STRIDE: u64 = 2_654_435_761;

/// What is sent: by whom, chosen by a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Generate,
    Status,
}

/// The rows of this file that are asked for, on one system.
pub(crate) async fn rows(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let system = System::start(&bench.server, bench.options(0, true)).await?;
    let mut accepted = first_generations(bench, &system).await?;
    let mut unknown = 0;
    let mut rows = Vec::new();
    if bench.wants("accept") {
        let (row, count) = throughput(bench, &system, Kind::Generate).await?;
        rows.push(row);
        accepted += count;
    }
    if bench.wants("latency") {
        let rate = f64::from(bench.arguments.rate);
        let (row, outcome, count) = latency(bench, &system, rate).await?;
        accepted += count;
        unknown += outcome.failed;
        rows.push(row);
        if outcome.held_back > outcome.sent / HELD_BACK {
            let half = (outcome.per_second() / 2.0).max(1.0).round();
            eprintln!("  {rate:.0} a second is more than this machine can do: half of that, too");
            let (row, outcome, count) = latency(bench, &system, half).await?;
            accepted += count;
            unknown += outcome.failed;
            rows.push(row);
        }
    }
    if bench.wants("status") {
        rows.push(throughput(bench, &system, Kind::Status).await?.0);
    }
    let runs: i64 = sqlx::query_scalar("select count(*) from gateway.run").fetch_one(&system.database.owner).await?;
    // What was not answered in time may have been accepted.
    ensure!(
        (accepted..=accepted + unknown).contains(&u64::try_from(runs)?),
        "{accepted} requests were answered with 202, but there are {runs} runs"
    );
    system.stop().await?;
    Ok(rows)
}

/// One for each user, to be looked at; they wait for a worker that never comes.
async fn first_generations(bench: &Bench, system: &System) -> anyhow::Result<u64> {
    let pool = system.database.api_pool(u32::try_from(FIRST_AT_ONCE)?)?;
    let numbers = 1..=bench.arguments.users;
    let made = futures::stream::iter(numbers)
        .map(|number| bench.order.accept(&pool, user_id(number), GenerationId(numbered(number)), limits()))
        .buffer_unordered(FIRST_AT_ONCE);
    made.try_collect::<Vec<()>>().await?;
    pool.close().await;
    Ok(u64::from(bench.arguments.users))
}

/// The most requests a second, beside the most of the statement; both take turns.
async fn throughput(bench: &Bench, system: &System, kind: Kind) -> anyhow::Result<(Row, u64)> {
    let (figure, goal) = match kind {
        Kind::Generate => ("generate, accepted", Goal::RatioMin(ACCEPT_GOAL)),
        Kind::Status => ("status", Goal::Nothing),
    };
    let (lasting, users) = (bench.lasting(), bench.arguments.users);
    let Some(program) = bench.server.pgbench() else {
        return Ok((Row::skipped(figure, "the server's package has no pgbench"), 0));
    };
    let pgbench = Pgbench::new(program, users, bench.arguments.pool, lasting);
    let connections = bench.arguments.pool * HTTP_PER_CONNECTION;
    let (watch, send) = (system.watch(), sender(system, kind));
    let mut accepted = u64::from(warm_up(connections, send.clone()).await?);
    let (mut rounds, mut last) = (Vec::new(), None);
    for _ in 0..bench.rounds() {
        system.api.hang_up();
        let (told, beside) = watch.during(stated(bench, system, &pgbench, kind)).await?;
        let ((measured, count), seen) = watch.during(load(connections, lasting, send.clone())).await?;
        accepted += u64::from(count) + u64::from(told.count);
        eprintln!("  {figure}: {measured:.0} a second beside {:.0}", told.per_second);
        rounds.push(Round { measured, reference: told.per_second });
        last = Some(((seen, f64::from(count)), (beside, f64::from(told.count))));
    }
    let beside = format!("pgbench of the same statement, {} connections as the API has", bench.arguments.pool);
    let mut row = Row::of_rounds(figure, "/s", &rounds, &beside, goal);
    if let Some(((seen, count), (beside, told))) = last {
        row = row.bound_by(seen.bound()).note(seen.each(count)).note(seen.connections());
        row = row.note(format!("the reference: {}; {}", beside.bound(), beside.each(told)));
    }
    Ok((row.note(format!("{users} users, {connections} connections of HTTP, closed loop")), accepted))
}

async fn stated(bench: &Bench, system: &System, pgbench: &Pgbench, kind: Kind) -> anyhow::Result<Told> {
    match kind {
        Kind::Generate => pgbench.accept(&system.database, &bench.order).await,
        Kind::Status => pgbench.find(&system.database).await,
    }
}

/// Sends what each user has ready, one user after another in no particular order.
fn sender(
    system: &System,
    kind: Kind,
) -> impl Fn() -> futures::future::BoxFuture<'static, anyhow::Result<()>> + Clone + Send + 'static {
    let (api, users, next) = (Arc::clone(&system.api), Arc::clone(&system.users), Arc::new(AtomicU64::new(0)));
    move || {
        let (api, users) = (Arc::clone(&api), Arc::clone(&users));
        let number = next.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let user = &users[pick(number, users.len())];
            match kind {
                Kind::Generate => api.call(&user.generate, 202).await?,
                Kind::Status => api.call(&user.status, 200).await?,
            };
            Ok(())
        })
    }
}

/// Whose turn it is.
pub(crate) fn pick(number: u64, users: usize) -> usize {
    let users = u64::try_from(users.max(1)).unwrap_or(1);
    usize::try_from(number.wrapping_mul(STRIDE) % users).unwrap_or(0)
}

/// How soon requests are answered that come at a fixed rate, beside the statement at that rate.
async fn latency(bench: &Bench, system: &System, rate: f64) -> anyhow::Result<(Row, Outcome, u64)> {
    let lasting = bench.lasting() * 2;
    let plan = Plan { rate, lasting, in_flight_max: IN_FLIGHT_MAX };
    let pool = system.database.api_pool(bench.arguments.pool)?;
    let statement = {
        let (pool, order, users) = (pool.clone(), Arc::clone(&bench.order), bench.arguments.users);
        move |number: u64| {
            let (pool, order) = (pool.clone(), Arc::clone(&order));
            async move {
                let user = u32::try_from(pick(number, users as usize))? + 1;
                order.accept(&pool, user_id(user), GenerationId::generate(), limits()).await
            }
        }
    };
    let warm = statement.clone();
    let next = Arc::new(AtomicU64::new(0));
    let warmed = warm_up(bench.arguments.pool, move || warm(next.fetch_add(1, Ordering::Relaxed))).await?;
    let watch = system.watch();
    let (stated, beside) = watch.during(drive(plan, statement)).await?;
    ensure!(stated.failed == 0, "the statement alone: {}", stated.words(plan));
    pool.close().await;
    system.api.hang_up();
    let send = sender(system, Kind::Generate);
    let warmed = warmed + warm_up(bench.arguments.pool, send.clone()).await?;
    let (outcome, seen) = watch.during(drive(plan, |_| send())).await?;
    eprintln!("  generate p99 at {rate:.0}/s: {:.1} ms beside {:.1}", outcome.ms(0.99), stated.ms(0.99));
    let accepted = u64::from(warmed) + stated.sent + outcome.sent - outcome.failed;
    Ok((latency_row(plan, (&outcome, &seen), (&stated, &beside)), outcome, accepted))
}

fn latency_row(plan: Plan, (outcome, seen): (&Outcome, &Seen), (stated, beside): (&Outcome, &Seen)) -> Row {
    let figure = format!("generate p99 at {:.0}/s", plan.rate);
    let row = Row::of(&figure, outcome.ms(0.99), "ms", "the statement at that rate, from when it was due");
    let row = row.with_reference(stated.ms(0.99)).bound_by(seen.bound());
    row.note(outcome.words(plan)).note(format!("the reference: {}; {}", beside.bound(), stated.words(plan)))
}

impl Bench {
    /// A system for many users, whose generations cost as little as can be.
    pub(crate) fn options(&self, workers: u16, webhooks: bool) -> Options {
        Options {
            workers,
            webhooks,
            users: self.arguments.users,
            pool: self.arguments.pool,
            generation_time: Duration::from_millis(100),
            picture_side: 256,
            outputs: 1,
            default_limits: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pick;

    #[test]
    fn everybody_has_her_turn() {
        let mut turns: Vec<usize> = (0..500).map(|number| pick(number, 500)).collect();
        turns.sort_unstable();
        assert_eq!(turns, (0..500).collect::<Vec<_>>());
        assert_eq!(pick(7, 0), 0);
    }
}
