//! Every refusal has one form, whoever made it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::Stack;

#[tokio::test]
async fn a_problem_is_complete_and_names_its_request() {
    let stack = Stack::start().await;
    let nobody = stack.client(None);
    let request = nobody.request(Method::GET, "/api/v1/credits?secret=1").header("X-Request-Id", "req-17");
    let refused = nobody.send(request).await.unwrap().expecting(401);
    let expected = json!({
        "type": "/problems/invalid-token",
        "title": "No valid token",
        "status": 401,
        "detail": "a valid access token of a signed-in user is required",
        "instance": "/api/v1/credits",
        "code": "invalid-token",
        "request_id": "req-17",
    });
    assert_eq!(refused.body, expected);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    assert_eq!(refused.header("x-request-id"), "req-17");
    stack.finish().await;
}

#[tokio::test]
async fn the_frameworks_own_refusals_take_the_same_form() {
    let stack = Stack::start().await;
    let nobody = stack.client(None);
    let cases = [
        (Method::GET, "/nothing/here", 404, "not-found"),
        (Method::GET, "/", 404, "not-found"),
        (Method::DELETE, "/api/v1/generate", 405, "method-not-allowed"),
        (Method::POST, "/docs", 405, "method-not-allowed"),
        (Method::GET, "/files/a/b.webp", 404, "not-found"),
        (Method::GET, "/problems/none", 404, "not-found"),
    ];
    for (method, path, status, code) in cases {
        let refused = nobody.send(nobody.request(method, path)).await.unwrap().expecting(status);
        assert_eq!(refused.header("content-type"), "application/problem+json", "{path}");
        assert_eq!((&refused.body["code"], &refused.body["instance"]), (&json!(code), &json!(path)));
        assert_eq!(refused.body["request_id"], refused.header("x-request-id"));
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_method_that_is_not_answered_names_those_that_are() {
    let stack = Stack::start().await;
    let nobody = stack.client(None);
    let id = uuid::Uuid::now_v7();
    for (path, allowed) in [
        ("/api/v1/generate".to_owned(), "POST"),
        (format!("/api/v1/status/{id}"), "GET"),
        (format!("/api/v1/generations/{id}/cancel"), "POST"),
        ("/livez".to_owned(), "GET"),
        ("/openapi.yaml".to_owned(), "GET"),
    ] {
        let refused = nobody.send(nobody.request(Method::PATCH, &path)).await.unwrap().expecting(405);
        assert_eq!(refused.header("allow"), allowed, "{path}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn every_documented_problem_has_a_page() {
    let stack = Stack::start().await;
    let reader = stack.client(None);
    let document = reader.get("/openapi.json").await.unwrap().expecting(200).body;
    let codes = document["components"]["schemas"]["ProblemCode"]["enum"].as_array().unwrap();
    assert!(codes.len() > 10);
    for code in codes.iter().filter_map(Value::as_str) {
        let page = reader.get(&format!("/problems/{code}")).await.unwrap().expecting(200);
        assert!(page.header("content-type").starts_with("text/plain"));
    }
    stack.finish().await;
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_browsers_from_guessing() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    for path in ["/api/v1/credits", "/nothing"] {
        let answer = user.client.get(path).await.unwrap();
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.header("x-request-id").is_empty());
    }
    stack.finish().await;
}
