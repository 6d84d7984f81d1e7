//! How a process stops without losing a request.
//!
//! First it says so: `/readyz` fails and every answer ends its connection, so that load balancers and clients go
//! elsewhere while everybody is still answered. Then [`Door::close`]; only then is the rest given time to finish.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use poem::http::{HeaderValue, Version, header};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response};
use socket2::{SockFilter, Socket};
use tokio::net::TcpListener;

/// All that passes between the signal to stop and the end: after that, whoever runs us may kill.
pub const STOP_GRACE: Duration = Duration::from_secs(25);
/// How long whoever already has a connection may take to begin a request on it, once no new ones are let in. Shorter
/// than the second after which a refused caller knocks again, to be told at once that nobody is there.
pub(crate) const DOOR_TIMEOUT: Duration = Duration::from_millis(750);

/// Who asked us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A supervisor (SIGTERM): load balancers are given notice.
    WithNotice,
    /// Somebody at a terminal (SIGINT), who waits.
    AtOnce,
}

/// Whether the process is stopping. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopping(Arc<AtomicBool>);

/// Why a process that works well is not ready.
#[derive(Debug, thiserror::Error)]
#[error("the process is stopping")]
pub(crate) struct IsStopping;

impl Stopping {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends each connection with its next answer once the process is stopping: one that is closed while it is idle may
/// already carry the next request. HTTP/2 has a frame of its own for that, which comes when the rest is drained.
pub(crate) struct Farewell {
    pub(crate) stopping: Stopping,
}

pub(crate) struct FarewellEndpoint<E> {
    inner: E,
    stopping: Stopping,
}

impl<E: Endpoint> Middleware<E> for Farewell {
    type Output = FarewellEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        FarewellEndpoint { inner, stopping: self.stopping.clone() }
    }
}

impl<E: Endpoint> Endpoint for FarewellEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let version = request.version();
        let mut response = self.inner.call(request).await?.into_response();
        if version <= Version::HTTP_11 && self.stopping.is_begun() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// The way in: our own handle on the socket that is listened on.
#[derive(Debug)]
pub(crate) struct Door(Socket);

impl Door {
    pub(crate) fn of(listener: &TcpListener) -> io::Result<Self> {
        Ok(Self(Socket::from(listener.as_fd().try_clone_to_owned()?)))
    }

    /// Has the system ignore who knocks from now on, while those that it let in before are still taken: closing the
    /// socket at once would reset connections that it has accepted for us and that we have not seen yet.
    ///
    /// # Errors
    /// Where the system has no such filter: then a connection of the last moment may be reset.
    pub(crate) fn close(self) -> io::Result<()> {
        self.0.attach_filter(&no_new_connections())
    }
}

/// A program for the kernel that drops each segment with SYN, and nothing else.
fn no_new_connections() -> [SockFilter; 4] {
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const JUMP_IF_SET: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const TCP_FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, TCP_FLAGS_AT),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write as _};
    use std::net::{SocketAddr, TcpStream};

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// A connection that the system lets in within a moment, or the way it was refused.
    fn knock(at: SocketAddr) -> Result<TcpStream, ErrorKind> {
        TcpStream::connect_timeout(&at, Duration::from_millis(200)).map_err(|error| error.kind())
    }

    #[tokio::test]
    async fn a_closed_door_keeps_who_is_inside_and_lets_nobody_in() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut inside = knock(at).unwrap();
        Door::of(&listener).unwrap().close().unwrap();
        assert_eq!(knock(at).unwrap_err(), ErrorKind::TimedOut);

        inside.write_all(b"GET").unwrap();
        let (mut taken, _) = listener.accept().await.unwrap();
        let mut heard = [0; 3];
        taken.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"GET");

        drop((taken, listener));
        assert_eq!(knock(at).unwrap_err(), ErrorKind::ConnectionRefused);
    }
}
