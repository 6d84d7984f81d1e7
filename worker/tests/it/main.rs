//! The worker's tests on a real database.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod adjustments;
mod anomalies;
mod bench;
mod billing;
mod cancel;
mod cleanup;
mod clips;
mod counters;
mod crashes;
mod crashes_of_graphs;
mod delivery;
mod failures;
mod fences;
mod generations;
mod graphs;
mod housekeeping;
mod inputs;
mod large_inputs;
mod late_cancels;
mod lives;
mod logs;
mod mail;
mod money;
mod operations;
mod processes;
mod recovery;
mod results;
mod scans;
mod silence;
mod stopping;
mod store_refusals;
mod strange_rows;
mod traces;
mod unknown;
mod unusable_inputs;
mod workflows;
