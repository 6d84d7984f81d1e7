//! HTTP/1.1 as lean as can be: the load shares the machine with what it measures, and must take little of it.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Largest answer, its head included.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const READ_BYTES: usize = 4096;

/// One answer, read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// A server, and the connections to it that are free.
#[derive(Debug)]
pub(crate) struct Api {
    address: SocketAddr,
    free: Mutex<Vec<TcpStream>>,
}

impl Api {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, free: Mutex::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the connections that are free: the server ends those that are silent for long.
    pub(crate) fn hang_up(&self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Sends `request` on a free connection, or on a new one.
    ///
    /// # Errors
    /// When there is no answer, or another than `wanted`.
    pub(crate) async fn call(&self, request: &[u8], wanted: u16) -> anyhow::Result<Answer> {
        let exchanged = tokio::time::timeout(ANSWER_TIMEOUT, async {
            let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut stream = match free {
                Some(stream) => stream,
                None => connect(self.address).await?,
            };
            let answer = exchange(&mut stream, request).await?;
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
            anyhow::Ok(answer)
        });
        let answer = exchanged.await.context("no answer in time")??;
        ensure!(answer.status == wanted, "answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        Ok(answer)
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await.context("the API cannot be reached")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A request with a token and a body, or without a body.
pub(crate) fn request(method: &str, path: &str, token: &str, body: Option<&str>) -> Vec<u8> {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n");
    let text = match body {
        Some(body) => {
            format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
        None => format!("{head}\r\n"),
    };
    text.into_bytes()
}

/// Sends one request and reads its answer; what follows it on the connection is nobody's.
pub(crate) async fn exchange<S>(stream: &mut S, request: &[u8]) -> anyhow::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut bytes = Vec::with_capacity(READ_BYTES);
    loop {
        if let Some((status, body_at, length)) = head(&bytes)?
            && bytes.len() >= body_at + length
        {
            return Ok(Answer { status, body: bytes[body_at..body_at + length].to_vec() });
        }
        ensure!(bytes.len() <= ANSWER_BYTES_MAX, "an answer of more than {ANSWER_BYTES_MAX} bytes");
        if stream.read_buf(&mut bytes).await? == 0 {
            bail!("the connection was closed before the answer");
        }
    }
}

/// Status, where the body begins, and its length; nothing while the head is not there in full.
fn head(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end]).context("a head that is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).context("no status")?;
    let mut fields = lines.filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value.trim());
    // 204 has no body, and says no length.
    let length = if status == 204 { "0" } else { length.context("an answer without a length")? };
    let length = length.parse().context("a length that is no number")?;
    Ok(Some((status, end + 4, length)))
}

#[cfg(test)]
mod tests {
    use super::{Answer, exchange, request};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn an_answer_is_read_whole_however_it_is_cut() {
        let (mut near, mut far) = tokio::io::duplex(64);
        let asked = request("POST", "/a", "t", Some("{}"));
        let length = asked.len();
        let served = tokio::spawn(async move {
            let mut got = vec![0; length];
            far.read_exact(&mut got).await.unwrap();
            for part in ["HTTP/1.1 202 Acc", "epted\r\nContent-Length: 5\r\n\r", "\n12", "345"] {
                far.write_all(part.as_bytes()).await.unwrap();
            }
            (got, far)
        });
        let answer = exchange(&mut near, &asked).await.unwrap();
        assert_eq!(answer, Answer { status: 202, body: b"12345".to_vec() });
        assert_eq!(served.await.unwrap().0, asked);
    }

    #[tokio::test]
    async fn a_closed_connection_is_no_answer() {
        let (mut near, far) = tokio::io::duplex(1024);
        drop(far);
        assert!(exchange(&mut near, b"GET / HTTP/1.1\r\n\r\n").await.is_err());
    }
}
