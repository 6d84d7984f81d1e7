//! `make restore-drill`: loses the database in the middle of traffic, restores a backup into a fresh server, and checks
//! what must hold afterwards. It prints how long each part took and what was lost.

mod seen;
mod traffic;
mod verdict;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;
use devstack::stack::{Interrupt, Stack, StackOptions};

use seen::Seen;
use traffic::Traffic;
use verdict::Verdict;

/// How long the simulated RunPod takes: some of everything is under way at any moment.
const GENERATION_TIME: Duration = Duration::from_secs(2);
/// How long what was under way may take to come to rest once workers run.
const REST_PATIENCE: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What was paid is in the provider's list by then.
const LISTED_BY: Duration = Duration::from_mins(11);

/// Boots the system under traffic, takes a backup, lets the traffic go on, kills everything, restores into a fresh
/// server, recovers, and checks: the books balance, nothing was submitted twice, and what was finished is delivered.
#[derive(Debug, Parser)]
#[command(name = "restore-drill")]
struct Arguments {
    /// Seconds of traffic before the backup, and again after it
    #[arg(long, default_value_t = 8)]
    seconds: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut interrupt = match Interrupt::listen() {
        Ok(interrupt) => interrupt,
        Err(error) => {
            eprintln!("restore-drill: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = tokio::select! {
        ended = Box::pin(drill(Duration::from_secs(arguments.seconds))) => ended,
        () = interrupt.asked() => Err(anyhow::anyhow!("interrupted")),
    };
    match ended {
        Ok(verdict) => {
            verdict.print();
            if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("restore-drill: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn drill(half: Duration) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    println!("Booting the system on this machine ...");
    let options = StackOptions { keep: false, generation_time: GENERATION_TIME };
    let mut stack = Stack::start(options, |_, _| ()).await?;
    let backups = std::env::temp_dir().join(format!("shootx-drill-{}", std::process::id()));
    let drilled = Box::pin(lose_and_restore(&mut stack, &backups, half, &mut verdict)).await;
    stack.stop().await;
    let _ = std::fs::remove_dir_all(&backups);
    drilled.map(|()| verdict)
}

async fn lose_and_restore(
    stack: &mut Stack,
    backups: &std::path::Path,
    half: Duration,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    println!("Traffic, then a backup, then more traffic ...");
    let mut traffic = Traffic::start(stack).await?;
    tokio::time::sleep(half).await;
    traffic.leave_waiting(stack).await?;
    let begun = Instant::now();
    let backup = stack.script("backup", &["--into", &backups.display().to_string()]).await?;
    verdict.took("backup, under traffic", begun);
    let backed_up = Instant::now();
    traffic.go_on(stack).await?;
    tokio::time::sleep(half).await;
    traffic.come_to_a_purchase(stack).await?;
    let before = Seen::now(stack).await?;
    traffic.stop();
    verdict.window = backed_up.elapsed();

    println!("Everything but the pictures, RunPod and the payments is lost ...");
    stack.lose_database().await?;
    let begun = Instant::now();
    stack.script("restore", &[&backup]).await?;
    verdict.took("restore and reconcile", begun);
    let restored = Seen::now(stack).await?;
    let held = stack.operate(&["run"]).await?;
    verdict.must(!held.status.success(), "a worker started before the database was recovered");

    let begun = Instant::now();
    let recovered = stack.operate(&["recover", "--apply"]).await?;
    verdict.took("recover", begun);
    let said = String::from_utf8_lossy(&recovered.stdout).into_owned();
    ensure!(recovered.status.success(), "recover: {said}{}", String::from_utf8_lossy(&recovered.stderr));
    verdict.recovered = said.lines().find(|line| line.contains("runs were under way")).unwrap_or_default().to_owned();
    let after_recovery = Seen::now(stack).await?;

    let begun = Instant::now();
    stack.start_services().await?;
    verdict.took("services start", begun);
    rest(stack, verdict).await?;

    let after = Seen::now(stack).await?;
    verdict.compare(&before, &restored, &after_recovery, &after);
    for difference in shared::ledger::reconcile(&stack.pool).await? {
        verdict.must(false, &format!("the books: {difference:?}"));
    }
    Ok(())
}

/// Waits until nothing is under way; then lets the time pass after which what was paid is listed for sure, and waits
/// for the purchase of after the backup to come back.
async fn rest(stack: &Stack, verdict: &mut Verdict) -> anyhow::Result<()> {
    let begun = Instant::now();
    let open = "select count(*) = 0 from gateway.run where settled_at is null";
    let rested = until(stack, open).await?;
    verdict.must(rested, "something is still under way");
    verdict.took("to rest", begun);
    stack.advance(LISTED_BY).await?;
    let begun = Instant::now();
    let bought = "select count(*) > 0 from public.credit_transactions where transaction_type = 'purchase'";
    let came_back = until(stack, bought).await?;
    verdict.must(came_back, "what was bought after the backup did not come back");
    verdict.took("purchases, 11 min later", begun);
    Ok(())
}

async fn until(stack: &Stack, is_so: &'static str) -> anyhow::Result<bool> {
    let begun = Instant::now();
    while begun.elapsed() < REST_PATIENCE {
        if sqlx::query_scalar(is_so).fetch_one(&stack.pool).await? {
            return Ok(true);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(false)
}
