//! Which web pages may read the answers.

use std::collections::BTreeSet;

use devstack::client::Answer;
use reqwest::Method;

use crate::harness::Stack;

const OURS: &str = "https://app.example.com";
const THEIRS: &str = "https://evil.example.com";
/// Fields of every request that the document does not repeat at each operation: the token, what Supabase's client sends,
/// and what tracing adds.
const SENT_TO_ALL: &str = "authorization,apikey,x-client-info,content-type,prefer,if-none-match,x-request-id,traceparent,\
    tracestate,baggage,sentry-trace";

/// The names in a list of header fields or methods, in lower case.
fn names(list: &str) -> BTreeSet<String> {
    list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
}

async fn ask(stack: &Stack, method: Method, origin: &str) -> Answer {
    let page = stack.client(None);
    let request = page.request(method, "/api/v1/generate").header("Origin", origin);
    let request = request.header("Access-Control-Request-Method", "POST");
    page.send(request.header("Access-Control-Request-Headers", "authorization,content-type,idempotency-key"))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_listed_page_may_send_and_read() {
    let stack = Stack::with(&[("CORS_ORIGINS", OURS)]).await;
    let preflight = ask(&stack, Method::OPTIONS, OURS).await.expecting(204);
    assert_eq!(preflight.header("access-control-allow-origin"), OURS);
    assert!(preflight.header("access-control-allow-methods").contains("POST"));
    let answer = ask(&stack, Method::POST, OURS).await.expecting(401);
    assert_eq!(answer.header("access-control-allow-origin"), OURS);
    assert_eq!(answer.header("vary"), "Origin");
    stack.finish().await;
}

#[tokio::test]
async fn other_pages_may_not() {
    for origins in ["", OURS] {
        let stack = Stack::with(&[("CORS_ORIGINS", origins)]).await;
        for method in [Method::OPTIONS, Method::POST] {
            let answer = ask(&stack, method, THEIRS).await;
            assert_eq!(answer.header("access-control-allow-origin"), "");
            assert!(answer.status.is_client_error());
        }
        stack.finish().await;
    }
}

/// Pages may use everything that is documented: if a preflight lacks a method or a field, the browser blocks the
/// request.
#[tokio::test]
async fn a_listed_page_may_use_each_documented_method_and_field_of_every_operation() {
    let stack = Stack::with(&[("CORS_ORIGINS", OURS)]).await;
    let page = stack.client(None);
    let document = page.get("/openapi.json").await.unwrap().expecting(200).body;
    let (mut operations, mut missing) = (0, Vec::new());
    for (path, methods) in document["paths"].as_object().unwrap() {
        let concrete = path.split('/').map(|part| if part.starts_with('{') { "0" } else { part });
        let concrete = concrete.collect::<Vec<_>>().join("/");
        for (method, operation) in methods.as_object().unwrap() {
            operations += 1;
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let of_operation = parameters.filter(|parameter| parameter["in"] == "header");
            let mut sent = names(SENT_TO_ALL);
            sent.extend(of_operation.map(|field| field["name"].as_str().unwrap().to_ascii_lowercase()));
            let answers = operation["responses"].as_object().unwrap().values();
            let read: BTreeSet<_> = answers
                .filter_map(|answer| answer["headers"].as_object())
                .flat_map(serde_json::Map::keys)
                .map(|name| name.to_ascii_lowercase())
                .chain(names("x-request-id"))
                .collect();

            let preflight = page.request(Method::OPTIONS, &concrete).header("Origin", OURS);
            let preflight = preflight.header("Access-Control-Request-Method", method.to_uppercase());
            let asked = sent.iter().cloned().collect::<Vec<_>>().join(",");
            let preflight = page.send(preflight.header("Access-Control-Request-Headers", asked)).await.unwrap();
            let call = page.request(method.to_uppercase().parse().unwrap(), &concrete).header("Origin", OURS);
            let called = page.send(call).await.unwrap();
            let listed = |answer: &Answer, name: &str| names(answer.header(name));
            let has_method = names(method).is_subset(&listed(&preflight, "access-control-allow-methods"));
            let unsent = &sent - &listed(&preflight, "access-control-allow-headers");
            let unread = &read - &listed(&called, "access-control-expose-headers");
            if preflight.status != 204 || !has_method || !unsent.is_empty() || !unread.is_empty() {
                missing.push(format!("{method} {path}: method {has_method}, not sent {unsent:?}, not read {unread:?}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(operations > 20, "{operations} operations");
    stack.finish().await;
}

/// A preflight lists only the methods that exist at its route.
#[tokio::test]
async fn a_preflight_names_the_methods_of_its_route_alone() {
    let stack = Stack::with(&[("CORS_ORIGINS", OURS)]).await;
    for (path, methods) in
        [("/api/v1/generate", "POST"), ("/api/v1/generations/0", "DELETE"), ("/docs", "GET"), ("/none", "GET")]
    {
        let page = stack.client(None);
        let preflight = page.request(Method::OPTIONS, path).header("Origin", OURS);
        let preflight = page.send(preflight.header("Access-Control-Request-Method", "GET")).await.unwrap();
        assert_eq!(preflight.header("access-control-allow-methods"), methods, "{path}");
    }
    stack.finish().await;
}
