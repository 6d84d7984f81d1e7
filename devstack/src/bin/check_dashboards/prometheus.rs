//! A Prometheus of our own that reads the metrics of a running system every second, and what it answers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use devstack::stack::Metrics;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use uuid::Uuid;

/// Rates need two samples, and a check has a minute.
const SCRAPE_EVERY: &str = "1s";
const READY_PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Ended, and its files removed, when this is dropped.
pub(super) struct Prometheus {
    http: reqwest::Client,
    url: String,
    _process: Child,
    _dir: Scratch,
}

/// A rule as Prometheus has read it.
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) query: String,
    pub(super) is_healthy: bool,
    pub(super) error: String,
    /// Whether it wakes somebody now.
    pub(super) pages: bool,
}

impl Prometheus {
    /// Starts it on a free port, with the rules of a folder, and waits until it answers.
    pub(super) async fn start(bin: &Path, rules: &Path, metrics: &Metrics) -> anyhow::Result<Self> {
        let dir = Scratch::make()?;
        let config = dir.0.join("prometheus.yml");
        std::fs::write(&config, configuration(rules, metrics))?;
        // Whoever takes the port in between makes the start fail, and is named in its log.
        let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log_file = dir.0.join("log");
        let log = std::fs::File::create(&log_file)?;
        let mut process = Command::new(bin.join("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.0.join("data").display()))
            .arg(format!("--web.listen-address={listen}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("prometheus cannot be started")?;
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_TIMEOUT).build()?;
        let url = format!("http://{listen}");
        let deadline = Instant::now() + READY_PATIENCE;
        while !http.get(format!("{url}/-/ready")).send().await.is_ok_and(|answer| answer.status().is_success()) {
            if process.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("prometheus does not run: {}", std::fs::read_to_string(&log_file)?);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Self { http, url, _process: process, _dir: dir })
    }

    /// How many series a query finds that have a number. A query that cannot be asked is an error.
    pub(super) async fn count(&self, query: &str) -> anyhow::Result<usize> {
        let data = self.get("query", &[("query", query)]).await?;
        match data["resultType"].as_str() {
            Some("vector") => Ok(data["result"].as_array().map_or(0, |series| {
                series.iter().filter(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN")).count()
            })),
            other => bail!("a query answers with a {other:?}, not with series"),
        }
    }

    /// All rules, those that record included.
    pub(super) async fn rules(&self) -> anyhow::Result<Vec<Rule>> {
        let data = self.get("rules", &[]).await?;
        let groups = data["groups"].as_array().context("groups of rules")?;
        let rules: Vec<_> =
            groups.iter().filter_map(|group| group["rules"].as_array()).flatten().map(Rule::read).collect();
        ensure!(!rules.is_empty(), "Prometheus has no rules");
        Ok(rules)
    }

    /// Whether promtool finds fault with what each process shows: names, units, help texts.
    pub(super) async fn check_metrics(&self, bin: &Path, metrics: &Metrics) -> anyhow::Result<()> {
        for bind in [&[metrics.api][..], &metrics.workers].concat() {
            let page = self.http.get(format!("http://{bind}/metrics")).send().await?.error_for_status()?.text().await?;
            let mut promtool = Command::new(bin.join("promtool"))
                .args(["check", "metrics"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .context("promtool cannot be started")?;
            let mut stdin = promtool.stdin.take().context("promtool reads")?;
            stdin.write_all(page.as_bytes()).await?;
            drop(stdin);
            let said = promtool.wait_with_output().await?;
            let faults = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
            ensure!(said.status.success(), "promtool finds fault with the metrics of {bind}:\n{faults}");
        }
        println!("promtool check metrics: no fault in what {} processes show", 1 + metrics.workers.len());
        Ok(())
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let answer = self.http.get(format!("{}/api/v1/{path}", self.url)).query(query).send().await?;
        let body: Value = serde_json::from_str(&answer.text().await?).context("an answer of Prometheus")?;
        ensure!(body["status"] == "success", "{}", body["error"]);
        Ok(body["data"].clone())
    }
}

impl Rule {
    fn read(rule: &Value) -> Self {
        let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
        Self {
            name: text("name"),
            query: text("query"),
            is_healthy: rule["health"] != "err",
            error: text("lastError"),
            pages: rule["state"] == "firing" && rule["labels"]["severity"] == "page",
        }
    }
}

/// The jobs are named as in production: rules and dashboards know them by name.
fn configuration(rules: &Path, metrics: &Metrics) -> String {
    let targets = |binds: &[SocketAddr]| binds.iter().map(|bind| format!("'{bind}'")).collect::<Vec<_>>().join(", ");
    format!(
        "global: {{ scrape_interval: {SCRAPE_EVERY}, evaluation_interval: {SCRAPE_EVERY} }}\n\
         rule_files: ['{}/*.yml']\n\
         scrape_configs:\n\
         - {{ job_name: shootx-api, static_configs: [{{ targets: [{}] }}] }}\n\
         - {{ job_name: shootx-worker, static_configs: [{{ targets: [{}] }}] }}\n",
        rules.display(),
        targets(&[metrics.api]),
        targets(&metrics.workers),
    )
}

/// A folder that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("shootx-prometheus-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
