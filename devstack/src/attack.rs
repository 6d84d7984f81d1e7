//! Attacks that tests make, and what came of each: the rows of the table that `make test-security` prints.
//!
//! A test says what it tried, what must come of it, and what did. Where the two differ the test fails; either way the
//! row is kept if [`ROWS_VARIABLE`] names a folder.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// The folder in which rows are kept; `scripts/test-security` sets it and reads them.
pub const ROWS_VARIABLE: &str = "SHOOTX_ATTACK_ROWS";

/// What an attack is aimed at: the chapters of docs/security.md, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Rows and files of Supabase, as a browser reaches them.
    Rows,
    /// Access tokens.
    Tokens,
    /// `Idempotency-Key`: paying twice, or not at all.
    Payment,
    /// Rates, sizes, counts and time.
    Limits,
    /// What comes from outside: addresses, pictures, answers of the provider, words of customers.
    Content,
    /// Calls of the provider.
    Webhooks,
    /// What is on the wire, in headers and in logs.
    Transport,
    /// What tools find that know nothing of us.
    Tools,
}

impl Target {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "1 rows",
            Self::Tokens => "2 tokens",
            Self::Payment => "3 payment",
            Self::Limits => "4 limits",
            Self::Content => "5 content",
            Self::Webhooks => "6 webhooks",
            Self::Transport => "7 transport",
            Self::Tools => "8 tools",
        }
    }
}

/// Notes that `attack` was met as it must be.
///
/// # Panics
/// When `seen` is not `expected`, or the row cannot be kept.
#[track_caller]
pub fn is_met(target: Target, attack: impl Display, expected: impl Display, seen: impl Display) {
    let (attack, expected, seen) = (attack.to_string(), expected.to_string(), seen.to_string());
    if let Some(folder) = std::env::var_os(ROWS_VARIABLE) {
        keep(Path::new(&folder), &[target.as_str(), &attack, &expected, &seen]);
    }
    hold(&attack, &expected, &seen);
}

#[track_caller]
fn hold(attack: &str, expected: &str, seen: &str) {
    assert_eq!(seen, expected, "{attack}");
}

/// What the running test is called, in words: what it tries.
///
/// # Panics
/// Outside of a test, whose thread has its name.
#[must_use]
pub fn this_test() -> String {
    let thread = std::thread::current();
    let name = thread.name().expect("a test's thread has its name");
    name.rsplit("::").next().unwrap_or(name).replace('_', " ")
}

/// One line in the file of this process: a single write to its end, so that tests beside each other do not mix.
fn keep(folder: &Path, columns: &[&str]) {
    let columns: Vec<_> = columns.iter().map(|column| column.replace(['\t', '\n', '\r'], " ")).collect();
    let line = format!("{}\n", columns.join("\t"));
    let file = folder.join(format!("{}.tsv", std::process::id()));
    let kept =
        OpenOptions::new().create(true).append(true).open(file).and_then(|mut file| file.write_all(line.as_bytes()));
    kept.expect("the folder of the rows can be written");
}

#[cfg(test)]
mod tests {
    use super::hold;

    #[test]
    #[should_panic(expected = "a token signed by nobody")]
    fn an_attack_that_is_met_otherwise_fails() {
        hold("a token signed by nobody", "401", "200");
    }
}
