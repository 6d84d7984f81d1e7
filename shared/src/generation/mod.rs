//! A generation: one customer request to run one workflow, and its life from accept to settlement.
//!
//! [`lifecycle`] decides, [`store`] commits; [`mod@accept`], [`quote`], [`cancel`], [`webhook`] and [`read`] are
//! what the API calls, [`lease`] is what the worker's steps start with.

pub mod accept;
mod admit;
pub mod attempt;
mod backlog;
pub mod budget;
pub mod cancel;
mod estimate;
mod event;
pub mod lease;
pub mod lifecycle;
mod limits;
pub mod message;
pub mod output;
mod profile;
pub mod quote;
pub mod read;
mod run;
pub mod store;
pub mod wake;
pub mod webhook;
pub mod webhook_url;

use serde::{Deserialize, Serialize};

pub use accept::{AcceptError, Accepted, NewGeneration, accept};
pub use admit::admit;
pub use backlog::count_waiting;
pub use cancel::{CancelError, request_cancel};
pub use estimate::estimates;
pub use event::{Callback, Event, NextJob, Transition};
pub use limits::{Allowance, Limits, RATE_WINDOW};
pub use profile::has_profile;
pub use quote::{Quote, QuoteError, Terms};
pub use read::{Generation, Link, find, list, save_links};
pub use run::{LEASES_LOST_MAX, PROVIDER_TTL_MARGIN, Run, WEBHOOK_GRACE};
pub use webhook::{Noted, note_webhook};

/// Where a run is. Private to us; customers see a [`Status`] and, as extra information, this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, derive_more::Display, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[display(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Stage {
    /// Paid for; waits for a worker.
    Queued,
    /// A worker hands it to the provider, or waits for a lost answer.
    Submitting,
    /// The provider has it.
    Running,
    /// The provider has finished; outputs are being stored.
    Collecting,
    /// At least one output was delivered.
    Completed,
    /// Nothing was delivered; all of it was refunded.
    Failed,
    /// The user called it off in time; all of it was refunded.
    Cancelled,
}

impl Stage {
    /// Whether nothing can change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// What the customer is told.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Queued | Self::Submitting | Self::Running | Self::Collecting => Status::Processing,
            Self::Completed => Status::Completed,
            Self::Failed | Self::Cancelled => Status::Failed,
        }
    }
}

/// What the customer is told: the three words of `public.generations.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, derive_more::Display, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[display(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Status {
    /// Not yet final.
    Processing,
    /// Delivered, in part or in whole.
    Completed,
    /// Failed or cancelled, and refunded.
    Failed,
}
