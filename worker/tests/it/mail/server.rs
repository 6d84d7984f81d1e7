//! A genuine SMTP server in Python, which tests tell what to do. Where it cannot be had its tests are skipped, each with
//! the reason.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// How scripts say that what they need is not to be had here.
const EXIT_SKIP: i32 = 75;

/// A mail as the server took it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// By name in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Ends when dropped.
pub(crate) struct MailServer {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(crate) port: u16,
}

impl MailServer {
    /// One that takes every mail, without TLS; `None`, with the reason shown, where there is no Python for it.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// One with a certificate and its key; with `starttls` after them, that begins in the clear.
    pub(crate) fn start_with(arguments: &[&str]) -> Option<Self> {
        let folder = checkout().join("simulators/genuine/mail");
        let python = python(&folder)?;
        let mut child = Command::new(python)
            .arg(folder.join("server.py"))
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { child, commands, answers, port: 0 };
        server.port = server.ask("start");
        Some(server)
    }

    /// From now on it does as its mode says: `MODES` in `server.py`.
    pub(crate) fn mode(&mut self, mode: &str) {
        let _: String = self.ask(&format!("mode {mode}"));
    }

    pub(crate) fn stop(&mut self) {
        let _: String = self.ask("stop");
    }

    pub(crate) fn start_again(&mut self) {
        assert_eq!(self.ask::<u16>("start"), self.port);
    }

    /// All that it took so far.
    pub(crate) fn mails(&mut self) -> Vec<Received> {
        self.ask("mails")
    }

    /// Recipients that were named so far, whatever became of them.
    pub(crate) fn dialogues(&mut self) -> u32 {
        self.ask("dialogues")
    }

    /// Who logged in so far.
    pub(crate) fn logins(&mut self) -> Vec<String> {
        self.ask("logins")
    }

    fn ask<T: DeserializeOwned>(&mut self, command: &str) -> T {
        writeln!(self.commands, "{command}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{command}: {error}: {answer}"))
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn python(folder: &Path) -> Option<PathBuf> {
    let made = Command::new(checkout().join("scripts/python-env")).arg(folder).output().unwrap();
    let (said, reason) = (String::from_utf8(made.stdout).unwrap(), String::from_utf8(made.stderr).unwrap());
    match made.status.code() {
        Some(0) => Some(Path::new(said.trim_end()).join("bin/python")),
        Some(EXIT_SKIP) => {
            // Not by eprintln: the harness keeps what a test that passes prints.
            let skipped =
                format!("SKIPPED: {}: {}\n", std::thread::current().name().unwrap_or("a test"), reason.trim_end());
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            None
        }
        _ => panic!("scripts/python-env: {reason}"),
    }
}
