//! Runs one command with a private Postgres, and stops it again: `with-postgres -- cargo test --workspace`.
//!
//! The command finds the server in `SHOOTX_TEST_POSTGRES`; its exit code is ours. An interrupt or a termination is
//! passed on to the command, and the server goes in every case.

use std::ffi::OsString;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Context;
use devstack::postgres::{Cluster, Purpose, TEST_SERVER_VARIABLE, ensure_template};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// How long the command may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("with-postgres: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<u8> {
    let mut words = std::env::args_os().skip(1).skip_while(|word| word == "--");
    let program = words.next().context("usage: with-postgres -- COMMAND [ARGUMENT..]")?;
    // Before the server: a signal during its start must not leave it behind.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let cluster = tokio::task::spawn_blocking(|| Cluster::temporary(Purpose::Tests)).await??;
    let server = cluster.url("postgres");
    ensure_template(&server).await?;
    let mut command = Command::new(&program);
    command.args(words).env(TEST_SERVER_VARIABLE, &server);
    for name in told_by_cargo() {
        command.env_remove(name);
    }
    let mut child = command.spawn().with_context(|| format!("{} cannot be run", program.display()))?;

    let code = tokio::select! {
        status = child.wait() => code_of(status?),
        // The terminal sends this to the whole group: the command has it already.
        _ = interrupt.recv() => end(&mut child, None).await.map(|_| 130)?,
        _ = terminate.recv() => end(&mut child, Some("-TERM")).await.map(|_| 143)?,
    };
    tokio::task::spawn_blocking(move || drop(cluster)).await?;
    Ok(code)
}

/// What `cargo run` tells us of our own package. Build scripts ask for variables of these names, so that a `cargo` that
/// is the command would compile half of the dependencies anew.
fn told_by_cargo() -> impl Iterator<Item = OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|told| name.to_string_lossy().starts_with(told)))
}

async fn end(child: &mut Child, signal: Option<&str>) -> anyhow::Result<()> {
    if let (Some(signal), Some(pid)) = (signal, child.id()) {
        Command::new("sh").args(["-c", &format!("kill {signal} {pid}")]).status().await?;
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        child.kill().await?;
    }
    Ok(())
}

/// The command's own code; 128 and the signal's number when a signal ended it, as shells say it.
fn code_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|number| 128 + number)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
