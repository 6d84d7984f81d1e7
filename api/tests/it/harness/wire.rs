//! HTTP as it is on the wire: for what clients' libraries hide, such as a connection that ends without an answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// Time for one answer, on a machine that is busy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One connection.
pub(crate) struct Wire(TcpStream);

/// One answer, read whole.
#[derive(Debug)]
pub(crate) struct WireAnswer {
    pub(crate) status: u16,
    /// Whether it says that the connection ends with it.
    pub(crate) is_last: bool,
    pub(crate) body: Value,
}

/// A request as it is sent: without a body where there is none.
pub(crate) fn request(method: &str, path: &str, token: &str, more: &str, body: &str) -> Vec<u8> {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\n{more}");
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    format!("{head}content-type: application/json\r\n{length}\r\n{body}").into_bytes()
}

impl Wire {
    /// # Errors
    /// When nobody takes the connection.
    pub(crate) async fn connect(base: &Url) -> io::Result<Self> {
        let at: SocketAddr = base.socket_addrs(|| None)?[0];
        tokio::time::timeout(ANSWER_TIMEOUT, TcpStream::connect(at)).await?.map(Self)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// # Errors
    /// When the connection ends before the answer does.
    pub(crate) async fn answer(&mut self) -> io::Result<WireAnswer> {
        tokio::time::timeout(ANSWER_TIMEOUT, self.read()).await?
    }

    async fn read(&mut self) -> io::Result<WireAnswer> {
        let mut seen = Vec::new();
        loop {
            if let Some(answer) = parse(&seen) {
                return Ok(answer);
            }
            assert!(seen.len() < ANSWER_BYTES_MAX, "an answer without end");
            if self.0.read_buf(&mut seen).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("after {} bytes", seen.len())));
            }
        }
    }

    /// Whether the other side has ended the connection, once it has.
    pub(crate) async fn is_ended(&mut self) -> bool {
        let mut more = [0; 1];
        matches!(tokio::time::timeout(ANSWER_TIMEOUT, self.0.read(&mut more)).await, Ok(Ok(0) | Err(_)))
    }
}

/// The answer that `seen` begins with, if it is all there. All of this API's have a length.
fn parse(seen: &[u8]) -> Option<WireAnswer> {
    let end = seen.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let length: usize = field("content-length").map_or(0, |length| length.parse().unwrap());
    let body = seen.get(end..end + length)?;
    Some(WireAnswer {
        status: head.split(' ').nth(1)?.parse().unwrap(),
        is_last: field("connection") == Some("close"),
        body: serde_json::from_slice(body).unwrap_or(Value::Null),
    })
}
