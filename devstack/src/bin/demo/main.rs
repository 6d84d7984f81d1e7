//! `make demo`: boots the system, runs one generation and one that fails, shows the money, and exits.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use devstack::books;
use devstack::builders::model;
use devstack::client::Client;
use devstack::stack::{Interrupt, Stack, StackOptions, local};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use simulators::RunPodFault;
use simulators::runpod::JobFault;

/// How long the simulated RunPod takes: enough to watch, not to wait.
const GENERATION_TIME: Duration = Duration::from_secs(6);
/// Longest wait for a generation; a real endpoint may have to start first.
const PATIENCE: Duration = Duration::from_mins(10);
/// Marks the request that is made to fail.
const DOOMED: &str = "a hand with seven fingers";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let mut interrupt = Interrupt::listen()?;
    println!("Booting the system on this machine ...");
    let options = StackOptions { keep: false, generation_time: GENERATION_TIME };
    let report = |part: &str, took: Duration| println!("  {part:<18} ready in {:.1} s", took.as_secs_f64());
    let mut stack = tokio::select! {
        stack = Stack::start(options, report) => stack?,
        () = interrupt.asked() => anyhow::bail!("interrupted"),
    };
    let shown = tokio::select! {
        shown = Box::pin(show(&stack)) => shown,
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

async fn show(stack: &Stack) -> anyhow::Result<()> {
    let user = stack.auth.sign_up().await?;
    let client = stack.client(&user.token)?;
    println!("\nSigned up {}, who has {} credits.", user.email, client.balance().await?);

    println!("\nA generation: two pictures of a model.");
    let finished = generate(&client, model().outputs(2).build()).await?;
    ensure!(finished["status"] == "completed", "the generation did not complete: {finished}");
    for path in save(&client, &finished).await? {
        println!("  wrote {}", path.display());
    }

    if let Some(runpod) = stack.runpod() {
        println!("\nA generation that RunPod fails, as scripted for this one.");
        let fault = JobFault::ProductError { code: "INVALID_INPUT".to_owned(), form: Default::default() };
        runpod.script(RunPodFault::new(fault).prompt_contains(DOOMED));
        let failed = generate(&client, model().prompt(DOOMED).build()).await?;
        ensure!(failed["status"] == "failed", "the generation was to fail: {failed}");
        println!("  the user is told: {}", failed["error"].as_str().unwrap_or_default());
    } else {
        println!("\nRunPod is the real one: no failure is forced there.");
    }

    println!("\nThe ledger:\n{}", books::ledger(&stack.pool, user.user_id).await?);
    let differences = shared::ledger::reconcile(&stack.pool).await?;
    ensure!(differences.is_empty(), "the books do not balance: {differences:?}");
    println!("Every balance is the sum of its entries, and nothing was charged that was not delivered.");
    Ok(())
}

/// Runs one generation to its end under a progress bar.
async fn generate(client: &Client, body: Value) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let accepted = client.generate(&body).await?;
    ensure!(accepted.status.as_u16() == 202, "the request was refused: {}", accepted.body);
    println!("  accepted in {} ms, {} credits reserved", begun.elapsed().as_millis(), accepted.body["cost"]["price"]);
    let style = ProgressStyle::with_template("  {bar:40} {pos:>3} %  {msg}").context("the template is well-formed")?;
    let bar = ProgressBar::new(100).with_style(style);
    let id = accepted.generation_id();
    let finished = client
        .wait(id, PATIENCE, |seen| {
            bar.set_position(seen["progress"].as_u64().unwrap_or_default());
            bar.set_message(seen["stage"].as_str().unwrap_or_default().to_owned());
        })
        .await?;
    bar.abandon();
    println!("  {} after {:.1} s", finished["status"].as_str().unwrap_or_default(), begun.elapsed().as_secs_f64());
    Ok(finished)
}

/// Writes the pictures of a finished generation to `.local/demo/`.
async fn save(client: &Client, finished: &Value) -> anyhow::Result<Vec<PathBuf>> {
    let dir = local().join("demo");
    std::fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let mut paths = Vec::new();
    for (number, link) in finished["image_urls"].as_array().into_iter().flatten().enumerate() {
        let bytes = client.download(link.as_str().context("a link is a text")?).await?;
        let path = dir.join(format!("{}.webp", number + 1));
        std::fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
        paths.push(path);
    }
    ensure!(!paths.is_empty(), "a completed generation has no pictures");
    Ok(paths)
}
