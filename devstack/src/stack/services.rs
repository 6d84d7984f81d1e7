//! The API and the workers of a stack: what they are told, and how they are started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use url::Url;

use super::child::Child;
use super::database::Database;
use super::settings;

/// How long the processes together may take to be ready.
const READY_PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Services {
    pub(super) api_url: Url,
    /// What all of them are told, but for where the database and their metrics are.
    pub(super) common: Vec<(String, String)>,
    /// The API's, then the workers'.
    pub(super) metrics: Vec<SocketAddr>,
    /// Where their logs go.
    pub(super) log: PathBuf,
}

impl Services {
    /// Starts all of them on `database` and waits until they are ready.
    pub(super) async fn start(&self, database: &Database) -> anyhow::Result<Vec<Child>> {
        let mut children = Vec::new();
        for (number, metrics) in self.metrics.iter().enumerate() {
            let settings = settings::with(&self.common, "METRICS_BIND", metrics);
            children.push(if number == 0 {
                Child::spawn(&self.log, "api", ("shootx-api", &["serve"]), &database.api_settings(settings))?
            } else {
                let settings = database.worker_settings(settings);
                Child::spawn(&self.log, &format!("worker-{number}"), ("shootx-worker", &["run"]), &settings)?
            });
        }
        ready(&mut children, &self.api_url, &self.metrics).await?;
        Ok(children)
    }
}

async fn ready(children: &mut [Child], api_url: &Url, metrics: &[SocketAddr]) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
    let readyz = api_url.join("/readyz")?;
    let deadline = Instant::now() + READY_PATIENCE;
    for (child, bind) in children.iter_mut().zip(metrics) {
        let is_api = child.name() == "api";
        child
            .ready(deadline, async || {
                let answers = std::net::TcpStream::connect_timeout(bind, Duration::from_millis(200)).is_ok();
                answers
                    && (!is_api
                        || http.get(readyz.clone()).send().await.is_ok_and(|answer| answer.status().is_success()))
            })
            .await?;
    }
    Ok(())
}
