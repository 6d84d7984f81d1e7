//! Every setting, read once at start from the environment, checked whole, secrets wrapped.
//!
//! `deploy/env.template` lists them all with their defaults; a test holds it against this module.
//! Each variable may instead be given as `NAME_FILE`, the path of a file that holds the value.

mod anomalies;
mod billing;
mod endpoints;
mod limits;
mod mail;
mod read;
mod reader;
mod retention;
mod rules;
mod secret;
mod traces;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

pub use billing::Billing;
pub use limits::ApiLimits;
pub use mail::{Mail, MailSecurity, MailServer};
use reader::Reader;
pub use traces::Traces;

use crate::ledger::Thresholds;
use crate::retention::Settings as Retention;
use crate::workflow::{Dialect, WorkflowType};

/// Which program reads the settings: each needs some of them, and has defaults of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// `shootx-api serve`
    Api,
    /// `shootx-worker run`
    Worker,
    /// `shootx-api migrate`: needs the database alone, reached as `MIGRATION_DATABASE_URL` if that is set.
    /// What else is absent is then empty, not an error.
    Migrate,
}

/// All settings of one process.
#[derive(Clone, Debug)]
pub struct Config {
    pub database: Database,
    /// Where RunPod and browsers reach the API; an origin, without a path.
    pub public_url: Url,
    /// The first signs webhook URLs, all of them verify.
    pub webhook_secrets: Vec<SecretString>,
    /// Whether RunPod is asked to call back; polling finds every result either way.
    pub webhooks_enabled: bool,
    pub supabase: Supabase,
    pub runpod: RunPodSettings,
    pub storage: Storage,
    pub api_bind: SocketAddr,
    /// How long the API goes on taking connections after it was told to stop, while it says that it is not ready.
    pub stop_notice: Duration,
    pub metrics_bind: SocketAddr,
    /// Steps one worker process runs at once, for each queue.
    pub worker_concurrency: usize,
    /// Megabytes of memory in which this process decodes and converts pictures, for all of them together.
    pub picture_memory_mb: u32,
    /// Origins that browsers may call from; empty refuses all cross-origin calls.
    pub cors_origins: Vec<String>,
    pub tls: Option<Tls>,
    pub log_format: LogFormat,
    pub limits: ApiLimits,
    /// From when on something about the money is odd.
    pub anomalies: Thresholds,
    /// How long outputs are kept, and whether workers remove what is not.
    pub retention: Retention,
    /// How credits are sold, where they are.
    pub billing: Option<Billing>,
    /// Where spans are sent, if anywhere.
    pub traces: Option<Traces>,
    /// How users are told that their generations ended, where they are.
    pub mail: Option<Mail>,
    /// Sign the links that stop such mails, also those sent before mail was switched off. Derived from the webhook secrets.
    pub unsubscribe_secrets: Vec<SecretString>,
    /// Settings that are allowed but probably not meant: to be logged at start.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Database {
    pub url: SecretString,
    /// Most connections this process opens.
    pub pool_max: u32,
    /// Longest time that the server may leave a message unanswered; then the connection is closed.
    pub silence_max: Duration,
}

#[derive(Clone, Debug)]
pub struct Supabase {
    pub url: Url,
    pub service_key: SecretString,
    /// The legacy HS256 secret; without it only the project's published keys are trusted.
    pub jwt_secret: Option<SecretString>,
    /// The `iss` that tokens must carry.
    pub jwt_issuer: String,
}

#[derive(Clone, Debug)]
pub struct RunPodSettings {
    pub api_url: Url,
    pub api_key: SecretString,
    /// The endpoint of every workflow that has none of its own.
    pub endpoint_default: String,
    /// The endpoints of workflows that have one of their own.
    pub endpoints: BTreeMap<WorkflowType, String>,
    /// The dialects of workflows whose endpoint does not speak what the catalogue says.
    pub dialects: BTreeMap<WorkflowType, Dialect>,
    /// Time that a job may take beyond its workflow's maximum, because its worker may have to boot first.
    pub cold_start: Duration,
    /// Hosts that result URLs may name; a leading dot admits subdomains. Empty: only inline pictures are taken.
    pub output_hosts: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageBackend {
    Supabase,
    Local,
}

#[derive(Clone, Debug)]
pub struct Storage {
    pub backend: StorageBackend,
    pub bucket: String,
    /// Where the local backend keeps its files; set whenever that backend is chosen.
    pub dir: Option<PathBuf>,
    /// Signs the local backend's links. Derived from the first webhook secret.
    pub link_secret: SecretString,
}

#[derive(Clone, Debug)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people at a terminal.
    Pretty,
}

/// Everything that is wrong with the settings, one line each, by name and without any value.
#[derive(Debug, thiserror::Error)]
#[error("{} wrong in the settings:\n  {}", problems.len(), problems.join("\n  "))]
pub struct ConfigErrors {
    pub problems: Vec<String>,
}

impl Config {
    /// Reads the process environment.
    ///
    /// # Errors
    /// Lists every missing or malformed setting at once.
    pub fn from_env(process: Process) -> Result<Self, ConfigErrors> {
        Self::from_vars(process, &|name| std::env::var(name).ok())
    }

    /// Reads settings through `lookup`, which answers for one name. An empty value counts as absent.
    ///
    /// # Errors
    /// Lists every missing or malformed setting at once.
    pub fn from_vars(process: Process, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(process, lookup);
        let config = Self::read(&mut reader);
        reader.finish(config)
    }
}
