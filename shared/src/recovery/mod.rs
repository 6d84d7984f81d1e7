//! After a restore: the rows are of an earlier moment, and the world has gone on.
//!
//! [`hold`] keeps workers from submitting until that is settled; [`world`] clears away what belonged to processes that
//! are gone and has the provider of payments tell again; [`open_run`] lists what was under way. What becomes of each
//! run is decided where it always is, by `generation::lifecycle`, on [`crate::generation::Event::Restored`].

pub mod hold;
pub mod open_run;
pub mod world;

pub use hold::{Hold, HoldError, ensure_none};
