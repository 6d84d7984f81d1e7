//! Serves the application on a socket until told to stop, then lets what is in flight finish.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use poem::Server;
use poem::listener::{AcceptorExt, BoxAcceptor, IntoTlsConfigStream, RustlsCertificate, RustlsConfig, TcpAcceptor};
use shared::config::{ApiLimits, Tls};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::app::build;
use crate::certificate;
use crate::connections::{GuardedAcceptor, Room};
use crate::state::ApiState;
use crate::stopping::{DOOR_TIMEOUT, Door, STOP_GRACE, Stop};

/// How long closing the database connections may take, after all else.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Requests one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 128;

/// Why the API cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error("{address} cannot be listened on (API_BIND)")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("{} cannot be read ({name})", path.display())]
    TlsFile {
        name: &'static str,
        path: std::path::PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the certificate or its key cannot be used (TLS_CERT, TLS_KEY)")]
    Tls(#[source] io::Error),
    #[error("serving failed")]
    Serve(#[source] io::Error),
}

/// Where connections come in.
pub struct Entrance {
    acceptor: BoxAcceptor,
    door: Door,
}

/// Listens on `address`. Port 0 takes a free one.
///
/// # Errors
/// [`ServeError::Bind`].
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })
}

/// Takes connections from `listener`, with TLS where a certificate is given, as many as `limits` has room for.
///
/// # Errors
/// [`ServeError`], naming the setting to change.
pub fn accept_on(listener: TcpListener, tls: Option<&Tls>, limits: &ApiLimits) -> Result<Entrance, ServeError> {
    let door = Door::of(&listener).map_err(ServeError::Serve)?;
    let acceptor = TcpAcceptor::from_tokio(listener).map_err(ServeError::Serve)?;
    // Below TLS: a handshake that never ends is a slow connection, too.
    let acceptor = GuardedAcceptor::new(acceptor, Room::new(limits));
    let Some(tls) = tls else { return Ok(Entrance { acceptor: acceptor.boxed(), door }) };
    let shown = read("TLS_CERT", &tls.cert)?;
    certificate::show_end(&shown);
    let certificate = RustlsCertificate::new().cert(shown).key(read("TLS_KEY", &tls.key)?);
    let config = RustlsConfig::new().fallback(certificate);
    Ok(Entrance { acceptor: acceptor.rustls(config.into_stream().map_err(ServeError::Tls)?).boxed(), door })
}

fn read(name: &'static str, path: &std::path::Path) -> Result<Vec<u8>, ServeError> {
    std::fs::read(path).map_err(|source| ServeError::TlsFile { name, path: path.to_owned(), source })
}

/// Answers requests until `stop` resolves. Then, within [`STOP_GRACE`]: gives notice, as long as the settings say, lets
/// nobody in any more, and gives what is in flight the rest of the time, but [`CLOSE_TIMEOUT`].
///
/// # Errors
/// [`ServeError::Serve`] when the socket fails.
pub async fn serve(state: ApiState, entrance: Entrance, stop: impl Future<Output = Stop>) -> Result<(), ServeError> {
    let Entrance { acceptor, door } = entrance;
    let application = build(state.clone());
    let drain_timeout = STOP_GRACE.saturating_sub(state.settings.stop_notice + DOOR_TIMEOUT + CLOSE_TIMEOUT);
    let serving = Server::new_with_acceptor(acceptor)
        .name("api")
        .http2_max_concurrent_streams(STREAMS_MAX)
        .run_with_graceful_shutdown(application, take_leave(&state, door, stop), Some(drain_timeout));
    tokio::select! {
        served = serving => served.map_err(ServeError::Serve),
        () = state.follow() => Ok(()),
    }
}

/// Ends when nobody comes in any more, after `stop`.
async fn take_leave(state: &ApiState, door: Door, stop: impl Future<Output = Stop>) {
    let stop = stop.await;
    state.stopping.begin();
    tracing::info!(?stop, "asked to stop");
    if stop == Stop::WithNotice {
        tokio::time::sleep(state.settings.stop_notice).await;
    }
    if let Err(error) = door.close() {
        tracing::warn!(%error, "the socket takes no filter; connections of the last moment may be reset");
    }
    tokio::time::sleep(DOOR_TIMEOUT).await;
}
