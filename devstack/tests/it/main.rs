//! What devstack promises to those who build on it, tried on the real system, and what clients make of the document.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod api_fuzzing;
mod client;
mod foreign_tool;
mod fuzzing;
mod generated_clients;
mod test_stack;
mod workflows;
