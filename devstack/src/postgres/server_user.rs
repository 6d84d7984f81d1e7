//! Postgres refuses to run as root: then it runs as an unprivileged user, who must own and reach its files.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::PostgresError;

/// Tried in this order when we are root: the package's own user, then the one every system has.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Who the server runs as: ourselves, or another user when we are root.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerUser {
    other: Option<(u32, u32)>,
}

impl ServerUser {
    pub(super) fn choose() -> Result<Self, PostgresError> {
        if id(&["-u"]) != Some(0) {
            return Ok(Self { other: None });
        }
        let found = CANDIDATES.iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)));
        match found {
            Some(other) => Ok(Self { other: Some(other) }),
            None => Err(PostgresError::Command {
                program: "id".into(),
                detail: "running as root, and there is neither a user `postgres` nor `nobody` to run the server".into(),
            }),
        }
    }

    /// A command that runs as this user.
    pub(super) fn command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.other {
            // Our working directory may be closed to the other user.
            command.uid(uid).gid(gid).current_dir("/");
        }
        command
    }

    /// Makes `dir`, owned by this user. False when the user cannot reach it, because a parent is closed to others.
    pub(super) fn make_dir(self, dir: &Path) -> Result<bool, PostgresError> {
        std::fs::create_dir_all(dir).map_err(PostgresError::file(dir))?;
        if let Some((uid, gid)) = self.other {
            chown(dir, Some(uid), Some(gid)).map_err(PostgresError::file(dir))?;
        }
        let status =
            self.command("test").arg("-w").arg(dir).arg("-a").arg("-x").arg(dir).stderr(Stdio::null()).status();
        Ok(status.map_err(PostgresError::file(dir))?.success())
    }
}

/// Whether we are root, that is, whether the package manager can be called as it is.
pub(super) fn is_root() -> bool {
    id(&["-u"]) == Some(0)
}

/// The number that `id` answers, if the user is known.
pub(super) fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
