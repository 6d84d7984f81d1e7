//! A receiver of traces that is not of our making: OpenTelemetry's own messages, read in Python.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::foreign_tool::{checkout, command, script};

/// How long a span may take from its end to the receiver: two seconds for its batch, and a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running receiver; ends when dropped.
pub struct OtlpReceiver {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to.
    pub endpoint: String,
    spans: Vec<Value>,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl OtlpReceiver {
    /// Starts one; `None`, with its reason shown, where what it needs cannot be had.
    ///
    /// # Panics
    /// When it cannot be started though it can be had.
    pub async fn start() -> Option<Self> {
        let folder = checkout().join("devstack/otlp-receiver");
        let environment = script("python-env", &[folder.as_os_str()]).await?;
        let mut receive = command(format!("{}/bin/python", environment.trim()), &folder);
        receive.arg("receive.py").stdout(Stdio::piped());
        let mut process = receive.spawn().expect("python can be started");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let port = lines.next_line().await.expect("a readable pipe").expect("the receiver tells its port");
        Some(Self { endpoint: format!("http://127.0.0.1:{port}"), spans: Vec::new(), lines, _process: process })
    }

    /// The first span that is as wanted, once it is there.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn span(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(span) = self.spans.iter().find(|span| wanted(span)) {
                return span.clone();
            }
            let next = tokio::time::timeout_at(deadline.into(), self.lines.next_line()).await;
            let Ok(line) = next else { panic!("no span of {what} among {:#?}", self.spans) };
            let line = line.expect("a readable pipe").expect("the receiver goes on");
            self.spans.push(serde_json::from_str(&line).expect("the receiver writes JSON"));
        }
    }

    /// All that came so far and was looked at.
    #[must_use]
    pub fn seen(&self) -> &[Value] {
        &self.spans
    }
}
