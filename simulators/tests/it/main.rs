//! Each documented behaviour of the simulators, over HTTP.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod genuine_node;
mod genuine_python;
mod genuine_stripe;
mod installed;
mod payments;
mod payments_api;
mod payments_balances;
mod payments_checkout;
mod payments_subscriptions;
mod payments_webhooks;
mod pictures;
mod program;
mod runpod_attached;
mod runpod_comfy;
mod runpod_endings;
mod runpod_exchange;
mod runpod_inputs;
mod runpod_jobs;
mod runpod_platform;
mod runpod_webhooks;
mod runpod_workflows;
mod supabase_access;
mod supabase_auth;
mod supabase_forms;
mod supabase_links;
mod supabase_sessions;
mod supabase_storage;
mod support;
