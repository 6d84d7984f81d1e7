//! A web server for pictures that a request names by address: a public name and a certificate of its own, on this machine.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::images::InputFetcher;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The name on the certificate.
const HOST: &str = "pictures.example";
/// The longest request head that is read.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// What is served at one path. Everything else is 404.
#[derive(Clone, Debug)]
pub enum Served {
    /// This file, whatever it is, called a picture.
    File(Vec<u8>),
    /// A file that is said to have so many bytes, and does not come.
    Announced(usize),
    /// No file but this status line: `503 Service Unavailable`.
    Status(&'static str),
    /// A redirect to this address.
    Redirect(String),
    /// Half of an answer, and then nothing, on an open line.
    Stalled,
    /// The connection breaks before an answer.
    Broken,
}

/// The server. It goes away when this is dropped.
pub struct PictureHost {
    address: SocketAddr,
    root_der: Vec<u8>,
    shelf: Arc<Mutex<Shelf>>,
    /// Changes with every request.
    requests: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shelf {
    /// What the next requests of each path get; the last stays.
    served: HashMap<String, VecDeque<Served>>,
    /// The paths that were asked for, in order.
    asked: Vec<String>,
}

impl PictureHost {
    /// Starts it with nothing to serve.
    ///
    /// # Panics
    /// Without a free port, or a certificate.
    pub async fn start() -> Self {
        let certified = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
        let root_der = certified.cert.der().to_vec();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
        // Named, because other crates of the tree bring another one.
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("a provider of TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .expect("a certificate and its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shelf = Arc::<Mutex<Shelf>>::default();
        let (counted, requests) = watch::channel(0);
        let task = tokio::spawn(accept(listener, acceptor, Arc::clone(&shelf), counted));
        Self { address, root_der, shelf, requests, task }
    }

    /// Serves this at `name` from now on, and says under which address.
    pub fn serve(&self, name: &str, served: Served) -> String {
        self.serve_in_turn(name, [served])
    }

    /// Serves these at `name`, one a request, and the last from then on.
    pub fn serve_in_turn(&self, name: &str, served: impl IntoIterator<Item = Served>) -> String {
        lock(&self.shelf).served.insert(format!("/{name}"), served.into_iter().collect());
        format!("https://{HOST}/{name}")
    }

    /// How often `name` was asked for.
    pub fn asked(&self, name: &str) -> usize {
        let path = format!("/{name}");
        lock(&self.shelf).asked.iter().filter(|asked| **asked == path).count()
    }

    /// Waits until `name` is asked for.
    ///
    /// # Panics
    /// When the host goes away meanwhile.
    pub async fn wait_until_asked(&self, name: &str) {
        let mut requests = self.requests.clone();
        requests.wait_for(|_| self.asked(name) > 0).await.expect("the host is there");
    }

    /// A fetcher that finds the host by its name, as if it were on the internet.
    ///
    /// # Panics
    /// When no TLS client can be made.
    pub fn fetcher(&self) -> InputFetcher {
        InputFetcher::trusting(HOST, self.address, &self.root_der).expect("a TLS client")
    }

    /// Stops listening: who asks from now on is refused the connection.
    pub async fn go_offline(&mut self) {
        self.task.abort();
        // Only with the task is its socket gone.
        let _ = (&mut self.task).await;
    }
}

impl Shelf {
    fn next(&mut self, path: &str) -> Option<Served> {
        let turns = self.served.get_mut(path)?;
        if turns.len() > 1 { turns.pop_front() } else { turns.front().cloned() }
    }
}

impl Drop for PictureHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shelf: Arc<Mutex<Shelf>>, counted: watch::Sender<usize>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, acceptor.clone(), Arc::clone(&shelf), counted.clone()));
    }
}

/// Answers one request and hangs up. A client that has seen enough may leave at any time.
async fn answer(stream: TcpStream, acceptor: TlsAcceptor, shelf: Arc<Mutex<Shelf>>, counted: watch::Sender<usize>) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut request = vec![0; REQUEST_BYTES_MAX];
    let length = stream.read(&mut request).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let served = {
        let mut shelf = lock(&shelf);
        shelf.asked.push(path.to_owned());
        shelf.next(path).unwrap_or(Served::Status("404 Not Found"))
    };
    counted.send_modify(|requests| *requests += 1);
    let (head, body) = match served {
        Served::Broken => return,
        Served::File(bytes) => (format!("200 OK\r\nContent-Type: image/png\r\nContent-Length: {}", bytes.len()), bytes),
        Served::Announced(bytes) => {
            (format!("200 OK\r\nContent-Type: image/png\r\nContent-Length: {bytes}"), Vec::new())
        }
        Served::Status(status) => (format!("{status}\r\nContent-Length: 0"), Vec::new()),
        Served::Redirect(target) => (format!("302 Found\r\nLocation: {target}\r\nContent-Length: 0"), Vec::new()),
        Served::Stalled => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            let _ = stream.flush().await;
            // Until the client has had enough.
            let _ = stream.read(&mut request).await;
            return;
        }
    };
    let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes()).await;
    let _ = stream.write_all(&body).await;
    let _ = stream.shutdown().await;
}
