//! What the providers' own clients need: installed outside the checkout by our scripts, once for all tests. Where it cannot be had,
//! the tests that need it are skipped, each with the reason.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// How scripts say that what they need is not to be had here.
const EXIT_SKIP: i32 = 75;

/// What the script prints; why it cannot work here, where it cannot.
pub(crate) fn installed(script: &str, arguments: &[&OsStr]) -> Result<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(script);
    let made = Command::new(path).args(arguments).output().unwrap();
    let (said, reason) = (String::from_utf8(made.stdout).unwrap(), String::from_utf8(made.stderr).unwrap());
    match made.status.code() {
        Some(0) => Ok(said.trim_end().to_owned()),
        Some(EXIT_SKIP) => Err(reason.trim_end().to_owned()),
        _ => panic!("scripts/{script}: {reason}"),
    }
}

/// Says that a test is skipped, and why.
pub(crate) fn say_skipped(what: &str, reason: &str) {
    // Not by eprintln: the harness keeps what a test that passes prints.
    std::io::stderr().write_all(format!("SKIPPED: {what}: {reason}\n").as_bytes()).unwrap();
}
