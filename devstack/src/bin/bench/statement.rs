//! Our very statements as scripts for `pgbench`, which does nothing else: what this server can do of them. SQL.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use devstack::postgres::Service;
use tokio::process::Command;

use crate::server::{Database, numbered_sql};
use crate::spend::{Order, RATE_PER_MINUTE, RUNS_OPEN_MAX, TRACEPARENT};

const ACCEPT: &str = include_str!("../../../../shared/src/generation/accept.sql");
const FIND: &str = include_str!("../../../../shared/src/generation/read.sql");
/// As `shared::db` bounds every session of a service.
const SESSION: &str = "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=15s";
/// Its threads; the machine is shared with the server.
const THREADS: u32 = 2;
/// What it may take beyond the time it was given.
const PATIENCE: Duration = Duration::from_secs(30);
/// An id whose first half grows with the time, as those of accept do.
const FRESH_ID: &str = "(lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') \
     || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid";
/// The same as the queue wants it.
const FRESH_JOB_ID: &str = "upper('0' || lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') \
     || substr(md5(random()::text), 1, 13))";

/// How often a statement was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) per_second: f64,
    pub(crate) count: u32,
}

/// `pgbench` on one of our databases, as the API would log in.
pub(crate) struct Pgbench {
    program: PathBuf,
    pub(crate) users: u32,
    pub(crate) connections: u32,
    pub(crate) lasting: Duration,
}

impl Pgbench {
    pub(crate) fn new(program: PathBuf, users: u32, connections: u32, lasting: Duration) -> Self {
        Self { program, users, connections, lasting }
    }

    /// Accepts of `order` by random users.
    pub(crate) async fn accept(&self, database: &Database, order: &Order) -> anyhow::Result<Told> {
        self.run(database, &accept_script(self.users, order)).await
    }

    /// Looks of random users at their first generation.
    pub(crate) async fn find(&self, database: &Database) -> anyhow::Result<Told> {
        self.run(database, &find_script(self.users)).await
    }

    async fn run(&self, database: &Database, script: &str) -> anyhow::Result<Told> {
        let file = devstack::stack::local_dir("bench")?.join("statement.sql");
        std::fs::write(&file, script).with_context(|| format!("{} cannot be written", file.display()))?;
        let output = tokio::time::timeout(self.lasting + PATIENCE, self.command(database, &file).output());
        let output = output.await.context("pgbench did not end in time")?.context("pgbench cannot be started")?;
        let (told, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "pgbench failed: {}", failed.trim());
        Told::read(&told).with_context(|| format!("pgbench told no rate: {told}"))
    }

    fn command(&self, database: &Database, file: &Path) -> Command {
        let connections = self.connections.to_string();
        let (threads, seconds) = (THREADS.min(self.connections).to_string(), self.lasting.as_secs().max(1).to_string());
        let mut command = Command::new(&self.program);
        command.args(["--no-vacuum", "--protocol=prepared", "--client", &connections, "--jobs", &threads, "--time"]);
        command.arg(seconds).arg("--file").arg(file).arg(database.service_url(Service::Api));
        command.env("PGOPTIONS", SESSION).stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

fn accept_script(users: u32, order: &Order) -> String {
    let request = &order.request;
    let text = |value: &str| format!("'{}'", value.replace('\'', "''"));
    let values = [
        "(select id from fresh)".to_owned(),
        numbered_sql(":user"),
        text(request.workflow.kind.as_str()),
        text(request.workflow.title),
        text(&request.method),
        text(&serde_json::Value::Object(request.parameters.clone()).to_string()),
        request.price().get().to_string(),
        request.outputs_asked.to_string(),
        text(request.output_format.as_str()),
        "7".to_owned(),
        text("bench"),
        text(order.endpoint),
        request.workflow.target.as_secs().to_string(),
        request.workflow.max.as_secs().to_string(),
        "null".to_owned(),
        "null".to_owned(),
        "null".to_owned(),
        "'{}'".to_owned(),
        "null".to_owned(),
        format!("'\\x{}'", "07".repeat(32)),
        text("{}"),
        FRESH_JOB_ID.to_owned(),
        "convert_to('{\"generation_id\":\"' || (select id from fresh) || '\"}', 'UTF8')".to_owned(),
        format!("({})::float8", 60.0 / f64::from(RATE_PER_MINUTE)),
        "60::float8".to_owned(),
        "600::float8".to_owned(),
        "86400::float8".to_owned(),
        text(order.dialect.as_str()),
        RUNS_OPEN_MAX.to_string(),
        text(TRACEPARENT),
    ];
    let fresh = format!("with fresh as materialized (select {FRESH_ID} as id), asked as (");
    let statement = ACCEPT.replacen("with asked as (", &fresh, 1);
    script(users, &bound(&statement, &values))
}

fn find_script(users: u32) -> String {
    let values = [numbered_sql(":user"), numbered_sql(":user"), "null".into(), "null".into(), "1".into()];
    script(users, &bound(FIND, &values))
}

fn script(users: u32, statement: &str) -> String {
    format!("\\set user random(1, {users})\n{};\n", statement.trim())
}

/// The statement with its parameters written in, and without its comments.
fn bound(statement: &str, values: &[String]) -> String {
    let lines = statement.lines().filter(|line| !line.trim_start().starts_with("--"));
    let mut bound = String::new();
    for (number, part) in lines.collect::<Vec<_>>().join("\n").split('$').enumerate() {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        match part[..digits].parse::<usize>().ok().and_then(|of| values.get(of.checked_sub(1)?)) {
            Some(value) if number > 0 => bound = bound + value + &part[digits..],
            _ => bound += part,
        }
    }
    bound
}

impl Told {
    /// Of `tps = 812.25 (without initial connection time)` and `number of transactions actually processed: 4061`.
    fn read(told: &str) -> Option<Self> {
        let after = |start| told.lines().find_map(|line| line.strip_prefix(start))?.split([' ', '/']).next();
        let per_second = after("tps = ")?.parse().ok()?;
        Some(Self { per_second, count: after("number of transactions actually processed: ")?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::{ACCEPT, FIND, Told, accept_script, bound, find_script};
    use crate::spend::Order;

    #[test]
    fn parameters_are_written_in_by_their_whole_numbers() {
        let values: Vec<String> = (1..=12).map(|number| format!("v{number}")).collect();
        let statement = "-- costs $5\nselect $1::text, $12, ($2)\n  -- and $3\nfrom a";
        assert_eq!(bound(statement, &values), "select v1::text, v12, (v2)\nfrom a");
    }

    #[test]
    fn scripts_are_the_statements_of_the_api_with_every_parameter_written_in() {
        let accept = accept_script(500, &Order::new().unwrap());
        assert!(accept.starts_with("\\set user random(1, 500)\nwith fresh as"));
        assert!(!accept.contains('$') && !find_script(500).contains('$'));
        for (script, statement) in [(accept, ACCEPT), (find_script(500), FIND)] {
            let last = statement.trim().lines().last().unwrap();
            assert!(script.ends_with(&format!("{last};\n")), "{script}");
        }
    }

    #[test]
    fn the_rate_is_read_from_what_pgbench_tells() {
        let told = "scaling factor: 1\nnumber of transactions actually processed: 4061\n\
                    tps = 812.25 (without initial connection time)\n";
        assert_eq!(Told::read(told), Some(Told { per_second: 812.25, count: 4061 }));
        assert_eq!(Told::read("nothing"), None);
    }
}
