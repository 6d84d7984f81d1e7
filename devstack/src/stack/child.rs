//! One of our services as a process: started, watched until it is ready, and ended.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::Command;

use super::places;

/// Pause between two looks at a process that is not ready yet.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The services' own 25 s of grace and a little more; then they are killed.
const STOP_PATIENCE: Duration = Duration::from_secs(28);
/// How much of its log is quoted when a process ends early.
const LOG_TAIL_BYTES: usize = 1_500;

/// A running service. Dropping it kills it.
pub struct Child {
    name: String,
    log: PathBuf,
    process: tokio::process::Child,
}

impl Child {
    /// Starts one of our programs with `settings` added to our own environment; its output goes to `{logs}/{name}.log`.
    ///
    /// # Errors
    /// When the program was not built, or its log cannot be written.
    pub fn spawn(
        logs: &Path,
        name: &str,
        (program, arguments): (&str, &[&str]),
        settings: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let process = tied_to_us(&places::program(program)?)
            .args(arguments)
            .envs(settings.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{program} cannot be started"))?;
        Ok(Self { name: name.to_owned(), log, process })
    }

    /// What it was named at its start.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of its process; `None` once that has ended.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits until `is_ready` says so.
    ///
    /// # Errors
    /// When it ends instead, or is not ready at the deadline.
    pub async fn ready(&mut self, deadline: Instant, is_ready: impl AsyncFn() -> bool) -> anyhow::Result<()> {
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("{}", self.obituary(status));
            }
            if is_ready().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{} is not ready after a minute; its log is {}", self.name, self.log.display());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the process has ended, and says why.
    pub async fn ended(&mut self) -> String {
        match self.process.wait().await {
            Ok(status) => self.obituary(status),
            Err(error) => format!("{} cannot be waited for: {error}", self.name),
        }
    }

    /// Asks it to end, waits for that, and kills it if it takes too long.
    pub async fn stop(&mut self) {
        let Some(pid) = self.process.id() else { return };
        terminate(pid).await;
        if tokio::time::timeout(STOP_PATIENCE, self.process.wait()).await.is_err() {
            eprintln!("{} did not stop in time and is killed", self.name);
            let _ = self.process.kill().await;
        }
    }

    fn obituary(&self, status: ExitStatus) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_TAIL_BYTES)..]).trim().to_owned();
        format!("{} ended with {status}: {tail}", self.name)
    }
}

/// A command whose process is told to end when ours dies, however it dies, where the system has `setpriv`.
fn tied_to_us(program: &Path) -> Command {
    let tie = ["--pdeathsig", "TERM"];
    let silent = |command: &mut std::process::Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if silent(std::process::Command::new("setpriv").args(tie).arg("true")).is_ok_and(|status| status.success()) {
        let mut command = Command::new("setpriv");
        command.args(tie).arg(program);
        return command;
    }
    Command::new(program)
}

/// SIGTERM, by the shell's own `kill`: small systems have no other.
async fn terminate(pid: u32) {
    let _ = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).stderr(Stdio::null()).status().await;
}
