//! `shootx-api`: serves the API, and the commands that prepare for it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use secrecy::ExposeSecret;
use shared::clock::Clock;
use shared::config::{Config, ConfigErrors, Process};
use shared::{db, health, images, telemetry};
use shootx_api::{ApiState, CLOSE_TIMEOUT, Stop, accept_on, document, listen, serve};
use tokio::signal::unix::{SignalKind, signal};

/// The ShootX API. Settings come from environment variables alone; deploy/env.template lists them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests (the default)
    Serve,
    /// Bring the database up to date, as the role of `MIGRATION_DATABASE_URL`
    Migrate,
    /// Write the description of the interface
    Openapi {
        /// The file to write instead of standard output
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Ask the API that runs here whether it is ready; exit 1 if it is not
    Healthcheck,
    /// Check all settings and say what is wrong with them
    CheckConfig,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command.unwrap_or(Command::Serve) {
        Command::Serve => run().await,
        Command::Migrate => migrate().await,
        Command::Openapi { output } => write_document(output),
        Command::Healthcheck => healthcheck().await,
        Command::CheckConfig => check_config(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shootx-api: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let config = Config::from_env(Process::Api)?;
    let traces = telemetry::init(&config, "shootx-api")?;
    images::set_picture_memory(config.picture_memory_mb);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let pool = db::pool(&config.database, "shootx-api")?;
    let state = ApiState::new(&config, pool.clone(), Clock::system())?;
    telemetry::serve_metrics(config.metrics_bind, telemetry::Program::Api, state.liveness())?;
    db::ensure_current(&pool).await?;
    state.liveness().exit_when_stalled();
    let entrance = accept_on(listen(config.api_bind).await?, config.tls.as_ref(), &config.limits)?;
    serve(state, entrance, stopped()?).await?;
    let closing = tokio::time::timeout(CLOSE_TIMEOUT, pool.close());
    let (closed, ()) = tokio::join!(closing, traces.flush());
    if closed.is_err() {
        tracing::warn!("stopped while a database connection was still in use");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Resolves when the process is asked to stop.
fn stopped() -> anyhow::Result<impl Future<Output = Stop>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => Stop::WithNotice,
            _ = interrupt.recv() => Stop::AtOnce,
        }
    })
}

async fn migrate() -> anyhow::Result<()> {
    let config = Config::from_env(Process::Migrate)?;
    let migrated = db::migrate(config.database.url.expose_secret()).await?;
    for name in &migrated.applied {
        println!("applied {name}");
    }
    if migrated.unfinished_of_before > 0 {
        println!(
            "{} generations from before this backend never finished; they are left as they are",
            migrated.unfinished_of_before
        );
    }
    println!("the database is up to date");
    Ok(())
}

fn write_document(output: Option<PathBuf>) -> anyhow::Result<()> {
    let Some(path) = output else {
        print!("{}", document());
        return Ok(());
    };
    std::fs::write(&path, document()).with_context(|| format!("{} cannot be written", path.display()))
}

async fn healthcheck() -> anyhow::Result<()> {
    let config = Config::from_env(Process::Api)?;
    Ok(health::ask(config.api_bind, config.tls.is_some(), "/readyz").await?)
}

/// The settings of every process: what only the worker needs is as much a part of a deployment.
fn check_config() -> anyhow::Result<()> {
    let (mut problems, mut warnings) = (BTreeSet::new(), BTreeSet::new());
    for process in [Process::Api, Process::Worker] {
        match Config::from_env(process) {
            Ok(config) => warnings.extend(config.warnings),
            Err(errors) => problems.extend(errors.problems),
        }
    }
    for warning in warnings {
        println!("warning: {warning}");
    }
    if !problems.is_empty() {
        return Err(ConfigErrors { problems: problems.into_iter().collect() }.into());
    }
    println!("the settings are complete");
    Ok(())
}
