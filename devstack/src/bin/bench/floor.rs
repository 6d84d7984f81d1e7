//! The asked-for floor: how soon 100 users are answered while 1,000 generations an hour run. SQL: how many were stored.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use uuid::Uuid;

use crate::Bench;
use crate::exchange::request;
use crate::generations::nothing_failed;
use crate::open_loop::{Outcome, Plan, drive};
use crate::requests::pick;
use crate::row::{Goal, Row};
use crate::seen::Seen;
use crate::system::{Options, System};

const USERS: u32 = 100;
const WORKERS: u16 = 2;
const SUBMIT_MAX_MS: f64 = 500.0;
const STATUS_MAX_MS: f64 = 200.0;
const GENERATIONS_PER_HOUR: f64 = 1_000.0;
/// More than are asked for, to have some to tell of within a short run. Of fewer than a hundred, p99 is the slowest.
const SUBMISSIONS_PER_SECOND: f64 = 1.0;
/// Requests of either kind under way at once; the API admits 200 connections of one address.
const IN_FLIGHT_MAX: usize = 64;
/// The answer to `generate` asks each user to look every 2 seconds.
const LOOKS_PER_SECOND: f64 = USERS as f64 / 2.0;
/// As products ask for them: two pictures that take a while.
const OUTPUTS: u8 = 2;
const PICTURE_SIDE: u32 = 768;
const GENERATION_TIME: Duration = Duration::from_secs(2);
/// Before the time that is measured: connections are opened, statements are planned.
const WARM_UP: Duration = Duration::from_secs(2);

/// A generation, and the request that looks at it.
type Known = Arc<Mutex<Vec<Arc<Vec<u8>>>>>;

/// Both verdicts.
pub(crate) async fn rows(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let lasting = if bench.arguments.quick { Duration::from_secs(12) } else { Duration::from_secs(24) };
    let options = Options {
        users: USERS.min(bench.arguments.users),
        generation_time: GENERATION_TIME,
        picture_side: PICTURE_SIDE,
        outputs: OUTPUTS,
        ..bench.options(WORKERS, true)
    };
    let system = System::start(&bench.server, options).await?;
    let known: Known = Arc::default();
    let plan = |rate, lasting| Plan { rate, lasting, in_flight_max: IN_FLIGHT_MAX };
    drive(plan(SUBMISSIONS_PER_SECOND, WARM_UP), |number| submit(&system, &known, number)).await?;
    drive(plan(LOOKS_PER_SECOND, WARM_UP), |number| look(&system, &known, number)).await?;
    let (submitting, looking) = (plan(SUBMISSIONS_PER_SECOND, lasting), plan(LOOKS_PER_SECOND, lasting));
    let both = async {
        tokio::try_join!(
            drive(submitting, |number| submit(&system, &known, number)),
            drive(looking, |number| look(&system, &known, number)),
        )
    };
    let ((submitted, looked), seen) = system.watch().during(both).await?;
    let runs: Vec<(String, i64)> = sqlx::query_as("select stage, count(*) from gateway.run group by stage order by 1")
        .fetch_all(&system.database.owner)
        .await?;
    nothing_failed(&system.database.owner).await?;
    system.stop().await?;
    ensure!(runs.iter().any(|(stage, _)| stage == "completed"), "no generation was completed meanwhile: {runs:?}");
    let runs = runs.iter().map(|(stage, count)| format!("{count} {stage}")).collect::<Vec<_>>().join(", ");
    let beside = format!(
        "the asked-for limit; {:.0} generations an hour ran, {GENERATIONS_PER_HOUR:.0} are asked for ({runs})",
        SUBMISSIONS_PER_SECOND * 3600.0
    );
    Ok(vec![
        verdict("floor: submit p99", SUBMIT_MAX_MS, &beside, (submitting, &submitted), &seen),
        verdict("floor: status p99", STATUS_MAX_MS, &beside, (looking, &looked), &seen),
    ])
}

/// A request that failed was not answered in time.
fn verdict(figure: &str, limit: f64, beside: &str, (plan, outcome): (Plan, &Outcome), seen: &Seen) -> Row {
    let p99 = if outcome.failed == 0 { outcome.ms(0.99) } else { f64::INFINITY };
    eprintln!("  {figure}: {p99:.1} ms");
    let row = Row { goal: Goal::Below(limit), ..Row::of(figure, p99, "ms", beside) };
    row.with_reference(limit).bound_by(seen.bound()).note(outcome.words(plan))
}

fn submit(system: &System, known: &Known, number: u64) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
    let (api, users, known) = (Arc::clone(&system.api), Arc::clone(&system.users), Arc::clone(known));
    async move {
        let user = &users[pick(number, users.len())];
        let answer = api.call(&user.generate, 202).await?;
        let answer: Value = serde_json::from_slice(&answer.body)?;
        let id: Uuid = answer["generation_id"].as_str().context("no generation_id")?.parse()?;
        let look = request("GET", &format!("/api/v1/status/{id}"), &user.token, None);
        known.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(look));
        Ok(())
    }
}

/// One of the generations there are is looked at by whose it is.
fn look(system: &System, known: &Known, number: u64) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
    let (api, known) = (Arc::clone(&system.api), Arc::clone(known));
    async move {
        let look = {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.get(pick(number, known.len())).context("nothing to look at")?)
        };
        api.call(&look, 200).await.map(|_| ())
    }
}
