//! The domain of ShootX: what a generation is, what it costs, and how it lives.
//!
//! Pure: [`ids`], [`credits`], [`pricing`], [`base64_text`], [`workflow`], `generation::lifecycle`.
//! Ports: [`runpod`], [`images`], [`mail`], `billing::stripe`. SQL: [`generation`], [`ledger`], [`billing`],
//! [`notification`], [`retention`], [`recovery`], [`operations`], [`jobs`], [`db`].

pub mod base64_text;
pub mod billing;
pub mod clock;
pub mod config;
pub mod credits;
pub mod db;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod generation;
pub mod health;
pub mod ids;
pub mod images;
pub mod jobs;
pub mod ledger;
mod link_signature;
pub mod liveness;
mod loopback;
pub mod mail;
pub mod notification;
pub mod operations;
pub mod pricing;
pub mod provider;
pub mod queue;
pub mod queue_housekeeping;
pub mod recovery;
pub mod retention;
pub mod retry;
pub mod runpod;
pub mod telemetry;
pub mod workflow;
