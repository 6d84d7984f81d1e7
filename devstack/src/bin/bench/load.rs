//! Many connections doing the same at once, and what was seen of the server meanwhile. SQL: its own statistics.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use sqlx::PgPool;
use tokio::task::JoinSet;

use crate::row::{Figure, Seen, WRITING};

/// Names the connections that are looked at.
pub(crate) const APPLICATION: &str = "bench";
/// Time between two looks at what the connections do.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Of each connection, before anything is measured: Postgres plans a prepared statement anew five times.
const WARM_UPS: u32 = 10;
/// What /proc counts processor time in, on every Linux.
const TICK_MS: f64 = 10.0;

/// What connections are at. One that computes may be waiting for a processor.
const DOING: &str = "
    select case
             when state <> 'active' then 'between requests'
             when wait_event is null then 'computing'
             when wait_event_type = 'Lock' then 'waiting for the row'
             when wait_event_type = 'LWLock' and wait_event = 'LockManager' then 'waiting to look at locks'
             when wait_event ilike 'wal%' then $2
             else 'waiting for ' || wait_event
           end as doing, count(*)
    from pg_stat_activity where application_name = $1 group by doing";

/// What the server has used since it was made.
struct Used {
    log_records: i64,
    log_bytes: i64,
    /// Nothing where the system does not tell.
    ticks: Option<i64>,
}

/// Opens the connections and has each do `work` a few times. Answers with how often it was done.
///
/// # Errors
/// The first of `work`.
pub(crate) async fn warm_up<W, F>(connections: u32, work: W) -> anyhow::Result<u32>
where
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    join(start(connections, |count| count < WARM_UPS, work)).await
}

/// Has `connections` tasks do `work` until `lasting` is over, each beginning again as soon as it has ended. Answers
/// with the rate a second, and how often it was done.
///
/// # Errors
/// The first of `work`, and when none was done.
pub(crate) async fn load<W, F>(
    owner: &PgPool,
    connections: u32,
    lasting: Duration,
    work: W,
) -> anyhow::Result<(Figure, u32)>
where
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let before = used(owner).await?;
    let began = Instant::now();
    let end = began + lasting;
    let tasks = start(connections, move |_| Instant::now() < end, work);
    let (looks, doing) = look_until(owner, end).await?;
    let count = join(tasks).await?;
    let took = began.elapsed().as_secs_f64();
    ensure!(count > 0, "nothing was done within {lasting:?}");
    let after = used(owner).await?;
    let each = |from: i64, to: i64| average(to - from, count);
    let processors = u32::try_from(std::thread::available_parallelism()?.get())?;
    let seen = Seen {
        doing: doing.into_iter().map(|(doing, times)| (doing, average(times, looks))).collect(),
        log_records: each(before.log_records, after.log_records),
        log_bytes: each(before.log_bytes, after.log_bytes),
        processor_ms: before.ticks.zip(after.ticks).map(|(from, to)| each(from, to) * TICK_MS),
        processors: f64::from(processors),
    };
    Ok((Figure { per_second: f64::from(count) / took, seen }, count))
}

fn start<G, W, F>(connections: u32, goes_on: G, work: W) -> JoinSet<anyhow::Result<u32>>
where
    G: Fn(u32) -> bool + Copy + Send + 'static,
    W: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let work = work.clone();
        tasks.spawn(async move {
            let mut count = 0;
            while goes_on(count) {
                work().await?;
                count += 1;
            }
            Ok(count)
        });
    }
    tasks
}

async fn join(mut tasks: JoinSet<anyhow::Result<u32>>) -> anyhow::Result<u32> {
    let mut count = 0;
    while let Some(done) = tasks.join_next().await {
        count += done??;
    }
    Ok(count)
}

/// Looks at the connections until `end`: how often, and how many were seen doing what in all.
async fn look_until(owner: &PgPool, end: Instant) -> anyhow::Result<(u32, BTreeMap<String, i64>)> {
    let (mut looks, mut doing) = (0, BTreeMap::new());
    while Instant::now() < end {
        let seen: Vec<(String, i64)> = sqlx::query_as(DOING).bind(APPLICATION).bind(WRITING).fetch_all(owner).await?;
        for (what, count) in seen {
            *doing.entry(what).or_default() += count;
        }
        looks += 1;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok((looks, doing))
}

async fn used(owner: &PgPool) -> anyhow::Result<Used> {
    let (log_records, log_bytes) =
        sqlx::query_as("select wal_records, wal_bytes::bigint from pg_stat_wal").fetch_one(owner).await?;
    let pids: Vec<i32> = sqlx::query_scalar("select pid from pg_stat_activity where application_name = $1")
        .bind(APPLICATION)
        .fetch_all(owner)
        .await?;
    Ok(Used { log_records, log_bytes, ticks: pids.into_iter().map(ticks).sum() })
}

/// Processor time of one process, if this system has /proc: fields 14 and 15, after a name that may hold spaces.
fn ticks(pid: i32) -> Option<i64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').skip(11).take(2).map(|field| field.parse::<i64>().ok()).sum()
}

fn average(sum: i64, count: u32) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let sum = sum as f64;
    sum / f64::from(count.max(1))
}
