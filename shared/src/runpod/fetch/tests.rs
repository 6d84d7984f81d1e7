//! Which addresses outputs are fetched from.

use devstack::attack::{self, Target};
use url::Url;

use super::{admits, client};

#[test]
fn only_listed_hosts_are_admitted_and_plain_http_only_on_this_machine() {
    let hosts = ["cdn.example.com", ".r2.example.com", "127.0.0.1", "[::1]", "plain.example.com"];
    let hosts = hosts.map(str::to_owned);
    for good in [
        "https://cdn.example.com/a.png?sig=1",
        "https://CDN.example.com:8443/a.png",
        "https://bucket.r2.example.com/a.png",
        "http://127.0.0.1:9000/a.png",
        "http://[::1]:9000/a.png",
    ] {
        assert!(admits(&hosts, &Url::parse(good).expect("a URL")), "{good}");
    }
    for bad in [
        "http://cdn.example.com/a.png",
        "http://plain.example.com/a.png",
        "https://evil.example.com/a.png",
        "https://r2.example.com/a.png",
        "https://evilr2.example.com/a.png",
        "https://cdn.example.com.evil.com/a.png",
        "https://cdn.example.com@evil.com/a.png",
        "https://user@cdn.example.com/a.png",
        "https://169.254.169.254/latest/meta-data",
        "http://localhost/a.png",
        "ftp://cdn.example.com/a.png",
        "file:///etc/passwd",
        "data:text/plain,hi",
    ] {
        assert!(!admits(&hosts, &Url::parse(bad).expect("a URL")), "{bad}");
    }
    assert!(!admits(&[], &Url::parse("https://cdn.example.com/").expect("a URL")));
}

#[tokio::test]
async fn an_output_at_a_name_that_leads_to_this_machine_is_not_asked_for_unless_that_was_meant() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://localhost:{}/", listener.local_addr().expect("bound").port());
    for (listed, expected) in [("cdn.example.com", "not reached"), ("localhost", "reached")] {
        let http = client(true, &[listed.to_owned()]).expect("a client");
        let seen = tokio::select! {
            _ = listener.accept() => "reached",
            _ = http.get(&url).send() => "not reached",
        };
        let attack = format!("an output at a name that leads to 127.0.0.1, where {listed} is listed");
        attack::is_met(Target::Content, attack, expected, seen);
    }
}
