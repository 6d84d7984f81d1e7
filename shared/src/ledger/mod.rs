//! The ledger: every change of a balance is a row that is never changed or deleted.
//!
//! At every commit `credits.balance` equals the sum of the user's `credit_transactions.amount` and is not
//! negative. A reservation is a negative `generation` entry, written by `generation::accept` with the run it
//! pays for; what is not delivered comes back as one `refund` entry, written by `generation::store` with the
//! settlement. `entry_key` is unique: that is what makes every entry happen once. What a reversal finds spent is a
//! [`debt`]. What differs from this, or is odd otherwise, is an [`Anomaly`]: found and told, never repaired.

mod adjust;
mod anomalies;
mod anomaly;
pub mod debt;
mod entry;
mod reconcile;
mod statement;
mod store;

pub use adjust::{AdjustError, Adjusted, Adjustment, Key, Reason, adjust};
pub use anomalies::{Books, READ_EVERY, books, list_anomalies, open_at_once, read_books};
pub use anomaly::{Anomaly, AnomalyKind, Thresholds};
pub use entry::EntryKind;
pub use reconcile::{Difference, reconcile};
pub use statement::{Entry, Standing, list_entries, standing};
pub use store::{NewEntry, add, balance, refund};
