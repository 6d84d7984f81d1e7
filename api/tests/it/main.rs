//! What the API can do, each file one capability: through HTTP, on a real database, with the roles of production.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod billing;
mod cancel;
mod create_generation;
mod credits;
mod cross_origin;
mod delete_generation;
mod deploy_guide;
mod document;
mod early_refusals;
mod files;
mod find_generation;
mod forged_tokens;
mod harness;
mod health;
mod idempotency;
mod idempotency_race;
mod input_pictures;
mod key_rotation;
mod key_set_faults;
mod limits;
mod list_generations;
mod notifications;
mod observation;
mod picture_memory;
mod problems;
mod quote_bounds;
mod quotes;
mod read_only;
mod refused_rows;
mod silence;
mod stopping;
mod strange_rows;
mod tokens;
mod traces;
mod transport;
mod user_shares;
mod validation;
mod webhook;
mod workflows;
