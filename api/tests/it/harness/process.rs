//! The API as a program of its own: for what only a process can show, such as dying.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use url::Url;

use super::Stack;

/// How long the program may take to be ready, on a machine that is busy.
const READY_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running `shootx-api`. Dropping it kills it.
pub(crate) struct ApiProcess {
    pub(crate) base: Url,
    folder: TempDir,
    child: Child,
}

impl Stack {
    /// The program with the settings of this stack, and those of `changes`, on the same database; ready to answer.
    pub(crate) async fn process(&self, changes: &[(&str, &str)]) -> ApiProcess {
        // Held until the program is about to take it.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        let folder = TempDir::new().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_shootx-api"));
        command.env_clear().envs(&self.vars).envs(changes.iter().copied());
        command.env("API_BIND", &address).env("METRICS_BIND", "127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        drop(free);
        let child = command.spawn().unwrap();
        let mut process = ApiProcess { base: format!("http://{address}").parse().unwrap(), folder, child };
        process.ready().await;
        process
    }
}

impl Stack {
    /// What the program's own health check says of whoever listens on `address`.
    pub(crate) async fn healthcheck(&self, address: &Url) -> Result<(), String> {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_shootx-api"));
        command.arg("healthcheck").env_clear().envs(&self.vars).env("API_BIND", address.authority());
        let ended = command.output().await.unwrap();
        if ended.status.success() { Ok(()) } else { Err(String::from_utf8(ended.stderr).unwrap()) }
    }
}

impl ApiProcess {
    async fn ready(&mut self) {
        let begun = Instant::now();
        while !reqwest::get(self.base.join("/readyz").unwrap()).await.is_ok_and(|answer| answer.status() == 200) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && begun.elapsed() < READY_PATIENCE, "{ended:?}: {}", self.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends it without a word, as the loss of its machine would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as a supervisor does.
    pub(crate) fn terminate(&self) {
        let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status().unwrap();
        assert!(told.success());
    }

    /// Waits for its end, and says how it ended.
    pub(crate) async fn ended_within(&mut self, patience: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < patience, "still there after {patience:?}: {}", self.log());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The most memory it has held so far, in bytes.
    pub(crate) fn memory_peak(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// All that it has written.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for ApiProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
