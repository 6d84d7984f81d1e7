//! The image store's contract: one suite for every store, then what only a store behind a network can get wrong.

mod memory;
mod scripted;
pub(crate) mod subject;
mod suite;
mod supabase_faults;
mod supabase_wire;
