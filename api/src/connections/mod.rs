//! Limits on connections that poem and hyper have no setting for: their number, and how slow and idle they may be.
//!
//! Half-open connections (SYN only) are limited by the operating system, which uses SYN cookies when there are too
//! many.
//!
//! What stays hyper's and poem's own default: at most 100 header fields in a buffer of about 400 KiB (HTTP/1), 16 KiB of
//! header fields and 20 streams reset before they were answered (HTTP/2).

mod acceptor;
mod activity;
mod guarded;
mod pace;
mod room;

pub(crate) use acceptor::GuardedAcceptor;
pub(crate) use room::Room;
