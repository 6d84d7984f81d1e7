//! Relays every database connection, and closes those on which the server has stopped answering.
//!
//! The driver waits for the server's bytes without a limit, even in its own background work: when it returns a
//! connection to the pool, rolls back a dropped transaction, or listens. So the limit is placed where all bytes pass.
//! The driver connects to a socket of this process, and TLS runs through it between driver and server. The driver sees
//! a closed connection as an I/O error and discards it (ADR 12).

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Bytes that are passed on at once, in each direction.
const BUFFER_BYTES: usize = 16 * 1024;
/// Pause between two attempts to connect to a server that refuses, for example because it is restarting.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);
/// Pause after the relay's own socket failed, for example because the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// TCP keepalive, which detects that the peer of an idle connection is gone.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(10);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// Where the server is.
#[derive(Debug, Clone)]
enum Target {
    Tcp(String, u16),
    Unix(PathBuf),
}

/// The socket that the driver connects to, instead of the server's own.
#[derive(Debug)]
pub(super) struct Relay {
    listener: UnixListener,
    target: Target,
    silence_max: Duration,
}

impl Relay {
    /// Starts a relay from the socket that the driver expects in `directory` to the server that `options` name. Needs a
    /// running tokio runtime.
    pub(super) fn bind(options: &PgConnectOptions, directory: &str, silence_max: Duration) -> io::Result<Self> {
        let file = format!(".s.PGSQL.{}", options.get_port());
        let target = match options.get_socket() {
            Some(directory) => Target::Unix(directory.join(&file)),
            None if options.get_host().starts_with('/') => Target::Unix(PathBuf::from(options.get_host()).join(&file)),
            None => Target::Tcp(options.get_host().to_owned(), options.get_port()),
        };
        Ok(Self { listener: UnixListener::bind(format!("{directory}/{file}"))?, target, silence_max })
    }

    /// Accepts connections until dropped; open ones continue.
    pub(super) async fn run(self) {
        loop {
            match self.listener.accept().await {
                // Every process of this machine can connect to the socket; only this one may use it.
                Ok((client, _)) if is_ours(&client) => {
                    tokio::spawn(relay(client, self.target.clone(), self.silence_max));
                }
                Ok(_) => tracing::warn!("another process connected to the socket of the database relay"),
                Err(error) => {
                    tracing::warn!(%error, "the database relay could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn is_ours(client: &UnixStream) -> bool {
    let peer = client.peer_cred().ok().and_then(|peer| peer.pid());
    peer.and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id())
}

async fn relay(client: UnixStream, target: Target, silence_max: Duration) {
    let ended = match &target {
        Target::Tcp(host, port) => match within(silence_max, || TcpStream::connect((host.as_str(), *port))).await {
            Ok(server) => pass_both(client, keep_alive(server, silence_max), silence_max).await,
            Err(error) => Err(error),
        },
        Target::Unix(path) => match within(silence_max, || UnixStream::connect(path)).await {
            Ok(server) => pass_both(client, server, silence_max).await,
            Err(error) => Err(error),
        },
    };
    match ended {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            tracing::warn!(%error, "a database connection was closed");
        }
        Err(error) => tracing::debug!(%error, "a database connection ended"),
        Ok(()) => {}
    }
}

/// Connects, and retries while the server refuses.
async fn within<S, F: Future<Output = io::Result<S>>>(limit: Duration, connect: impl Fn() -> F) -> io::Result<S> {
    let connecting = async {
        loop {
            match connect().await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => sleep(REFUSED_PAUSE).await,
                other => return other,
            }
        }
    };
    timeout(limit, connecting).await.unwrap_or_else(|_| Err(timed_out("the server takes no connection")))
}

/// Makes the kernel detect a peer that is gone. If it refuses an option, the relay's own limit still applies.
fn keep_alive(server: TcpStream, silence_max: Duration) -> TcpStream {
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY).with_retries(KEEPALIVE_PROBES);
    let socket = SockRef::from(&server);
    let set = [
        socket.set_tcp_nodelay(true),
        socket.set_tcp_keepalive(&keepalive),
        socket.set_tcp_user_timeout(Some(silence_max)),
    ];
    for error in set.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "the kernel refused a socket option of a database connection");
    }
    server
}

async fn pass_both<S>(client: UnixStream, server: S, silence_max: Duration) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite,
{
    let silence = Arc::new(Silence::begin());
    let ((from_client, to_client), (from_server, to_server)) = (split(client), split(server));
    tokio::select! {
        ended = pass(from_client, to_server, || silence.asked()) => ended,
        ended = pass(from_server, to_client, || silence.ended()) => ended,
        error = silence.outlast(silence_max) => Err(error),
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, passed: impl Fn()) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        passed();
        to.write_all(&buffer[..read]).await?;
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

/// Measures how long the server has sent nothing.
#[derive(Debug)]
struct Silence(Mutex<Since>);

#[derive(Debug)]
struct Since {
    heard: Instant,
    /// When the driver first sent something after that.
    asked: Option<Instant>,
}

impl Silence {
    fn begin() -> Self {
        Self(Mutex::new(Since { heard: Instant::now(), asked: None }))
    }

    fn asked(&self) {
        self.since().asked.get_or_insert_with(Instant::now);
    }

    fn ended(&self) {
        *self.since() = Since { heard: Instant::now(), asked: None };
    }

    /// Waits until a response, or its next part, is overdue, and says so.
    ///
    /// TLS hides whether a response is complete. So a connection on which the server sends nothing at all is closed
    /// after twice the time: an idle one is opened again when it is needed, a listener reconnects at once.
    async fn outlast(&self, silence_max: Duration) -> io::Error {
        loop {
            let (due, error) = {
                let since = self.since();
                match since.asked {
                    Some(asked) => (asked + silence_max, timed_out("the server did not answer in time")),
                    None => (since.heard + silence_max * 2, io::Error::other("nothing was sent on it for too long")),
                }
            };
            if due <= Instant::now() {
                return error;
            }
            // The response to anything that is sent meanwhile is due later than this.
            sleep_until(due.min(Instant::now() + silence_max)).await;
        }
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Since> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}
