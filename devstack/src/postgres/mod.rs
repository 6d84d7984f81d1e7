//! A private Postgres: found or installed, started for one purpose, and stopped again.
//!
//! [`Cluster`] is the server, [`prepare()`] makes a Supabase-like database with our schema, [`TestDatabase`] is a copy of
//! such a database for one test. It listens on the loopback address alone and trusts whoever connects there.

mod binaries;
mod clock;
mod cluster;
mod prepare;
mod project;
mod server_user;
mod template;
mod test_database;

use std::path::PathBuf;

pub(crate) use clock::advance_clock;
pub use cluster::{Cluster, Purpose};
pub use prepare::{Service, ensure_login_roles, prepare};
pub use project::{Deployed, ProjectKind, STORAGE_SHIM, SUPABASE_SHIM, hosted_url};
pub use template::ensure_template;
pub use test_database::TestDatabase;

/// Names the server that tests use: the URL of its maintenance database.
pub const TEST_SERVER_VARIABLE: &str = "SHOOTX_TEST_POSTGRES";

/// Why there is no private Postgres.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    #[error(
        "PostgreSQL {minimum} or newer was not found and {reason}; install the package `postgresql`, or set DATABASE_URL"
    )]
    NotInstalled { minimum: u32, reason: String },
    #[error("{} holds a database of PostgreSQL {found}, but the server here is {installed}", dir.display())]
    OtherVersion { dir: PathBuf, found: String, installed: u32 },
    #[error("{program} failed: {detail}")]
    Command { program: String, detail: String },
    #[error("no directory that the database server's user can reach; set TMPDIR to one")]
    Unreachable,
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Schema(#[from] shared::db::DatabaseError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl PostgresError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
