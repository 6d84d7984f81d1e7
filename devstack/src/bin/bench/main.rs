//! `make bench`: measures on this machine, and prints each figure beside a reference taken on the same server.
//!
//! A [`Part`] is a file that answers with rows; [`measure`] calls one after the other. Load is either an open loop
//! ([`open_loop`]: how soon) or a closed one ([`load`]: how much). What bounds a figure is told by what was
//! seen of the machine meanwhile ([`watch`], [`seen`]).

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod accept;
mod beginning;
mod exchange;
mod floor;
mod generations;
mod hostile;
mod load;
mod open_loop;
mod processes;
mod requests;
mod row;
mod seen;
mod server;
mod spend;
mod statement;
mod system;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use devstack::stack::Interrupt;
use tokio::sync::OnceCell;

use row::{Goal, Row};
use server::Server;
use spend::Order;
use statement::Pgbench;

const SECONDS: u64 = 5;
const ROUNDS: u32 = 3;
const QUICK_SECONDS: u64 = 2;
const QUICK_ROUNDS: u32 = 1;
/// What can be asked for by name.
const PARTS: [&str; 8] = ["one-user", "accept", "latency", "status", "generations", "start", "floor", "hostile"];

/// Measures on this machine and prints each figure beside its reference.
///
/// Starts a Postgres of its own that loses nothing in a crash, as in production, and our services as processes. Fails if
/// the books do not balance afterwards or a request was answered wrongly; for a goal that is not met only if it is --strict.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// What to measure, separated by commas: one-user, accept, latency, status, generations, start, floor, hostile
    #[arg(long, value_delimiter = ',', value_parser = PARTS)]
    only: Vec<String>,
    /// Of each measurement [default: 5]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: Option<u64>,
    /// How often reference and measured take turns; the median counts [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Who ask
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: u32,
    /// Requests a second of `latency`
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Most connections to the database of each process, and all of pgbench
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=30))]
    pool: u32,
    /// Connections to the database of `one-user`
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=150))]
    connections: u32,
    /// One round of 2 seconds each
    #[arg(long)]
    quick: bool,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
    /// Exit with 1 if a goal is not met
    #[arg(long)]
    strict: bool,
}

/// A file that answers with rows, from one system or from several of a kind.
#[derive(Clone, Copy, Debug)]
enum Part {
    OneUser,
    Requests,
    Generations,
    Start,
    Floor,
    Hostile,
}

/// What every part may use.
struct Bench {
    arguments: Arguments,
    server: Server,
    order: Arc<Order>,
    statement: OnceCell<Option<Statement>>,
}

/// What the statement of accept takes when nothing else is there.
struct Statement {
    per_second: f64,
    /// Of each.
    log_bytes: f64,
    commits: f64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// False where a part failed, or a goal was not met that had to be.
async fn run(arguments: Arguments) -> anyhow::Result<bool> {
    // Before the server: a signal during its start must not leave it behind.
    let mut interrupt = Interrupt::listen()?;
    let (json, strict) = (arguments.json, arguments.strict);
    let server = Server::start(arguments.users).await?;
    let machine = server.description().await?;
    eprintln!("{machine}");
    let bench = Bench { arguments, server, order: Arc::new(Order::new()?), statement: OnceCell::new() };
    let measured = tokio::select! {
        measured = measure(&bench) => Ok(measured),
        () = interrupt.asked() => Err(anyhow::anyhow!("interrupted")),
    };
    bench.server.stop().await;
    let (rows, is_well) = measured?;
    if json {
        println!("{:#}", row::json(&machine, &rows));
    } else {
        print!("{machine}\n\n{}", row::table(&rows));
    }
    if let Some(verdict) = floor_verdict(&rows)
        && !json
    {
        println!("\nthe asked-for floor: {verdict}");
    }
    Ok(is_well && (!strict || rows.iter().all(|row| row.is_met() != Some(false))))
}

/// All rows that are asked for, and whether every part ended well; one that did not leaves the others their rows.
async fn measure(bench: &Bench) -> (Vec<Row>, bool) {
    let (mut rows, mut is_well) = (Vec::new(), true);
    for part in Part::ALL.into_iter().filter(|part| part.names().iter().any(|name| bench.wants(name))) {
        let measured = match part {
            Part::OneUser => accept::one_user(bench).await.map(|row| vec![row]),
            Part::Requests => requests::rows(bench).await,
            Part::Generations => generations::rows(bench).await,
            Part::Start => beginning::row(bench).await.map(|row| vec![row]),
            Part::Floor => floor::rows(bench).await,
            Part::Hostile => hostile::rows(bench).await,
        };
        match measured {
            Ok(mut measured) => rows.append(&mut measured),
            Err(error) => {
                eprintln!("bench: {error:#}");
                rows.push(Row::skipped(&part.names().join(", "), &format!("{error:#}")));
                is_well = false;
            }
        }
    }
    (rows, is_well)
}

impl Part {
    const ALL: [Self; 6] = [Self::OneUser, Self::Requests, Self::Generations, Self::Start, Self::Floor, Self::Hostile];

    /// What asks for it.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::OneUser => &["one-user"],
            Self::Requests => &["accept", "latency", "status"],
            Self::Generations => &["generations"],
            Self::Start => &["start"],
            Self::Floor => &["floor"],
            Self::Hostile => &["hostile"],
        }
    }
}

/// Nothing where it was not measured.
fn floor_verdict(rows: &[Row]) -> Option<&'static str> {
    let mut floor = rows.iter().filter(|row| matches!(row.goal, Goal::Below(_))).peekable();
    floor.peek()?;
    Some(if floor.all(|row| row.is_met() == Some(true)) { "PASS" } else { "FAIL" })
}

impl Bench {
    fn wants(&self, part: &str) -> bool {
        self.arguments.only.is_empty() || self.arguments.only.iter().any(|named| named == part)
    }

    fn seconds(&self) -> u64 {
        self.arguments.seconds.unwrap_or(if self.arguments.quick { QUICK_SECONDS } else { SECONDS })
    }

    fn lasting(&self) -> Duration {
        Duration::from_secs(self.seconds())
    }

    fn rounds(&self) -> u32 {
        self.arguments.rounds.unwrap_or(if self.arguments.quick { QUICK_ROUNDS } else { ROUNDS })
    }

    /// Accepts by `pgbench` alone, measured once a run; nothing without `pgbench`.
    async fn statement(&self) -> anyhow::Result<Option<&Statement>> {
        let measured = self.statement.get_or_try_init(|| async {
            let Some(program) = self.server.pgbench() else { return anyhow::Ok(None) };
            let Arguments { users, pool, .. } = self.arguments;
            let database = self.server.database().await?;
            let pgbench = Pgbench::new(program, users, pool, self.lasting());
            let (told, seen) = database.watch([]).during(pgbench.accept(&database, &self.order)).await?;
            database.close().await?;
            let (log_bytes, commits) = (seen.log_bytes / f64::from(told.count), seen.commits / f64::from(told.count));
            Ok(Some(Statement { per_second: told.per_second, log_bytes, commits }))
        });
        Ok(measured.await?.as_ref())
    }
}
