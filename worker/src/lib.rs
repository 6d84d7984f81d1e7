//! The worker: everything that moves a generation after it was accepted.
//!
//! [`app`] runs the parts: one queue worker per queue ([`queue`]) behind the fences of [`fence`], which call
//! the [`steps`]; the [`poller`], which learns results; the [`sweeper`], which finds what nothing else will
//! move; [`billing`], which makes credits of payments; and [`housekeeping`]. After a restore, [`recovery`] comes before all of them. Rows are the truth, jobs are wake-ups: any of it may stop at any time.

pub mod app;
pub mod attend;
pub mod billing;
pub mod commands;
mod doorbell;
pub mod fence;
pub mod housekeeping;
pub mod objects;
pub mod poller;
pub mod queue;
pub mod recovery;
pub mod state;
pub mod steps;
pub mod sweeper;

pub use state::WorkerState;
