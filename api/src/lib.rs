//! The HTTP face of ShootX: it validates, reserves credits and enqueues, and tells users how things stand.
//!
//! [`build`] is the whole application; tests call it as the program does. Endpoints live in `endpoints`, one file
//! a resource; every refusal goes through `error`; who is asking is found by `auth`; `http` is what surrounds them.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod app;
mod auth;
mod certificate;
mod connections;
mod document;
mod endpoints;
mod error;
mod estimates;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http;
mod idempotency;
mod job_id;
mod limits;
mod links;
mod pagination;
mod payload;
mod server;
mod state;

pub use app::{build, document};
pub use server::{DRAIN_TIMEOUT, ServeError, accept_on, listen, serve};
pub use state::ApiState;
