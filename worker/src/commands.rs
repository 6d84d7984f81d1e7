//! What operators ask and do from the command line.

use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Subcommand;
use shared::credits::Credits;
use shared::db::{self, DatabaseError};
use shared::ids::UserId;
use shared::ledger::{self, AdjustError, Adjusted, Adjustment, Anomaly, Key, Reason};
use sqlx::PgPool;

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
    /// Correct a user's balance, with an entry that says why
    Adjust(Correction),
}

#[derive(Debug, clap::Args)]
pub struct Correction {
    /// The user's id
    #[arg(long, value_name = "UUID")]
    user: UserId,
    /// What to add; what to take, if it is negative
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    credits: i32,
    /// Why, in at most 500 characters; the user reads it beside the entry
    #[arg(long, value_name = "TEXT")]
    reason: Reason,
    /// What it is for, such as a ticket: the same key does it once, however often it is asked for
    #[arg(long, value_name = "TEXT")]
    key: Option<Key>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Why an operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the anomalies cannot be listed")]
    Anomalies(#[source] sqlx::Error),
    #[error("nothing was written")]
    Adjust(#[from] AdjustError),
    #[error("the anomalies cannot be printed")]
    Json(#[from] serde_json::Error),
}

impl Operation {
    /// Does it, and prints what came of it.
    ///
    /// # Errors
    /// [`OperationError`] says why not.
    pub async fn run(self, pool: &PgPool) -> Result<ExitCode, OperationError> {
        db::ensure_current(pool).await?;
        match self {
            Self::Anomalies { json, all } => list_anomalies(pool, json, all).await,
            Self::Adjust(correction) => adjust(pool, correction).await,
        }
    }
}

async fn list_anomalies(pool: &PgPool, json: bool, all: bool) -> Result<ExitCode, OperationError> {
    let books = ledger::books(pool).await.map_err(OperationError::Anomalies)?;
    let anomalies = ledger::list_anomalies(pool, all).await.map_err(OperationError::Anomalies)?;
    match books.age_seconds {
        Some(age) => eprintln!("the books were read {age:.0} seconds ago"),
        None => eprintln!("the books have never been read: does a worker run?"),
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&anomalies)?);
    } else {
        anomalies.iter().for_each(|anomaly| println!("{}", line(anomaly)));
    }
    let is_well = anomalies.iter().all(|anomaly| anomaly.ended_at.is_some());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(anomaly: &Anomaly) -> String {
    let Anomaly { id, kind, subject, observed, threshold, detail, first_seen_at, last_seen_at, ended_at } = anomaly;
    let about = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    let until = match ended_at {
        Some(at) => format!("ended {}", seconds(*at)),
        None => format!("last seen {}", seconds(*last_seen_at)),
    };
    let (kind, since) = (kind.as_str(), seconds(*first_seen_at));
    format!("{id}: {kind} of {subject}{about}: {observed}, threshold {threshold}; since {since}, {until}")
}

fn seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn adjust(pool: &PgPool, asked: Correction) -> Result<ExitCode, OperationError> {
    let Correction { user, credits, reason, key, dry_run } = asked;
    let key = key.unwrap_or_else(Key::generate);
    let adjustment = Adjustment { user_id: user, amount: Credits::new(credits), reason, key };
    let entry_key = adjustment.entry_key();
    let told = match ledger::adjust(pool, &adjustment, dry_run).await? {
        Adjusted::Repeated { at, balance } => {
            format!("nothing was done: {entry_key} was written at {}; the balance is {balance}", seconds(at))
        }
        Adjusted::Done { before, after } if dry_run => {
            format!("nothing was done: it would bring the balance from {before} to {after}")
        }
        Adjusted::Done { before, after } => {
            format!("{entry_key} brought the balance from {before} to {after}")
        }
    };
    println!("user {user}: {told}");
    Ok(ExitCode::SUCCESS)
}
