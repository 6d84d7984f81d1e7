//! A correction of one balance, by hand.

use std::process::ExitCode;

use shared::credits::Credits;
use shared::ids::UserId;
use shared::ledger::{self, Adjusted, Adjustment, Key, Reason};
use sqlx::PgPool;

use super::{OperationError, seconds};

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

pub(super) async fn adjust(pool: &PgPool, asked: Correction) -> Result<ExitCode, OperationError> {
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
