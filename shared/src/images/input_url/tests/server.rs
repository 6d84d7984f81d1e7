//! A server with a certificate of its own that gives one prepared answer to everybody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The name on the certificate.
pub(super) const HOST: &str = "pictures.example";

/// The longest request head that is read.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// What the server sends.
#[derive(Clone)]
pub(super) enum Answer {
    /// These bytes; then it hangs up.
    Whole(Vec<u8>),
    /// These bytes; then nothing, but it stays on the line.
    Stalled(Vec<u8>),
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) root_der: Vec<u8>,
    /// TCP connections made, whatever became of them.
    connections: Arc<AtomicUsize>,
    requests: mpsc::UnboundedReceiver<String>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(answer: Answer) -> Self {
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
        let connections = Arc::new(AtomicUsize::new(0));
        let (seen, requests) = mpsc::unbounded_channel();
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                // A client that trusts no such certificate leaves here.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = vec![0; REQUEST_BYTES_MAX];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let _ = seen.send(String::from_utf8_lossy(&request[..length]).into_owned());
                match &answer {
                    Answer::Whole(bytes) => {
                        // The client may have seen enough and left.
                        let _ = stream.write_all(bytes).await;
                        let _ = stream.shutdown().await;
                    }
                    Answer::Stalled(bytes) => {
                        let _ = stream.write_all(bytes).await;
                        let _ = stream.flush().await;
                        // Until the client has had enough.
                        let _ = stream.read(&mut request).await;
                    }
                }
            }
        });
        Self { address, root_der, connections, requests, task }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The head of the next request that came.
    pub(super) fn request(&mut self) -> Option<String> {
        self.requests.try_recv().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
