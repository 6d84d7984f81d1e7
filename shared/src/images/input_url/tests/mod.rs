//! Fetching from a real server, with certificates, that is not always a good one.

mod server;

use std::net::SocketAddr;
use std::time::Duration;

use devstack::attack::{self, Target};
use url::Url;

use self::server::{Answer, HOST, Server};
use super::resolver::PublicResolver;
use super::{FetchError, InputFetcher};
use crate::images::INPUT_BYTES_MAX;

/// How long the fetches wait that are made to wait.
const TIMEOUT: Duration = Duration::from_millis(300);

fn url() -> Url {
    format!("https://{HOST}/a.png?signature=secret").parse().expect("a URL")
}

fn whole(head: &str, body: &[u8]) -> Answer {
    Answer::Whole([head.as_bytes(), b"\r\n\r\n", body].concat())
}

/// What fetching from a server that gives such an answer comes to, as the length of the file.
async fn fetched(answer: Answer) -> Result<usize, FetchError> {
    let server = Server::start(answer).await;
    let fetcher = InputFetcher::trusting(HOST, server.address, &server.root_der).expect("a client");
    fetcher.fetch(&url()).await.map(|bytes| bytes.len())
}

#[tokio::test]
async fn a_file_is_fetched_as_it_is_and_the_server_learns_nothing_of_us() {
    let mut server = Server::start(whole("HTTP/1.1 200 OK\r\nContent-Length: 5", b"bytes")).await;
    let fetcher = InputFetcher::trusting(HOST, server.address, &server.root_der).expect("a client");
    assert_eq!(fetcher.fetch(&url()).await.expect("a file"), "bytes");

    let request = server.request().expect("one request").to_lowercase();
    let mut lines: Vec<&str> = request.trim_end().split("\r\n").collect();
    lines[1..].sort_unstable();
    let agent = format!("user-agent: shootx/{}", env!("CARGO_PKG_VERSION"));
    let host = format!("host: {HOST}");
    assert_eq!(
        lines,
        ["get /a.png?signature=secret http/1.1", "accept: image/png, image/jpeg, image/webp", &host, &agent]
    );

    // Another file, another connection, whose address is judged anew.
    fetcher.fetch(&url()).await.expect("a file");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_file_without_a_length_is_read_to_its_end() {
    let chunked = whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(fetched(chunked).await, Ok(5));
    assert_eq!(fetched(whole("HTTP/1.1 200 OK", b"until the end")).await, Ok(13));
}

#[tokio::test]
async fn what_a_server_refuses_is_told_from_what_it_may_give_later() {
    for (status, expected) in [
        ("204 No Content", FetchError::Dead { status: 204 }),
        ("206 Partial Content", FetchError::Dead { status: 206 }),
        ("304 Not Modified", FetchError::Dead { status: 304 }),
        ("401 Unauthorized", FetchError::Dead { status: 401 }),
        ("403 Forbidden", FetchError::Dead { status: 403 }),
        ("404 Not Found", FetchError::Dead { status: 404 }),
        ("410 Gone", FetchError::Dead { status: 410 }),
        ("408 Request Timeout", FetchError::Unavailable { reason: "it is busy" }),
        ("429 Too Many Requests", FetchError::Unavailable { reason: "it is busy" }),
        ("500 Internal Server Error", FetchError::Unavailable { reason: "it has failed" }),
        ("503 Service Unavailable", FetchError::Unavailable { reason: "it has failed" }),
    ] {
        let answer = whole(&format!("HTTP/1.1 {status}\r\nContent-Length: 0"), b"");
        assert_eq!(fetched(answer).await, Err(expected), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_wherever_it_leads() {
    for (status, target) in [
        ("301 Moved Permanently", "/b.png"),
        ("302 Found", "https://127.0.0.1/"),
        ("307 Temporary Redirect", "http://169.254.169.254/latest/meta-data/"),
        ("308 Permanent Redirect", "https://pictures.example/b.png"),
    ] {
        let answer = whole(&format!("HTTP/1.1 {status}\r\nLocation: {target}\r\nContent-Length: 0"), b"");
        let mut server = Server::start(answer).await;
        let fetcher = InputFetcher::trusting(HOST, server.address, &server.root_der).expect("a client");
        let status = status[..3].parse().expect("a number");
        assert_eq!(fetcher.fetch(&url()).await, Err(FetchError::Dead { status }));
        assert!(server.request().is_some());
        let followed = server.request().is_some() || server.connections() > 1;
        let seen = if followed { "followed" } else { "not followed" };
        attack::is_met(Target::Content, format!("a redirect ({status}) to {target}"), "not followed", seen);
    }
}

#[tokio::test]
async fn a_file_that_is_too_long_is_refused_with_and_without_a_length() {
    let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: {}", INPUT_BYTES_MAX + 1);
    // Nothing follows: it is refused at once.
    assert_eq!(fetched(Answer::Stalled(format!("{announced}\r\n\r\n").into())).await, Err(FetchError::TooLarge));

    let body = vec![7; INPUT_BYTES_MAX + 1];
    assert_eq!(fetched(whole("HTTP/1.1 200 OK", &body)).await, Err(FetchError::TooLarge));
    assert_eq!(fetched(whole("HTTP/1.1 200 OK", &body[1..])).await, Ok(INPUT_BYTES_MAX));
}

#[tokio::test]
async fn nothing_is_unpacked() {
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4";
    assert_eq!(fetched(whole(head, b"\x1f\x8b\x08\x00")).await, Ok(4));
}

#[tokio::test]
async fn a_server_that_stalls_or_breaks_off_is_given_up() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nhalf";
    for sent in ["", "HTTP/1.1 200 OK\r\nContent-", half] {
        let server = Server::start(Answer::Stalled(sent.into())).await;
        let resolver =
            PublicResolver { pinned: Some((HOST.to_owned(), vec![server.address])), exempt: Some(server.address) };
        let fetcher = InputFetcher::build(resolver, Some(&server.root_der), TIMEOUT).expect("a client");
        let given_up = Err(FetchError::Unavailable { reason: "it takes too long" });
        assert_eq!(fetcher.fetch(&url()).await, given_up, "{sent}");
    }
    for sent in ["", "HTTP/1.1 200 OK\r\nContent-", half, "no HTTP at all\r\n\r\n"] {
        let broken = Err(FetchError::Unavailable { reason: "the connection broke" });
        assert_eq!(fetched(Answer::Whole(sent.into())).await, broken, "{sent}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_or_for_another_name_is_not_trusted() {
    let refused = Err(FetchError::Unavailable { reason: "no secure connection can be made" });
    let mut server = Server::start(whole("HTTP/1.1 200 OK", b"bytes")).await;
    let other = Server::start(whole("HTTP/1.1 200 OK", b"bytes")).await;
    let strict = InputFetcher::trusting(HOST, server.address, &other.root_der).expect("a client");
    assert_eq!(strict.fetch(&url()).await, refused);

    let elsewhere = InputFetcher::trusting("other.example", server.address, &server.root_der).expect("a client");
    assert_eq!(elsewhere.fetch(&"https://other.example/".parse().expect("a URL")).await, refused);

    // As in production: the roots of this machine do not know it either.
    let resolver =
        PublicResolver { pinned: Some((HOST.to_owned(), vec![server.address])), exempt: Some(server.address) };
    if let Ok(fetcher) = InputFetcher::build(resolver, None, TIMEOUT) {
        assert_eq!(fetcher.fetch(&url()).await, refused);
    }
    assert_eq!(server.request(), None);
}

#[tokio::test]
async fn a_name_that_leads_to_an_address_that_is_not_public_is_not_connected_to() {
    let server = Server::start(whole("HTTP/1.1 200 OK", b"bytes")).await;
    let public = "8.8.8.8:443".parse().expect("an address");
    let closed = ["10.0.0.1:443", "169.254.169.254:443", "[fd00:ec2::254]:443", "[::ffff:127.0.0.1]:443"];
    let closed = closed.map(|text| vec![text.parse().expect("an address")]);
    let mixed = [vec![server.address], vec![server.address, public], vec![public, server.address]];
    for addresses in mixed.into_iter().chain(closed) {
        // A server's port is another in every run.
        let resolver_names: Vec<_> = addresses.iter().map(SocketAddr::ip).collect();
        let resolver = PublicResolver { pinned: Some((HOST.to_owned(), addresses)), exempt: None };
        let fetcher = InputFetcher::build(resolver, Some(&server.root_der), TIMEOUT).expect("a client");
        let seen = format!("{:?}", fetcher.fetch(&url()).await.err());
        let named: Vec<_> = resolver_names.iter().map(ToString::to_string).collect();
        let attack = format!("a picture at a name that leads to {}", named.join(" and "));
        attack::is_met(Target::Content, attack, "Some(Refused)", seen);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_answer_is_judged_at_every_connection() {
    let server = Server::start(whole("HTTP/1.1 200 OK\r\nContent-Length: 5", b"bytes")).await;
    let build = |exempt| {
        let resolver = PublicResolver { pinned: Some((HOST.to_owned(), vec![server.address])), exempt };
        InputFetcher::build(resolver, Some(&server.root_der), TIMEOUT).expect("a client")
    };
    build(Some(server.address)).fetch(&url()).await.expect("public the first time");
    let seen = format!("{:?}", build(None).fetch(&url()).await.err());
    attack::is_met(
        Target::Content,
        "a name that is public at the first look-up and not at the second",
        "Some(Refused)",
        seen,
    );
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_address_that_its_text_forbids_is_not_asked() {
    let server = Server::start(whole("HTTP/1.1 200 OK", b"bytes")).await;
    let fetcher = InputFetcher::trusting(HOST, server.address, &server.root_der).expect("a client");
    let port = server.address.port();
    for text in [
        format!("http://{HOST}/a.png"),
        format!("https://127.0.0.1:{port}/a.png"),
        format!("https://[::ffff:127.0.0.1]:{port}/a.png"),
        format!("https://localhost:{port}/a.png"),
        format!("https://user:password@{HOST}/a.png"),
        "https://127.0.0.1/a.png".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let seen = format!("{:?}", fetcher.fetch(&text.parse().expect("a URL")).await.err());
        let attack = format!("a picture at {}", text.replace(&format!(":{port}"), ":PORT"));
        attack::is_met(Target::Content, attack, "Some(Refused)", seen);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_nobody_knows_may_be_known_later() {
    let fetcher = InputFetcher::build(PublicResolver::default(), Some(&root().await), TIMEOUT).expect("a client");
    let result = fetcher.fetch(&"https://nowhere.invalid/a.png".parse().expect("a URL")).await;
    assert!(matches!(result, Err(FetchError::Unavailable { .. })), "{result:?}");
}

#[tokio::test]
async fn no_error_tells_the_address() {
    let server = Server::start(Answer::Whole(Vec::new())).await;
    let fetcher = InputFetcher::trusting(HOST, server.address, &server.root_der).expect("a client");
    let error = fetcher.fetch(&url()).await.expect_err("no answer");
    assert!(!format!("{error} {error:?}").contains("secret"));
}

/// Some certificate.
async fn root() -> Vec<u8> {
    Server::start(Answer::Whole(Vec::new())).await.root_der.clone()
}
