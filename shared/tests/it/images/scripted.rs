//! A server that gives prepared answers in order and remembers what it was asked: for answers no store should give.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// One request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// `POST /storage/v1/bucket`
    pub(crate) line: String,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Scripted {
    pub(crate) url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    /// Serves `answers` (status line without the version, and body), one a connection, and then hangs up on callers.
    pub(crate) async fn start(answers: Vec<(&'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("a URL");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let memory = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            while let Ok((stream, _)) = listener.accept().await {
                let (mut stream, request) = read(stream).await;
                memory.lock().expect("no panic").push(request);
                if let Some((status, body)) = answers.next() {
                    let length = body.len();
                    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                    // The client may have seen enough and left.
                    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                }
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn read(stream: TcpStream) -> (TcpStream, Asked) {
    let mut reader = BufReader::new(stream);
    let mut asked = Asked::default();
    let mut line = String::new();
    while reader.read_line(&mut line).await.is_ok_and(|length| length > 0) {
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        match text.split_once(": ") {
            Some((name, value)) => asked.headers.push((name.to_lowercase(), value.to_owned())),
            None => asked.line = text.trim_end_matches(" HTTP/1.1").to_owned(),
        }
        line.clear();
    }
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).await.is_ok() {
        asked.body = String::from_utf8_lossy(&body).into_owned();
    }
    (reader.into_inner(), asked)
}
