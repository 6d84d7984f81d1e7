//! What operators ask and do from the command line: one file a command.

mod adjust;
mod anomalies;
mod cleanup;
mod explain;
mod health;
mod objects;
mod recover;

use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use serde::Serialize;
use shared::db::{self, DatabaseError};
use shared::ids::{GenerationId, UserId};
use shared::ledger::AdjustError;
use shared::retention::CleanupError;

use crate::objects::CopyError;
use crate::recovery::RecoverError;
use crate::state::WorkerState;

#[derive(Debug, Subcommand)]
pub enum Operation {
    /// Print what workers found odd about the money; exit 1 if any of it is open
    Anomalies {
        /// One JSON array of objects instead of lines
        #[arg(long)]
        json: bool,
        /// Those that are over, too
        #[arg(long)]
        all: bool,
    },
    /// Say whether the system does its work, as far as its rows tell; exit 1 if it does not
    Health {
        /// One JSON array of objects instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Tell what happened to a generation
    Explain {
        /// The generation's id
        generation: GenerationId,
        /// One JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    /// List what a user was given back, and why, the newest first
    Refunds {
        /// The user's id
        user: UserId,
        /// One JSON array of objects instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Correct a user's balance, with an entry that says why
    Adjust(adjust::Correction),
    /// Count what is kept no longer, or remove it
    Cleanup(cleanup::Cleanup),
    /// After a restore, before workers start: settle what was under way at the backup
    Recover(recover::Wish),
    /// Copy stored pictures, by the list of a backup
    #[command(subcommand)]
    Objects(objects::Copy),
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the rows cannot be read")]
    Read(#[source] sqlx::Error),
    #[error("nothing was written")]
    Adjust(#[from] AdjustError),
    #[error("cleaning up stopped; what was removed is gone, and a repeat goes on")]
    Cleanup(#[from] CleanupError),
    #[error("not everything is recovered")]
    Recover(#[from] RecoverError),
    #[error("pictures cannot be copied")]
    Objects(#[from] CopyError),
    #[error("it cannot be printed")]
    Json(#[from] serde_json::Error),
}

impl Operation {
    /// Does it, and prints what came of it.
    ///
    /// # Errors
    /// [`OperationError`] says why not.
    pub async fn run(self, state: &WorkerState) -> Result<ExitCode, OperationError> {
        let pool = &state.pool;
        db::ensure_current(pool).await?;
        match self {
            Self::Anomalies { json, all } => anomalies::list(pool, json, all).await,
            Self::Health { json } => health::show(pool, json).await,
            Self::Explain { generation, json } => explain::tell(pool, generation, json).await,
            Self::Refunds { user, json } => explain::refunds(pool, user, json).await,
            Self::Adjust(correction) => adjust::adjust(pool, correction).await,
            Self::Cleanup(asked) => cleanup::clean_up(state, asked).await,
            Self::Recover(wish) => recover::recover(state, wish).await,
            Self::Objects(copy) => objects::copy(state, copy).await,
        }
    }
}

/// Prints what was read: as JSON where that is asked for, else as `lines` does.
fn print<T: Serialize>(read: &T, json: bool, lines: impl FnOnce(&T)) -> Result<(), OperationError> {
    if json {
        println!("{}", serde_json::to_string_pretty(read)?);
    } else {
        lines(read);
    }
    Ok(())
}

fn seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
