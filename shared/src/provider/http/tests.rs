//! Servers that misbehave on the wire, and what an exchange with each is called.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::error::Reason;
use super::{Answer, RETRY_AFTER_MAX, client, exchange, retry_after};

/// The most bytes that these exchanges read.
const BYTES_MAX: usize = 1_000;

/// How long these exchanges wait for a server that never answers.
const TIMEOUT: Duration = Duration::from_millis(300);

/// Sends a request to a server that reads it and answers with `answer`, then closes; or never answers at all.
async fn ask(answer: Option<&str>) -> Result<Answer, Reason> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let answer = answer.map(str::to_owned);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        match answer {
            Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
            None => std::future::pending().await,
        }
    });
    let request = client(true).build().expect("a client").post(format!("http://{address}/run"));
    let result = exchange(request.timeout(TIMEOUT).body("{}"), BYTES_MAX).await;
    server.abort();
    result
}

/// What went wrong, or the status.
async fn outcome(answer: Option<&str>) -> Result<u16, Reason> {
    ask(answer).await.map(|answer| answer.status.as_u16())
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_bound() {
    let fits = format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES_MAX}\r\n\r\n{}", "x".repeat(BYTES_MAX));
    assert_eq!(ask(Some(&fits)).await.map(|answer| answer.body.len()), Ok(BYTES_MAX));

    let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BYTES_MAX + 1);
    assert_eq!(outcome(Some(&announced)).await, Err(Reason::TooLarge));

    let chunk = format!("{:x}\r\n{}\r\n", 600, "x".repeat(600));
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    assert_eq!(outcome(Some(&chunked)).await, Err(Reason::TooLarge));

    let unending = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(BYTES_MAX + 1));
    assert_eq!(outcome(Some(&unending)).await, Err(Reason::TooLarge));
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_from_one_that_is_slow_and_one_that_was_never_made() {
    assert_eq!(outcome(Some("")).await, Err(Reason::Interrupted));
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"id\":";
    assert_eq!(outcome(Some(half)).await, Err(Reason::Interrupted));
    assert_eq!(outcome(Some("no HTTP at all\r\n\r\n")).await, Err(Reason::Interrupted));
    assert_eq!(outcome(None).await, Err(Reason::Timeout));

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let request = client(true).build().expect("a client").get(format!("http://{address}/"));
    assert_eq!(exchange(request, BYTES_MAX).await.err(), Some(Reason::Connect));
    let request = client(true).build().expect("a client").get("http://nowhere.invalid/");
    assert_eq!(exchange(request, BYTES_MAX).await.err(), Some(Reason::Connect));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(outcome(Some(elsewhere)).await, Ok(307));
}

#[tokio::test]
async fn the_body_of_a_refusal_is_not_read() {
    let refusal = format!("HTTP/1.1 500 Oops\r\nContent-Length: {}\r\n\r\n", usize::MAX / 2);
    let answer = ask(Some(&refusal)).await.expect("an answer");
    assert_eq!((answer.status.as_u16(), answer.body.len()), (500, 0));
}

fn wish(retry: &'static str, date: Option<&'static str>) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static(retry));
    if let Some(date) = date {
        headers.insert(DATE, HeaderValue::from_static(date));
    }
    retry_after(&headers)
}

#[test]
fn a_wish_is_read_in_both_forms_and_bounded() {
    let now = Some("Sun, 22 Nov 2026 10:00:00 GMT");
    assert_eq!(wish("3", None), Some(Duration::from_secs(3)));
    assert_eq!(wish("86400", None), Some(RETRY_AFTER_MAX));
    assert_eq!(wish("Sun, 22 Nov 2026 10:00:09 GMT", now), Some(Duration::from_secs(9)));
    assert_eq!(wish("Sun, 22 Nov 2026 09:00:00 GMT", now), None);
    assert_eq!(wish("Sun, 22 Nov 2026 10:00:09 GMT", None), None);
    assert_eq!(wish("soon", now), None);
    assert_eq!(wish("-1", now), None);
}
