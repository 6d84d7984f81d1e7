//! `make demo`: boots the system, runs every workflow at once and one generation that fails, buys a pack and a plan, lets
//! a month pass, shows pictures and money, and exits. It checks what it shows: formats, sizes, that no two outputs are equal, and the books.

mod billing;
mod check;
mod delivery;
mod progress;
mod requests;
mod show;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use devstack::stack::{Interrupt, Stack, StackOptions};

/// How long the simulated RunPod takes: enough to watch, not to wait.
const GENERATION_TIME: Duration = Duration::from_secs(4);

/// Boots the whole system on this machine, runs all ten workflows and one generation that fails, buys credits,
/// renews a plan, and exits.
///
/// The outputs are written to .local/demo/, all of them on one picture to .local/demo/contact-sheet.png. Nothing
/// outside this machine is used, unless `DATABASE_URL`, `SUPABASE_URL` or `RUNPOD_API_KEY` name the real services.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Arguments {
    /// With the real RunPod: run all workflows there, not `model` alone. It costs GPU time.
    #[arg(long)]
    all: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut interrupt = Interrupt::listen()?;
    println!("Booting the system on this machine ...");
    let options = StackOptions { keep: false, generation_time: GENERATION_TIME };
    let report = |part: &str, took: Duration| println!("  {part:<18} ready in {:.1} s", took.as_secs_f64());
    let mut stack = tokio::select! {
        stack = Stack::start(options, report) => stack?,
        () = interrupt.asked() => anyhow::bail!("interrupted"),
    };
    let shown = tokio::select! {
        shown = Box::pin(show::show(&stack, arguments.all)) => shown,
        () = interrupt.asked() => Err(anyhow::anyhow!("interrupted")),
    };
    if shown.is_err() {
        // A process that died is the likelier cause than what it left unanswered.
        if let Ok(obituary) = tokio::time::timeout(Duration::from_millis(200), stack.ended()).await {
            eprintln!("demo: {obituary}");
        }
    }
    stack.stop().await;
    shown
}
