//! The listening side that all simulators share: an ephemeral port whose address is known at once, connections that can be
//! cut in the middle of an exchange, and a listener that can go away, so that clients meet a refused connection.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, IntoEndpoint, Server};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How often a listener that comes back tries to have its address again, and how long it waits between two tries.
const BIND_TRIES_MAX: u32 = 200;
const BIND_PAUSE: Duration = Duration::from_millis(5);

/// How often it is looked whether all connections are closed, and the pause between two looks.
const CLOSE_LOOKS_MAX: u32 = 1_000;
const CLOSE_PAUSE: Duration = Duration::from_millis(2);

/// Locks, ignoring poison: a panic of one test must not hide the state from its other assertions.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The switches of one server: cut a connection, cut all, refuse new ones.
pub(crate) struct Line {
    address: SocketAddr,
    online: watch::Sender<bool>,
    listening: watch::Sender<bool>,
    connections: Mutex<HashMap<SocketAddr, (u64, CancellationToken)>>,
    accepted: AtomicU64,
    stop: CancellationToken,
}

impl Line {
    /// Cuts the connection of this peer: nothing more is read from it or written to it.
    pub(crate) fn cut(&self, peer: &RemoteAddr) {
        if let RemoteAddr(Addr::SocketAddr(peer)) = peer
            && let Some((_, cut)) = lock(&self.connections).get(peer)
        {
            cut.cancel();
        }
    }

    /// Stops listening and cuts every connection. New ones are refused until [`Line::go_online`].
    pub(crate) async fn go_offline(&self) {
        self.online.send_replace(false);
        self.wait_until_listening(false).await;
        for _ in 0..CLOSE_LOOKS_MAX {
            if self.cut_all() == 0 {
                return;
            }
            tokio::time::sleep(CLOSE_PAUSE).await;
        }
    }

    /// Cuts every connection; how many there were.
    fn cut_all(&self) -> usize {
        let connections = lock(&self.connections);
        connections.values().for_each(|(_, cut)| cut.cancel());
        connections.len()
    }

    /// Listens again on the same address; returns once connections are taken.
    pub(crate) async fn go_online(&self) {
        self.online.send_replace(true);
        self.wait_until_listening(true).await;
    }

    async fn wait_until_listening(&self, wanted: bool) {
        let mut listening = self.listening.subscribe();
        tokio::select! {
            // An error would mean that the sender is gone, and it is in `self`.
            _ = listening.wait_for(|now| *now == wanted) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// A running server. It stops when this is dropped.
pub(crate) struct Running {
    line: Arc<Line>,
}

impl Running {
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.line.address)
    }

    pub(crate) fn line(&self) -> &Arc<Line> {
        &self.line
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.line.stop.cancel();
    }
}

/// A bound address that is not served yet, so that the server's state can know its own URL.
pub(crate) struct Bound {
    listener: TcpListener,
    line: Arc<Line>,
}

impl Bound {
    /// Binds at once; port 0 chooses a free one.
    ///
    /// # Errors
    ///
    /// The address cannot be bound (in use, or not of this machine).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let line = Line {
            address: listener.local_addr()?,
            online: watch::Sender::new(true),
            listening: watch::Sender::new(true),
            connections: Mutex::default(),
            accepted: AtomicU64::new(0),
            stop: CancellationToken::new(),
        };
        Ok(Self { listener, line: Arc::new(line) })
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.line.address)
    }

    pub(crate) fn line(&self) -> Arc<Line> {
        Arc::clone(&self.line)
    }

    /// Cancelled when the server stops; background work of a simulator ends with it.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.line.stop.clone()
    }

    /// Serves `routes` until the returned value is dropped.
    pub(crate) fn serve<E>(self, name: &'static str, routes: E) -> Running
    where
        E: IntoEndpoint + Send + 'static,
        E::Endpoint: 'static,
    {
        let line = Arc::clone(&self.line);
        let stop = line.stop.clone();
        let acceptor =
            SwitchedAcceptor { listener: Some(self.listener), online: line.online.subscribe(), line: self.line };
        tokio::spawn(async move {
            let server = Server::new_with_acceptor(acceptor).name(name);
            // Nothing a simulator is in the middle of deserves to be waited for.
            let ended = server.run_with_graceful_shutdown(routes, stop.cancelled_owned(), Some(Duration::ZERO)).await;
            if let Err(error) = ended {
                tracing::error!(name, %error, "simulator stopped");
            }
        });
        Running { line }
    }
}

struct SwitchedAcceptor {
    listener: Option<TcpListener>,
    online: watch::Receiver<bool>,
    line: Arc<Line>,
}

impl SwitchedAcceptor {
    async fn bind_again(&self) -> io::Result<TcpListener> {
        let mut tries = 0;
        loop {
            match TcpListener::bind(self.line.address).await {
                Ok(listener) => return Ok(listener),
                Err(error) if tries >= BIND_TRIES_MAX => return Err(error),
                Err(_) => tokio::time::sleep(BIND_PAUSE).await,
            }
            tries += 1;
        }
    }
}

impl Acceptor for SwitchedAcceptor {
    type Io = SwitchedIo;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![LocalAddr(Addr::SocketAddr(self.line.address))]
    }

    async fn accept(&mut self) -> io::Result<(SwitchedIo, LocalAddr, RemoteAddr, Scheme)> {
        loop {
            if !*self.online.borrow_and_update() {
                self.listener = None;
                self.line.listening.send_replace(false);
                if self.online.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            }
            let listener = match self.listener.take() {
                Some(listener) => listener,
                None => self.bind_again().await?,
            };
            let listener = self.listener.insert(listener);
            self.line.listening.send_replace(true);
            tokio::select! {
                _ = self.online.changed() => {}
                accepted = listener.accept() => {
                    let (stream, peer) = accepted?;
                    let io = SwitchedIo::new(stream, peer, Arc::clone(&self.line));
                    let local = LocalAddr(Addr::SocketAddr(self.line.address));
                    return Ok((io, local, RemoteAddr(Addr::SocketAddr(peer)), Scheme::HTTP));
                }
            }
        }
    }
}

/// A connection that fails as soon as it is cut.
pub(crate) struct SwitchedIo {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    peer: SocketAddr,
    number: u64,
    line: Arc<Line>,
}

impl SwitchedIo {
    fn new(stream: TcpStream, peer: SocketAddr, line: Arc<Line>) -> Self {
        let cut = CancellationToken::new();
        let number = line.accepted.fetch_add(1, Ordering::Relaxed);
        lock(&line.connections).insert(peer, (number, cut.clone()));
        Self { stream, cut: Box::pin(cut.cancelled_owned()), peer, number, line }
    }

    /// Fails when the connection is cut, and wakes its task when it will be.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl Drop for SwitchedIo {
    fn drop(&mut self) {
        let mut connections = lock(&self.line.connections);
        // The port may already belong to a newer connection.
        if connections.get(&self.peer).is_some_and(|(number, _)| *number == self.number) {
            connections.remove(&self.peer);
        }
    }
}

impl AsyncRead for SwitchedIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for SwitchedIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
