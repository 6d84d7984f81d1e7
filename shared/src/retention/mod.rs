//! What is kept for how long, and how it is removed: outputs past their time, what users delete, pictures that nothing
//! refers to, and rows that nobody asks for any more.
//!
//! A picture goes in two steps. First one transaction takes it out of the rows that name it and notes its path in
//! `gateway.stored_object`; then [`remove_noted`] claims noted paths, deletes the objects, and forgets the notes. From
//! the first step on no link to it is given out; whoever stops at any line leaves notes that the next round works off.
//! Nothing goes that a run which is not final reads, or that a request named a moment ago ([`IN_FLIGHT`]).

mod account;
mod delete;
mod expiry;
mod object;
mod place;
mod round;
mod rows;
mod scan;
mod schedule;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;

use crate::images::StoreError;

pub use account::remove_accounts;
pub use delete::{DeleteError, delete_generation};
pub use object::{forget_uses, forget_uses_of, remove_noted};
pub use round::{Settings, clean_up, clean_up_hourly, remove_requested};
pub use rows::purge;
pub use schedule::{age, begin_if_due};

/// How long inputs and uploads are kept that no generation refers to.
pub const INPUTS_KEPT: TimeDelta = TimeDelta::days(7);
/// Objects younger than this are no orphans: their rows may still be on their way.
pub const ORPHANS_KEPT: TimeDelta = TimeDelta::hours(24);
/// How long the plan of a subscription counts after its end.
pub const PLAN_GRACE: TimeDelta = TimeDelta::days(30);
/// Longer than a request takes from naming a picture to being accepted or refused.
pub const IN_FLIGHT: TimeDelta = TimeDelta::minutes(5);
/// How long it is kept that a request named a picture: twice [`IN_FLIGHT`]. A request that is refused for its pictures forgets it at once.
pub const USES_KEPT: TimeDelta = TimeDelta::minutes(10);
/// How long events of a generation are kept after it was settled.
pub const EVENTS_KEPT: TimeDelta = TimeDelta::days(90);
/// How long events of the provider of payments are kept after they were followed up. It lists 30 days, and what is
/// purged must not be found there again.
pub const PAYMENT_EVENTS_KEPT: TimeDelta = TimeDelta::days(90);
/// How long a checkout is kept that nobody paid, after it expired.
pub const PURCHASES_KEPT: TimeDelta = TimeDelta::days(30);
/// Notifications that were sent or given up.
pub const NOTIFICATIONS_KEPT: TimeDelta = TimeDelta::days(30);
/// How long jobs are kept that were done.
pub const JOBS_DONE_KEPT: Duration = Duration::from_hours(24);
/// How long jobs are kept that failed or were killed: somebody may want to know why.
pub const JOBS_FAILED_KEPT: Duration = Duration::from_hours(24 * 30);
/// How long workers are kept that no job refers to and that show no life.
pub const WORKERS_KEPT: Duration = Duration::from_hours(1);

/// Rows of one statement, and objects of one call.
const BATCH: i64 = 1_000;
/// Batches of one kind in one round; what is left waits for the next.
const BATCHES_MAX: usize = 100;

/// Something that is cleaned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, derive_more::FromStr)]
#[serde(rename_all = "snake_case")]
#[from_str(rename_all = "snake_case")]
pub enum Kind {
    /// Outputs older than their user's plan or the setting keeps them.
    ExpiredOutputs,
    /// Pictures of generations that their users deleted.
    DeletedGenerations,
    /// Inputs and uploads that no kept generation refers to.
    UnusedInputs,
    /// Objects that belong to no user, or to no output of a generation.
    Orphans,
    /// The folders of users who are gone.
    RemovedUsers,
    /// Idempotency keys that have expired.
    IdempotencyKeys,
    /// Quotes that have expired.
    Quotes,
    /// What happened to generations long settled.
    Events,
    /// What the provider of payments told, followed up long ago.
    PaymentEvents,
    /// Checkouts that nobody paid.
    Purchases,
    /// What users were told by mail, or would have been.
    Notifications,
    /// Rows of the queue's workers that are gone.
    Workers,
    /// Rows of the queue's jobs that ended.
    Jobs,
}

impl Kind {
    /// Every kind, in the order in which a round takes them.
    pub const ALL: [Self; 13] = [
        Self::IdempotencyKeys,
        Self::Quotes,
        Self::Events,
        Self::PaymentEvents,
        Self::Purchases,
        Self::Notifications,
        Self::Workers,
        Self::Jobs,
        Self::RemovedUsers,
        Self::ExpiredOutputs,
        Self::DeletedGenerations,
        Self::UnusedInputs,
        Self::Orphans,
    ];

    /// The kind as rows, metrics and commands name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExpiredOutputs => "expired_outputs",
            Self::DeletedGenerations => "deleted_generations",
            Self::UnusedInputs => "unused_inputs",
            Self::Orphans => "orphans",
            Self::RemovedUsers => "removed_users",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::Quotes => "quotes",
            Self::Events => "events",
            Self::PaymentEvents => "payment_events",
            Self::Purchases => "purchases",
            Self::Notifications => "notifications",
            Self::Workers => "workers",
            Self::Jobs => "jobs",
        }
    }

    /// Whether its removal is noted in `gateway.stored_object`.
    const fn is_noted(self) -> bool {
        matches!(self, Self::ExpiredOutputs | Self::DeletedGenerations | Self::UnusedInputs | Self::Orphans)
    }
}

/// Whether things are removed or only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is changed.
    Look,
    /// What may go goes.
    Apply,
}

/// How much of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Amount {
    /// Rows or objects.
    pub count: u64,
    /// What the objects take in the store; 0 for rows.
    pub bytes: u64,
}

impl Amount {
    fn of(count: i64, bytes: i64) -> Self {
        Self { count: u64::try_from(count).unwrap_or(0), bytes: u64::try_from(bytes).unwrap_or(0) }
    }

    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
    }
}

/// What a round removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Of each kind that was looked at.
    pub kinds: BTreeMap<Kind, Amount>,
    /// Objects of the store whose paths are none of ours; they are left alone.
    pub unexpected: u64,
    /// Whether the list of the store was read to its end, where it was read.
    pub scanned_to_end: bool,
}

impl Report {
    fn add(&mut self, kind: Kind, amount: Amount) {
        self.kinds.entry(kind).or_default().add(amount);
    }

    /// Whether a bound of one round may have cut it short.
    #[must_use]
    pub fn may_have_more(&self) -> bool {
        let bound = BATCH.unsigned_abs() * BATCHES_MAX as u64;
        let scanned = [Kind::UnusedInputs, Kind::Orphans].iter().any(|kind| self.kinds.contains_key(kind));
        (scanned && !self.scanned_to_end) || self.kinds.values().any(|amount| amount.count >= bound)
    }

    /// What there was of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Amount {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }
}

/// Why a round stopped. What it did stays done, and the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// The image store did not do as asked.
    #[error("the image store failed")]
    Store(#[from] StoreError),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Repeats a statement as long as it finds a full [`BATCH`], at most [`BATCHES_MAX`] times; returns how many rows that
/// were.
///
/// # Errors
/// Whatever the statement says; what was done stays done.
pub async fn in_batches<Fut>(statement: impl Fn(i64) -> Fut) -> Result<i64, sqlx::Error>
where
    Fut: Future<Output = Result<i64, sqlx::Error>>,
{
    let mut rows = 0;
    for _ in 0..BATCHES_MAX {
        let batch = statement(BATCH).await?;
        rows += batch;
        if batch < BATCH {
            break;
        }
    }
    Ok(rows)
}

/// Seconds, as statements take them.
fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}
