//! `shootx-worker`: moves accepted generations on, or shows and corrects the books.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use shared::clock::Clock;
use shared::config::{Config, Process};
use shared::ledger::Difference;
use shared::{db, health, images, ledger, recovery, telemetry};
use shootx_worker::commands::Operation;
use shootx_worker::queue::Settings;
use shootx_worker::{WorkerState, app};
use sqlx::PgPool;
use tokio::signal::unix::{SignalKind, signal};

/// The worker of ShootX. All settings come from the environment.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run until SIGTERM (the default)
    Run,
    /// Print every place where credits and their ledger disagree; exit 1 if there is any
    Reconcile {
        /// One JSON array of objects instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Ask the worker that runs here whether it lives; exit 1 if it does not
    Healthcheck,
    #[command(flatten)]
    Operate(Operation),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.command.unwrap_or(Command::Run) {
        Command::Run => run().await.map(|()| ExitCode::SUCCESS),
        Command::Reconcile { json } => reconcile(json).await,
        Command::Healthcheck => healthcheck().await,
        Command::Operate(operation) => operate(operation).await,
    };
    ended.unwrap_or_else(|error| {
        eprintln!("shootx-worker: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run() -> anyhow::Result<()> {
    let (config, pool) = connect()?;
    let traces = telemetry::init(&config, "shootx-worker")?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    db::ensure_current(&pool).await?;
    recovery::ensure_none(&pool).await?;
    let state = WorkerState::from_config(&config, pool, Clock::system())?;
    telemetry::serve_metrics(config.metrics_bind, telemetry::Program::Worker, &state.liveness)?;
    metrics::gauge!(telemetry::names::WEBHOOKS_EXPECTED).set(if config.webhooks_enabled { 1.0 } else { 0.0 });
    state.liveness.exit_when_stalled();
    let settings = Settings { concurrency: config.worker_concurrency, ..Settings::default() };
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), concurrency = settings.concurrency, "worker started");
    let ended = app::run(state, settings, async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
    })
    .await;
    match &ended {
        Ok(()) => tracing::info!("worker stopped"),
        Err(error) => tracing::error!(error = error as &dyn std::error::Error, "worker ended"),
    }
    traces.flush().await;
    Ok(ended?)
}

async fn reconcile(json: bool) -> anyhow::Result<ExitCode> {
    let (_, pool) = connect()?;
    db::ensure_current(&pool).await?;
    let differences = ledger::reconcile(&pool).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&differences)?);
    } else {
        for Difference { rule, id, expected, found } in &differences {
            println!("{id}: {rule}: expected {expected}, found {found}");
        }
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The address of its metrics answers this, too.
async fn healthcheck() -> anyhow::Result<ExitCode> {
    let config = Config::from_env(Process::Worker)?;
    health::ask(config.metrics_bind, false, "/health").await?;
    Ok(ExitCode::SUCCESS)
}

async fn operate(operation: Operation) -> anyhow::Result<ExitCode> {
    let (config, pool) = connect()?;
    let state = WorkerState::from_config(&config, pool, Clock::system())?;
    Ok(operation.run(&state).await?)
}

fn connect() -> anyhow::Result<(Config, PgPool)> {
    let config = Config::from_env(Process::Worker)?;
    images::set_picture_memory(config.picture_memory_mb);
    let pool = db::pool(&config.database, "shootx-worker")?;
    Ok((config, pool))
}
