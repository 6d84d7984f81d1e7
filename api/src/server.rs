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

/// How long requests in flight may take to finish after the signal to stop: within the 25 s before a kill, with a rest
/// for closing the database connections.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(22);
/// A connection on which nothing happens for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
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
pub fn accept_on(listener: TcpListener, tls: Option<&Tls>, limits: &ApiLimits) -> Result<BoxAcceptor, ServeError> {
    let acceptor = TcpAcceptor::from_tokio(listener).map_err(ServeError::Serve)?;
    // Below TLS: a handshake that never ends is a slow connection, too.
    let acceptor = GuardedAcceptor::new(acceptor, Room::new(limits));
    let Some(tls) = tls else { return Ok(acceptor.boxed()) };
    let shown = read("TLS_CERT", &tls.cert)?;
    certificate::show_end(&shown);
    let certificate = RustlsCertificate::new().cert(shown).key(read("TLS_KEY", &tls.key)?);
    let config = RustlsConfig::new().fallback(certificate);
    Ok(acceptor.rustls(config.into_stream().map_err(ServeError::Tls)?).boxed())
}

fn read(name: &'static str, path: &std::path::Path) -> Result<Vec<u8>, ServeError> {
    std::fs::read(path).map_err(|source| ServeError::TlsFile { name, path: path.to_owned(), source })
}

/// Answers requests until `stop` resolves; then takes no new connection and gives those in flight [`DRAIN_TIMEOUT`].
///
/// # Errors
/// [`ServeError::Serve`] when the socket fails.
pub async fn serve(state: ApiState, acceptor: BoxAcceptor, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    let application = build(state.clone());
    let serving = Server::new_with_acceptor(acceptor)
        .name("api")
        .idle_timeout(IDLE_TIMEOUT)
        .http2_max_concurrent_streams(STREAMS_MAX)
        .run_with_graceful_shutdown(application, stop, Some(DRAIN_TIMEOUT));
    tokio::select! {
        served = serving => served.map_err(ServeError::Serve),
        () = state.follow() => Ok(()),
    }
}
