//! Bounds on connections that poem and hyper have no setting for: how many there are, how slow and how idle they may be.
//!
//! Connections that have sent SYN and no more are the system's: it bounds them, and answers with cookies when there are
//! too many.
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
