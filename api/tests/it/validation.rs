//! What a body may be: every fault is told, at once, with its place, and costs nothing.

use devstack::builders::model;
use devstack::client::Answer;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answered, Stack, User, WELCOME};

/// Pointers of the faults that a 422 lists.
fn pointers(answer: &Answer) -> Vec<&str> {
    answer.body["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap()).collect()
}

async fn faults(user: &User, body: Value, expected: &[&str]) {
    let refused = user.client.generate(&body).await.unwrap().expecting(422);
    assert_eq!(refused.body["code"], "invalid-request");
    assert_eq!(pointers(&refused), expected, "{body}");
    let quote = user.client.quote(&body).await.unwrap().expecting(422);
    assert_eq!(quote.body["errors"], refused.body["errors"], "{body}");
}

async fn send(user: &User, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let mut request = user.client.request(Method::POST, "/api/v1/generate").body(body);
    if let Some(content_type) = content_type {
        request = request.header("Content-Type", content_type);
    }
    user.client.send(request).await.unwrap()
}

async fn nothing_was_charged(stack: Stack, user: &User) {
    assert_eq!(user.client.balance().await.unwrap(), WELCOME);
    assert_eq!(stack.count("generations").await, 0);
    stack.finish().await;
}

#[tokio::test]
async fn each_single_fault_is_found() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    faults(&user, model().field("workflow_type", "teleport").build(), &["/workflow_type"]).await;
    faults(&user, model().field("workflow_type", Value::Null).build(), &["/workflow_type"]).await;
    faults(&user, model().without_input("pose").build(), &["/input_data/pose"]).await;
    faults(&user, model().input("wings", 2).build(), &["/input_data/wings"]).await;
    faults(&user, model().input("gender", "robot").build(), &["/input_data/gender"]).await;
    faults(&user, model().input("prompt", "x".repeat(2001)).build(), &["/input_data/prompt"]).await;
    faults(&user, model().input("prompt", json!(["a"])).build(), &["/input_data/prompt"]).await;
    faults(&user, model().outputs(5).build(), &["/settings/output_count"]).await;
    faults(&user, model().outputs(0).build(), &["/settings/output_count"]).await;
    faults(&user, model().setting("output_count", "2").build(), &["/settings/output_count"]).await;
    faults(&user, model().format("mp4").build(), &["/settings/output_format"]).await;
    faults(&user, model().field("user_id", "me").build(), &["/user_id"]).await;
    faults(&user, model().field("price", 0).build(), &["/price"]).await;
    faults(&user, model().field("input_data", "none").build(), &["/input_data"]).await;
    for no_object in [json!([]), json!("text"), json!(null)] {
        faults(&user, no_object, &[""]).await;
    }
    nothing_was_charged(stack, &user).await;
}

#[tokio::test]
async fn all_faults_are_listed_at_once() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let request = model()
        .input("ageRange", "100+")
        .without_input("age_range")
        .input("a/b", 1)
        .without_input("ethnicity")
        .outputs(9)
        .format("bmp")
        .field("project_id", 7)
        .field("tags", json!(["ok", 5]));
    let expected = [
        "/input_data/a~1b",
        "/input_data/ageRange",
        "/input_data/ethnicity",
        "/settings/output_count",
        "/settings/output_format",
        "/project_id",
        "/tags/1",
    ];
    faults(&user, request.build(), &expected).await;
    nothing_was_charged(stack, &user).await;
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let deep = "[".repeat(5_000);
    for body in ["", "not json", "{\"workflow_type\":", "{}{}", &deep] {
        let refused = send(&user, Some("application/json"), body.to_owned()).await.expecting(400);
        assert_eq!(refused.body["code"], "malformed-request");
    }
    nothing_was_charged(stack, &user).await;
}

#[tokio::test]
async fn only_json_is_taken() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let body = model().build().to_string();
    for content_type in [None, Some("text/plain"), Some("multipart/form-data; boundary=x"), Some("application/jsonx")] {
        let refused = send(&user, content_type, body.clone()).await.expecting(415);
        assert_eq!(refused.body["code"], "unsupported-media-type");
    }
    nothing_was_charged(stack, &user).await;
}

#[tokio::test]
async fn json_may_name_its_charset() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    send(&user, Some("Application/JSON; charset=utf-8"), model().build().to_string()).await.answered(202);
    stack.finish().await;
}

#[tokio::test]
async fn a_body_is_bounded_in_bytes_and_in_values() {
    const OVER: usize = 16 * 1024 * 1024 + 1;
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let pieces = futures::stream::iter((0..=256).map(|_| Ok::<_, std::io::Error>(vec![b' '; 65_536])));
    for body in [reqwest::Body::from(vec![b' '; OVER]), reqwest::Body::wrap_stream(pieces)] {
        let refused = send(&user, Some("application/json"), body).await.expecting(413);
        assert_eq!(refused.body["code"], "payload-too-large");
    }
    let many = format!("[{}0]", "0,".repeat(100_000));
    send(&user, Some("application/json"), many).await.answered(413);
    nothing_was_charged(stack, &user).await;
}
