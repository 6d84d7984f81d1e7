//! Where the server's programs are: on the PATH, in the package's directories, or installed now.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::PostgresError;
use super::server_user::{ServerUser, is_root};

/// The oldest major version our schema is written for.
const MAJOR_MIN: u32 = 15;
/// Directories that packages keep one version in each, beside the PATH.
const PACKAGE_ROOTS: [&str; 2] = ["/usr/lib/postgresql", "/usr/local/opt"];
/// Seconds the package manager waits for a mirror, and for another package manager to finish.
const APT_OPTIONS: [&str; 4] = ["-o", "Acquire::http::Timeout=30", "-o", "DPkg::Lock::Timeout=60"];

#[derive(Debug, Clone)]
pub(super) struct Binaries {
    dir: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    /// The newest usable version, installed by the system's package manager if there is none.
    pub(super) fn find_or_install() -> Result<Self, PostgresError> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        install()?;
        Self::find().ok_or_else(|| not_installed("the package installed none"))
    }

    fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path: Vec<Self> = std::env::split_paths(&path).filter_map(|dir| Self::at(&dir)).collect();
        let packaged = PACKAGE_ROOTS.iter().filter_map(|root| std::fs::read_dir(root).ok()).flatten().flatten();
        let packaged = packaged.filter_map(|entry| Self::at(&entry.path().join("bin"))).max_by_key(|found| found.major);
        on_path.into_iter().next().or(packaged)
    }

    /// The programs in `dir`, if it has all of them and they are new enough.
    fn at(dir: &Path) -> Option<Self> {
        let complete = ["postgres", "initdb", "pg_ctl"].iter().all(|program| dir.join(program).is_file());
        if !complete {
            return None;
        }
        let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
        let major = major_version(&String::from_utf8(output.stdout).ok()?)?;
        (major >= MAJOR_MIN).then(|| Self { dir: dir.to_owned(), major })
    }

    /// Where a program is that may be absent: beside the server, also where the server is but linked to, or on the PATH.
    pub(super) fn path(&self, program: &str) -> Option<PathBuf> {
        let linked = std::fs::canonicalize(self.dir.join("postgres")).ok();
        let packaged = linked.as_deref().and_then(Path::parent).map(Path::to_owned);
        let search = std::env::var_os("PATH").unwrap_or_default();
        let dirs = [self.dir.clone()].into_iter().chain(packaged).chain(std::env::split_paths(&search));
        dirs.map(|dir| dir.join(program)).find(|path| path.is_file())
    }

    /// One of the programs, run as `user`.
    pub(super) fn command(&self, user: ServerUser, program: &str) -> Command {
        user.command(self.dir.join(program))
    }
}

/// The 15 of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major_version(answer: &str) -> Option<u32> {
    let number = answer.split(' ').nth(2)?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Installs the distribution's package, as root or by a sudo that asks for no password.
fn install() -> Result<(), PostgresError> {
    let succeeds = |command: &mut Command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    if !succeeds(Command::new("apt-get").arg("--version")) {
        return Err(not_installed("there is no apt-get to install it with"));
    }
    let mut prefix = Vec::new();
    if !is_root() {
        if !succeeds(Command::new("sudo").args(["-n", "true"])) {
            return Err(not_installed("installing it needs root or a sudo without password"));
        }
        prefix = vec!["sudo", "-n"];
    }
    eprintln!("installing PostgreSQL with apt-get, once");
    for step in [&["update", "-qq"][..], &["install", "-y", "-qq", "--no-install-recommends", "postgresql"][..]] {
        let mut words = prefix.clone();
        words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        words.extend(APT_OPTIONS);
        words.extend(step);
        if !succeeds(Command::new(words[0]).args(&words[1..])) {
            return Err(not_installed(&format!("`apt-get {}` failed", step.join(" "))));
        }
    }
    Ok(())
}

fn not_installed(reason: &str) -> PostgresError {
    PostgresError::NotInstalled { minimum: MAJOR_MIN, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::major_version;

    #[test]
    fn the_major_version_is_read_from_any_packager_s_answer() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 17beta1\n"), Some(17));
        assert_eq!(major_version("something else"), None);
    }
}
