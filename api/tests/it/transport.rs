//! What is on the wire: TLS, the headers of every answer, and what is not on the public port.

use devstack::attack::{self, Target};
use reqwest::header::{HeaderMap, ORIGIN};
use reqwest::{Certificate, Client, Method};
use tempfile::TempDir;
use url::Url;

use crate::harness::Stack;

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("-", |value| value.to_str().unwrap())
}

/// An API that speaks TLS itself, and a client that trusts its certificate.
pub(crate) async fn over_tls(folder: &TempDir) -> (Stack, Client) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let stack = Stack::with(&[("TLS_CERT", cert.to_str().unwrap()), ("TLS_KEY", key.to_str().unwrap())]).await;
    let root = Certificate::from_der(made.cert.der()).unwrap();
    (stack, Client::builder().tls_certs_only([root]).build().unwrap())
}

#[tokio::test]
async fn tls_is_spoken_where_there_is_a_certificate_and_browsers_are_told_to_stay_with_it() {
    let folder = TempDir::new().unwrap();
    let (stack, client) = over_tls(&folder).await;
    let answer = client.get(stack.base.join("/livez").unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(text(answer.headers(), "strict-transport-security"), "max-age=31536000");

    assert_eq!(stack.healthcheck(&stack.base).await, Ok(()), "of itself it needs no certificate");
    let plain = Url::parse(&format!("http://{}/livez", stack.base.authority())).unwrap();
    let refused = Client::new().get(plain).send().await;
    let seen = refused.map_or_else(|_| "no answer".to_owned(), |answer| answer.status().to_string());
    attack::is_met(Target::Transport, "plain http to the port of TLS", "no answer", seen);
    let untrusting = Client::new().get(stack.base.join("/livez").unwrap()).send().await;
    assert!(untrusting.is_err(), "the certificate is what is checked");
    stack.finish().await;
}

#[tokio::test]
async fn every_answer_carries_the_headers_of_safety_and_none_tells_what_answers() {
    let stack = Stack::start().await;
    for (path, status) in [("/livez", 200), ("/made/up", 404), ("/api/v1/credits", 401), ("/docs", 200)] {
        let answer = stack.client(None).get(path).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        let banner = answer.headers.get("server").or_else(|| answer.headers.get("x-powered-by"));
        let seen = banner.map_or("none", |banner| banner.to_str().unwrap());
        attack::is_met(Target::Transport, format!("looking for the server's name at {path}"), "none", seen);
    }
    stack.finish().await;
}

#[tokio::test]
async fn metrics_and_what_operators_ask_are_not_on_the_public_port() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    for path in ["/metrics", "/api/v1/metrics", "/admin", "/api/v1/admin", "/debug/pprof", "/.env", "/files/../secret"]
    {
        let answer = user.client.get(path).await.unwrap();
        attack::is_met(Target::Transport, format!("GET {path} on the public port"), 404, answer.status.as_u16());
    }
    stack.finish().await;
}

#[tokio::test]
async fn pages_of_other_origins_are_not_handed_answers() {
    let stack = Stack::with(&[("CORS_ORIGINS", "https://app.example.com")]).await;
    let client = Client::new();
    for (origin, expected) in [
        ("https://app.example.com", "https://app.example.com"),
        ("https://app.example.com.evil.example", "-"),
        ("http://app.example.com", "-"),
        ("https://evil.example", "-"),
        ("null", "-"),
    ] {
        let url = stack.base.join("/api/v1/workflows").unwrap();
        let preflight = client.request(Method::OPTIONS, url.clone()).header(ORIGIN, origin);
        let preflight = preflight.header("access-control-request-method", "GET").send().await.unwrap();
        let answer = client.get(url).header(ORIGIN, origin).send().await.unwrap();
        let allowed =
            [preflight, answer].map(|answer| text(answer.headers(), "access-control-allow-origin").to_owned());
        assert_eq!(allowed[0], allowed[1]);
        attack::is_met(Target::Transport, format!("a page of {origin} calls"), expected, &allowed[0]);
        assert!(!allowed.contains(&"*".to_owned()));
    }
    stack.finish().await;
}
