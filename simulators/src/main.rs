//! The simulators as a program: starts all of them, says where they listen as one JSON object a line, and runs until it is told to
//! stop.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use simulators::runpod::ImageForm;
use simulators::supabase::Signing;
use simulators::{PaymentsOptions, PaymentsSim, RunPodOptions, RunPodSim, SupabaseOptions, SupabaseSim};
use tokio::signal::unix::{SignalKind, signal};

/// Simulators of RunPod, of a Supabase project (Auth and Storage) and of payments, with faults scripted under /_sim.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Address all simulators listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Port of RunPod; 0 chooses a free one
    #[arg(long, default_value_t = 8890)]
    runpod_port: u16,
    /// Port of Supabase; 0 chooses a free one
    #[arg(long, default_value_t = 8891)]
    supabase_port: u16,
    /// Port of payments; 0 chooses a free one
    #[arg(long, default_value_t = 8892)]
    payments_port: u16,
    /// Where events of payments are sent
    #[arg(long, value_name = "URL")]
    payments_webhook: Option<String>,
    /// API key that RunPod accepts
    #[arg(long, default_value = "rpa_simulated_key")]
    runpod_key: String,
    /// Jobs that one endpoint runs at a time
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// An endpoint whose jobs wait for attached workers (RunPod's SDK); may be given several times
    #[arg(long, value_name = "ENDPOINT")]
    attached: Vec<String>,
    /// API key that attached workers send
    #[arg(long, default_value = "rpa_simulated_worker_key")]
    runpod_worker_key: String,
    /// Milliseconds that a job takes
    #[arg(long, default_value_t = 3_000)]
    generation_ms: u64,
    /// Width and height of pictures whose request names none
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=4096))]
    picture_side: u32,
    /// How pictures are given back
    #[arg(long, value_enum, default_value_t = Form::Base64)]
    form: Form,
    /// How user tokens are signed
    #[arg(long, value_enum, default_value_t = Algorithm::Es256)]
    signing: Algorithm,
    /// Legacy JWT secret of the project; the default one is public, so it protects nothing
    #[arg(long)]
    jwt_secret: Option<String>,
    /// Postgres whose auth.users takes those who sign up; in memory without it
    #[arg(long, env = "SIMULATORS_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Directory that keeps objects; in memory without it
    #[arg(long)]
    storage_dir: Option<PathBuf>,
    /// Seed of faults by rate
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Algorithm {
    Es256,
    Hs256,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    Base64,
    DataUri,
    Url,
    UrlObject,
}

impl Arguments {
    fn runpod(&self) -> RunPodOptions {
        RunPodOptions {
            bind: SocketAddr::new(self.bind, self.runpod_port),
            api_key: self.runpod_key.clone(),
            workers: self.workers,
            attached: self.attached.clone(),
            worker_key: self.runpod_worker_key.clone(),
            generation_time: Duration::from_millis(self.generation_ms),
            picture_size: (self.picture_side, self.picture_side),
            form: match self.form {
                Form::Base64 => ImageForm::Base64,
                Form::DataUri => ImageForm::DataUri,
                Form::Url => ImageForm::Url,
                Form::UrlObject => ImageForm::UrlObject,
            },
            seed: self.seed,
            ..RunPodOptions::default()
        }
    }

    fn supabase(&self) -> SupabaseOptions {
        let options = SupabaseOptions::default();
        SupabaseOptions {
            bind: SocketAddr::new(self.bind, self.supabase_port),
            signing: match self.signing {
                Algorithm::Es256 => Signing::Es256,
                Algorithm::Hs256 => Signing::Hs256,
            },
            jwt_secret: self.jwt_secret.clone().unwrap_or(options.jwt_secret),
            database_url: self.database_url.clone(),
            storage_dir: self.storage_dir.clone(),
            seed: self.seed,
            ..options
        }
    }

    fn payments(&self) -> PaymentsOptions {
        PaymentsOptions {
            bind: SocketAddr::new(self.bind, self.payments_port),
            webhook_url: self.payments_webhook.clone(),
            seed: self.seed,
            ..PaymentsOptions::default()
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runpod = RunPodSim::start(arguments.runpod())
        .with_context(|| format!("RunPod's simulator cannot listen on port {}", arguments.runpod_port))?;
    let supabase = SupabaseSim::start(arguments.supabase())
        .with_context(|| format!("Supabase's simulator cannot start on port {}", arguments.supabase_port))?;
    let payments = PaymentsSim::start(arguments.payments())
        .with_context(|| format!("the simulator of payments cannot listen on port {}", arguments.payments_port))?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    say(&json!({
        "simulator": "runpod", "api_url": runpod.api_url(), "control_url": format!("{}/_sim", runpod.base_url()),
        "api_key": runpod.api_key(), "worker_key": runpod.worker_key(),
    }))?;
    say(&json!({
        "simulator": "supabase", "url": supabase.url(), "control_url": format!("{}/_sim", supabase.url()),
        "issuer": supabase.issuer(), "anon_key": supabase.anon_key(), "service_key": supabase.service_key(),
        "secret_key": supabase.secret_key(), "publishable_key": supabase.publishable_key(), "jwt_secret": supabase.jwt_secret(),
    }))?;
    say(&json!({
        "simulator": "payments", "url": payments.url(), "control_url": format!("{}/_sim", payments.url()),
        "secret_key": payments.secret_key(), "webhook_secrets": payments.webhook_secrets(),
    }))?;

    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Prints one line at once: who started this reads it from a pipe.
fn say(line: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
