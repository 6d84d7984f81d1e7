//! Looks at the machine while something is measured. SQL: the server's own statistics.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::oneshot;

use crate::processes::{Program, TICKS_PER_SECOND, machine_ticks};
use crate::seen::{Seen, WRITING};

/// Time between two looks at what the connections do.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the connections to one database are at. One that computes may be waiting for a processor.
const DOING: &str = "
    select case
             when state <> 'active' then 'between requests'
             when wait_event is null then 'computing'
             when wait_event_type = 'Lock' then 'waiting for a row'
             when wait_event_type = 'LWLock' and wait_event = 'LockManager' then 'waiting to look at locks'
             when wait_event ilike 'wal%' then $2
             when wait_event_type = 'Client' then 'between requests'
             else 'waiting for ' || wait_event
           end as doing, count(*)
    from pg_stat_activity where datname = $1 and backend_type = 'client backend' group by doing";

const USED: &str = "
    select wal_records::float8, wal_bytes::float8, xact_commit::float8
    from pg_stat_wal, pg_stat_database where datname = $1";

/// Who is looked at. Its connection is to another database, so that no look counts among what is seen.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) pool: PgPool,
    pub(crate) database: String,
    pub(crate) programs: Vec<Program>,
}

/// What had been used at one moment.
struct Used {
    at: Instant,
    log_records: f64,
    log_bytes: f64,
    commits: f64,
    programs: Vec<Option<u64>>,
    machine: Option<(u64, u64)>,
}

#[derive(Default)]
struct Looks {
    count: u32,
    writing: u32,
    doing: BTreeMap<String, i64>,
}

impl Watch {
    /// Does `work` and tells what was seen meanwhile.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(T, Seen)> {
        let before = self.used().await?;
        let (stop, stopped) = oneshot::channel();
        // In a task of its own: a look must not hold up what is measured.
        let looking = tokio::spawn(look_until(self.pool.clone(), self.database.clone(), stopped));
        let done = work.await;
        let after = self.used().await?;
        let _ = stop.send(());
        let looks = looking.await??;
        Ok((done?, self.seen(&before, &after, looks)?))
    }

    async fn used(&self) -> anyhow::Result<Used> {
        let (log_records, log_bytes, commits) = sqlx::query_as(USED).bind(&self.database).fetch_one(&self.pool).await?;
        let programs = self.programs.iter().map(Program::ticks).collect();
        Ok(Used { at: Instant::now(), log_records, log_bytes, commits, programs, machine: machine_ticks() })
    }

    fn seen(&self, before: &Used, after: &Used, looks: Looks) -> anyhow::Result<Seen> {
        let processors = f64::from(u32::try_from(std::thread::available_parallelism()?.get())?);
        let seconds = (after.at - before.at).as_secs_f64();
        let each = self.programs.iter().zip(before.programs.iter().zip(&after.programs));
        let shares = each.filter_map(|(program, (from, to))| {
            let ticks = to.as_ref()?.saturating_sub(*from.as_ref()?);
            Some((program.name, float(ticks) / TICKS_PER_SECOND / seconds / processors))
        });
        let machine = before.machine.zip(after.machine).map_or(0.0, |((used, all), (used_after, all_after))| {
            float(used_after.saturating_sub(used)) / float(all_after.saturating_sub(all).max(1))
        });
        let count = f64::from(looks.count.max(1));
        Ok(Seen {
            seconds,
            processors,
            shares: merged(shares),
            machine,
            writing: f64::from(looks.writing) / count,
            doing: looks.doing.into_iter().map(|(what, times)| (what, float(times.unsigned_abs()) / count)).collect(),
            log_records: after.log_records - before.log_records,
            log_bytes: after.log_bytes - before.log_bytes,
            commits: after.commits - before.commits,
        })
    }
}

/// Several processes of one program are one line.
fn merged(shares: impl Iterator<Item = (&'static str, f64)>) -> Vec<(&'static str, f64)> {
    let mut merged: Vec<(&'static str, f64)> = Vec::new();
    for (name, share) in shares {
        match merged.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += share,
            None => merged.push((name, share)),
        }
    }
    merged
}

async fn look_until(pool: PgPool, database: String, mut stopped: oneshot::Receiver<()>) -> anyhow::Result<Looks> {
    let mut looks = Looks::default();
    loop {
        tokio::select! {
            _ = &mut stopped => return Ok(looks),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let seen: Vec<(String, i64)> = sqlx::query_as(DOING).bind(&database).bind(WRITING).fetch_all(&pool).await?;
        looks.count += 1;
        for (what, count) in seen {
            looks.writing += u32::from(what == WRITING);
            *looks.doing.entry(what).or_default() += count;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn float(count: u64) -> f64 {
    count as f64
}
