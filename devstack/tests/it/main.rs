//! What devstack promises to those who build on it, tried on the real system, and what clients make of the document.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod client;
mod generated_clients;
mod test_stack;
mod workflows;
