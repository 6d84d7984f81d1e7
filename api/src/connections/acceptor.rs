//! Takes connections as long as there is room for them.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use shared::telemetry::names;

use super::guarded::Guarded;
use super::room::Room;

/// Pause after the system refused a connection, most likely for want of files: trying again at once would only spin.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// `inner`, within the bounds of `room`. What there is no room for is closed at once: waiting would cost its sender more.
pub(crate) struct GuardedAcceptor<A> {
    inner: A,
    room: Room,
    has_begun: bool,
}

impl<A> GuardedAcceptor<A> {
    pub(crate) fn new(inner: A, room: Room) -> Self {
        Self { inner, room, has_begun: false }
    }
}

impl<A: Acceptor> Acceptor for GuardedAcceptor<A> {
    type Io = Guarded<A::Io>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        if !std::mem::replace(&mut self.has_begun, true) {
            // poem reads the certificate while the first `accept` waits; a connection handed over earlier would be
            // dropped.
            tokio::task::yield_now().await;
        }
        loop {
            let (io, local, remote, scheme) = match self.inner.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(REFUSED_PAUSE).await;
                    continue;
                }
            };
            match self.room.enter(address(&remote)) {
                Ok(place) => return Ok((Guarded::new(io, place), local, remote, scheme)),
                Err(reason) => {
                    metrics::counter!(names::HTTP_CONNECTIONS_ENDED_TOTAL, "reason" => reason.as_str()).increment(1);
                }
            }
        }
    }
}

fn address(remote: &RemoteAddr) -> Option<IpAddr> {
    remote.as_socket_addr().map(std::net::SocketAddr::ip)
}
