//! Tests that need a database or a server.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod access;
mod adoption;
mod books;
mod deletion_cost;
mod generations;

mod images;
mod ledger_guard;
mod mailboxes;
mod migrations;
mod people;
mod projects;
mod runpod;
mod signup;
mod silence;
mod welcome;
mod written_bounds;
