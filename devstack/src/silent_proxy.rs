//! A TCP proxy in front of a database that can fall silent: it accepts and acknowledges all bytes, but forwards none.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

const BUFFER_BYTES: usize = 16 * 1024;
/// Of a connection that speaks.
const ALL: usize = usize::MAX;

/// A running proxy. Its connections end when it is dropped.
#[derive(Debug)]
pub struct SilentProxy {
    address: SocketAddr,
    lines: Arc<Lines>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Lines {
    /// How many bytes from the server each connection still forwards.
    left: Mutex<Vec<Arc<AtomicUsize>>>,
    are_new_ones_silent: AtomicBool,
}

impl SilentProxy {
    /// Starts a proxy to the server of `database_url`, which must contain an IP address and a port.
    ///
    /// # Panics
    /// When the URL does not, or no port is free.
    pub async fn start(database_url: &str) -> Self {
        let url = Url::parse(database_url).expect("a URL");
        let host = url.host_str().expect("a host").parse().expect("an IP address");
        let server = SocketAddr::new(host, url.port().expect("a port"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let lines = Arc::new(Lines::default());
        let serving = tokio::spawn(serve(listener, server, Arc::clone(&lines)));
        Self { address, lines, serving }
    }

    /// The same database, through this proxy.
    ///
    /// # Panics
    /// When it is no URL.
    pub fn url(&self, database_url: &str) -> String {
        let mut url = Url::parse(database_url).expect("a URL");
        url.set_ip_host(self.address.ip()).expect("a URL with a host");
        url.set_port(Some(self.address.port())).expect("a URL with a port");
        url.into()
    }

    /// Silences all open connections, for good; new ones work.
    pub fn silence(&self) {
        self.silence_after(0);
    }

    /// The same, after this many more bytes from the server: in the middle of a response.
    pub fn silence_after(&self, bytes: usize) {
        for left in self.left().drain(..) {
            left.store(bytes, Ordering::SeqCst);
        }
    }

    /// Whether connections are silent from their beginning.
    pub fn silence_new(&self, are_silent: bool) {
        self.lines.are_new_ones_silent.store(are_silent, Ordering::SeqCst);
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Vec<Arc<AtomicUsize>>> {
        self.lines.left.lock().expect("nothing panics while it holds this lock")
    }
}

impl Drop for SilentProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, server: SocketAddr, lines: Arc<Lines>) {
    while let Ok((client, _)) = listener.accept().await {
        let is_silent = lines.are_new_ones_silent.load(Ordering::SeqCst);
        let left = Arc::new(AtomicUsize::new(if is_silent { 0 } else { ALL }));
        lines.left.lock().expect("nothing panics while it holds this lock").push(Arc::clone(&left));
        tokio::spawn(pass(client, server, left));
    }
}

async fn pass(client: TcpStream, server: SocketAddr, left: Arc<AtomicUsize>) -> io::Result<()> {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = TcpStream::connect(server).await?.into_split();
    tokio::select! {
        ended = ask(from_client, to_server, &left) => ended,
        ended = answer(from_server, to_client, &left) => ended,
    }
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, left: &AtomicUsize) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if left.load(Ordering::SeqCst) > 0 {
            to.write_all(&buffer[..read]).await?;
        }
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, left: &AtomicUsize) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        let passed = match left.load(Ordering::SeqCst) {
            ALL => read,
            some => {
                let passed = some.min(read);
                left.store(some - passed, Ordering::SeqCst);
                passed
            }
        };
        to.write_all(&buffer[..passed]).await?;
        if read == 0 && left.load(Ordering::SeqCst) == ALL {
            return Ok(());
        }
        if read == 0 {
            // The server's end is not told, either.
            return std::future::pending().await;
        }
    }
}
