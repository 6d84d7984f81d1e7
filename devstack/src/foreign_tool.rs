//! Programs of others that tests run, as `scripts/node-env` and `scripts/python-env` bring them. What cannot be had
//! here is named, and its test skipped.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

/// How scripts say that what they need is not to be had here.
const EXIT_SKIP: i32 = 75;
/// How long a tool may run, once it is installed. It takes seconds.
const TOOL_MAX: Duration = Duration::from_secs(120);
/// How long a tool may take with being installed.
const INSTALL_MAX: Duration = Duration::from_secs(400);

/// Where the sources are.
///
/// # Panics
/// When they have gone.
#[must_use]
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the sources are where they were built")
}

/// Whether a program is installed; if not, prints that, because a test then checks less.
pub async fn is_installed(program: &str) -> bool {
    let mut version = Command::new(program);
    version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = version.status().await.is_ok_and(|ended| ended.success());
    if !is_there {
        say_skipped(&format!("{program} is not installed"));
    }
    is_there
}

/// A command that ends with the test.
pub fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    // A proxy of the machine leads nowhere from here.
    command.envs(["NO_PROXY", "no_proxy"].map(|name| (name, "127.0.0.1")));
    command
}

/// How the command ends.
///
/// # Panics
/// When it does not, or cannot be started.
pub async fn end(mut command: Command, within: Duration) -> Output {
    let ended = tokio::time::timeout(within, command.output()).await.expect("the tool does not end");
    ended.expect("the tool can be started")
}

/// What the command prints, if it succeeds.
///
/// # Panics
/// When it fails, with what it says.
pub async fn output(command: Command) -> String {
    let shown = format!("{command:?}");
    let output = end(command, TOOL_MAX).await;
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{said}{complaint}");
    said.into_owned()
}

/// What a script of ours prints; `None`, with its reason shown, where it cannot work here.
///
/// # Panics
/// When it fails otherwise, with what it says.
pub async fn script(name: &str, arguments: &[&OsStr]) -> Option<String> {
    let mut command = command(checkout().join("scripts").join(name), &checkout());
    command.args(arguments);
    let output = end(command, INSTALL_MAX).await;
    let (said, reason) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(EXIT_SKIP) {
        say_skipped(&format!("scripts/{name}: {}", reason.trim_end()));
        return None;
    }
    assert!(output.status.success(), "scripts/{name}\n{said}{reason}");
    Some(said.into_owned())
}

/// Not by eprintln: the harness keeps what a test that passes prints.
fn say_skipped(reason: &str) {
    let _ = std::io::stderr().write_all(format!("SKIPPED: {reason}\n").as_bytes());
}
