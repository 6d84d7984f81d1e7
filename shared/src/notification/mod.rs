//! Telling users by mail how their generations ended. [`letter`], [`unsubscribe`] and the rules are pure, the rest is SQL.
//!
//! A row for each end of a generation is the truth; a job of the queue `notify` carries a user's id and is only a wake-up.
//! A user's first waiting row wakes their mailing after [`GATHER`]; one mail then tells of all rows that wait.
//!
//! A mail goes out at most once, unless the answer of the mail server to the whole of it was lost: before anything is
//! sent, one transaction gives the mail its id and its rows, and whoever sends it again sends the same, under the same
//! Message-ID.

pub mod letter;
pub mod mailing;
mod rows;
mod rules;
mod store;
pub mod unsubscribe;
mod wake;

use std::time::Duration;

pub use mailing::{Ended, Mail, Taken};
pub use rules::End;
pub use store::{note, stop};
pub use wake::wake_sleeping;

/// How long a user's first row waits for others.
pub const GATHER: Duration = Duration::from_secs(60);
/// What would be told later than this after the end of a generation is not told: neither a long outage nor mail that is
/// switched on floods anybody.
pub const LATE_MAX: Duration = Duration::from_hours(24);
/// How long one worker has a user's mailing to itself. Longer than a dialogue with the mail server may take.
pub const LEASE: Duration = Duration::from_mins(3);
/// Rows one mail takes; what is left goes into the next.
pub const ROWS_MAX: i64 = 1000;
/// Generations a mail names; of the others it says how many there are.
pub const NAMED_MAX: i64 = 50;

/// Whether whoever asked for a generation is told how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// By mail, unless they unsubscribed.
    ByMail,
    /// Not at all: they did it themselves, or mail is off.
    Nobody,
}
