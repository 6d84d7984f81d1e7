//! Requests that are refused while their body is still being sent: common clients see the refusal instead of a broken
//! connection.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use devstack::foreign_tool::{self, is_installed};
use reqwest::{Client, Method};
use serde::Serialize;
use tempfile::TempDir;

use crate::harness::{Stack, User};
use crate::transport::over_tls;

/// More than any buffer between client and server holds.
const LARGE: usize = 3 * 1024 * 1024;
/// More than any operation accepts.
const TOO_LARGE: usize = 20 * 1024 * 1024;

/// How long one request of curl's may take, on a machine that is busy.
const CURL_MAX: Duration = Duration::from_secs(60);

/// A request, and the status it is refused with.
#[derive(Serialize)]
struct Case {
    method: String,
    url: String,
    headers: BTreeMap<&'static str, String>,
    bytes: usize,
    #[serde(skip)]
    expected: String,
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Node,
    Python,
    Curl(&'static str),
}

/// Every operation that may have a body, without and with a token, and paths without an operation. A large body must be
/// refused with the same status as a small one.
async fn cases(stack: &Stack, client: &Client, user: &User) -> Vec<Case> {
    let document = client.get(stack.base.join("/openapi.json").unwrap()).send().await.unwrap();
    let document: serde_json::Value = document.json().await.unwrap();
    let mut targets = vec![("POST".to_owned(), "/none".to_owned()), ("PUT".to_owned(), "/api/v1/generate".to_owned())];
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.split('/').map(|part| if part.starts_with('{') { "0" } else { part }).collect::<Vec<_>>();
        let methods = methods.as_object().unwrap().keys().map(|method| method.to_uppercase());
        targets.extend(methods.filter(|method| method != "GET").map(|method| (method, path.join("/"))));
    }
    let token = format!("Bearer {}", stack.issuer.token(user.id));
    let mut cases = Vec::new();
    for (method, path) in targets {
        for authorization in [None, Some(&token)] {
            let url = stack.base.join(&path).unwrap();
            let mut headers = BTreeMap::from([("Content-Type", "text/plain".to_owned())]);
            headers.extend(authorization.map(|token| ("Authorization", token.clone())));
            let mut small = client.request(method.parse::<Method>().unwrap(), url.clone()).body("x");
            for (name, value) in &headers {
                small = small.header(*name, value);
            }
            let expected = small.send().await.unwrap().status().as_u16().to_string();
            cases.push(Case { method: method.clone(), url: url.into(), headers, bytes: LARGE, expected });
        }
    }
    let json = BTreeMap::from([("Content-Type", "application/json".to_owned()), ("Authorization", token)]);
    let url = stack.base.join("/api/v1/generate").unwrap().into();
    cases.push(Case { method: "POST".to_owned(), url, headers: json, bytes: TOO_LARGE, expected: "413".to_owned() });
    assert!(cases.len() > 15, "{} cases", cases.len());
    cases
}

/// The statuses that a client sees, or its error.
async fn sent(sender: Sender, cases: &[Case], trusted: Option<&Path>, folder: &TempDir) -> Vec<String> {
    let list = serde_json::to_string(cases).unwrap();
    let sources = foreign_tool::checkout().join("api/tests/it/early_refusals");
    let mut command = match sender {
        Sender::Node => foreign_tool::command("node", folder.path()),
        Sender::Python => foreign_tool::command("python3", folder.path()),
        Sender::Curl(version) => {
            let mut seen = Vec::new();
            for case in cases {
                seen.push(curl(version, case, trusted, folder).await);
            }
            return seen;
        }
    };
    command.arg(sources.join(if sender == Sender::Node { "client.mjs" } else { "client.py" })).arg(list);
    if let Some(trusted) = trusted {
        command.arg(trusted).env("NODE_EXTRA_CA_CERTS", trusted);
    }
    serde_json::from_str(&foreign_tool::output(command).await).unwrap()
}

async fn curl(version: &str, case: &Case, trusted: Option<&Path>, folder: &TempDir) -> String {
    let body = folder.path().join(case.bytes.to_string());
    if !body.exists() {
        std::fs::write(&body, vec![b'x'; case.bytes]).unwrap();
    }
    let mut command = foreign_tool::command("curl", folder.path());
    command.args(["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}", version]);
    command.args(["--request", &case.method, "--data-binary", &format!("@{}", body.display())]);
    for (name, value) in &case.headers {
        command.args(["--header", &format!("{name}: {value}")]);
    }
    if let Some(trusted) = trusted {
        command.arg("--cacert").arg(trusted);
    }
    command.arg(&case.url);
    let output = foreign_tool::end(command, CURL_MAX).await;
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

async fn every_refusal_is_seen(stack: Stack, client: Client, trusted: Option<PathBuf>, senders: &[(Sender, &str)]) {
    let (user, folder) = (stack.sign_up().await, TempDir::new().unwrap());
    let cases = cases(&stack, &client, &user).await;
    let mut unseen = Vec::new();
    for (sender, program) in senders {
        if !is_installed(program).await {
            continue;
        }
        let seen = sent(*sender, &cases, trusted.as_deref(), &folder).await;
        assert_eq!(seen.len(), cases.len());
        for (case, seen) in cases.iter().zip(seen).filter(|(case, seen)| case.expected != *seen) {
            unseen.push(format!("{sender:?} {} {}: {seen} instead of {}", case.method, case.url, case.expected));
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
    stack.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_early_refusal_is_seen_over_plain_http() {
    let senders = [
        (Sender::Node, "node"),
        (Sender::Python, "python3"),
        (Sender::Curl("--http1.1"), "curl"),
        (Sender::Curl("--http2-prior-knowledge"), "curl"),
    ];
    every_refusal_is_seen(Stack::start().await, Client::new(), None, &senders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_early_refusal_is_seen_over_tls() {
    let folder = TempDir::new().unwrap();
    let (stack, client) = over_tls(&folder).await;
    let senders = [
        (Sender::Node, "node"),
        (Sender::Python, "python3"),
        (Sender::Curl("--http1.1"), "curl"),
        (Sender::Curl("--http2"), "curl"),
    ];
    every_refusal_is_seen(stack, client, Some(folder.path().join("tls.crt")), &senders).await;
}

/// The rate limit of an IP address applies first; that refusal is seen, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_upload_is_told_so() {
    const TIMES: usize = 24;
    let stack = Stack::with(&[("ADDRESS_RATE_PER_SECOND", "1")]).await;
    let url: String = stack.base.join("/api/v1/generate").unwrap().into();
    let case = || Case {
        method: "POST".to_owned(),
        url: url.clone(),
        headers: BTreeMap::new(),
        bytes: LARGE,
        expected: "429".to_owned(),
    };
    let (cases, folder) = ((0..TIMES).map(|_| case()).collect::<Vec<_>>(), TempDir::new().unwrap());
    for (sender, program) in [(Sender::Node, "node"), (Sender::Python, "python3")] {
        if !is_installed(program).await {
            continue;
        }
        let seen = sent(sender, &cases, None, &folder).await;
        assert!(seen.iter().all(|status| ["401", "429"].contains(&&status[..])), "{seen:?}");
        assert!(seen.iter().any(|status| *status == cases[0].expected), "{seen:?}");
    }
    stack.finish().await;
}
