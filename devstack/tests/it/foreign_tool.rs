//! Programs of others that these tests run, each in a folder of its own.

use std::path::{Path, PathBuf};

pub(crate) use devstack::foreign_tool::{checkout, command, end, output, script};

/// A folder for one test, empty.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-tools").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
