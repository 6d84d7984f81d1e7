//! `Idempotency-Key`: one intent is charged once, however often it is sent.

use std::time::Duration;

use devstack::builders::model;
use reqwest::Method;

use crate::harness::{Answered, Stack, WELCOME};

const KEY: &str = "order-17";

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_time_to_the_byte() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let send = async || {
        let request = user.client.request(Method::POST, "/api/v1/generate").header("Idempotency-Key", KEY);
        let answer = request.json(&model().build()).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let headers = (header("location").unwrap(), header("idempotent-replayed"));
        (answer.status(), headers, answer.bytes().await.unwrap())
    };
    let (status, (location, replayed), body) = send().await;
    assert_eq!((status.as_u16(), replayed), (202, None));
    assert_eq!(send().await, (status, (location, Some("true".to_owned())), body));
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 2);
    assert_eq!(stack.count("generations").await, 1);
    stack.finish().await;
}

#[tokio::test]
async fn the_same_request_in_another_spelling_is_a_repeat() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let plain = model().outputs(2).format("webp");
    let spelt = model().without_input("age_range").input("ageRange", "25-35").field("userId", user.id.to_string());
    let first = user.client.generate_once(KEY, &plain.build()).await.unwrap().expecting(202);
    let again = user.client.generate_once(KEY, &spelt.build()).await.unwrap().expecting(202);
    assert_eq!(again.body, first.body);
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 2);
    stack.finish().await;
}

#[tokio::test]
async fn a_key_cannot_be_used_for_another_request() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    user.client.generate_once(KEY, &model().build()).await.unwrap().answered(202);
    let refused = user.client.generate_once(KEY, &model().outputs(1).build()).await.unwrap().expecting(422);
    assert_eq!(refused.body["code"], "idempotency-key-reused");
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 2);
    stack.finish().await;
}

#[tokio::test]
async fn two_at_the_same_moment_are_charged_once() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let request = model().build();
    let sent = (0..8).map(|_| user.client.generate_once(KEY, &request));
    let answers = futures::future::join_all(sent).await;
    let ids: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().expecting(202).generation_id()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 2);
    stack.finish().await;
}

#[tokio::test]
async fn keys_belong_to_their_user() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let mine = user.client.generate_once(KEY, &model().build()).await.unwrap().expecting(202);
    let theirs = other.client.generate_once(KEY, &model().outputs(1).build()).await.unwrap().expecting(202);
    assert_ne!(mine.generation_id(), theirs.generation_id());
    stack.finish().await;
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    stack.leave_credits(&user, 1).await;
    user.client.generate_once(KEY, &model().build()).await.unwrap().answered(402);
    stack.leave_credits(&user, 2).await;
    user.client.generate_once(KEY, &model().build()).await.unwrap().answered(202);
    stack.finish().await;
}

#[tokio::test]
async fn a_key_is_kept_for_a_day() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let first = user.client.generate_once(KEY, &model().build()).await.unwrap().expecting(202);
    stack.advance(Duration::from_hours(23)).await;
    let again = user.client.generate_once(KEY, &model().build()).await.unwrap().expecting(202);
    assert_eq!(again.generation_id(), first.generation_id());
    stack.advance(Duration::from_hours(2)).await;
    let fresh = user.client.generate_once(KEY, &model().build()).await.unwrap().expecting(202);
    assert_ne!(fresh.generation_id(), first.generation_id());
    stack.finish().await;
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_refused() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let long = "k".repeat(256);
    for key in ["", "two words", &long] {
        let refused = user.client.generate_once(key, &model().build()).await.unwrap().expecting(400);
        assert_eq!(refused.body["code"], "malformed-request");
    }
    let latin = reqwest::header::HeaderValue::from_bytes(b"schl\xfcssel").unwrap();
    let request = user.client.request(Method::POST, "/api/v1/generate").header("Idempotency-Key", latin);
    user.client.send(request.json(&model().build())).await.unwrap().answered(400);
    assert_eq!(user.client.balance().await.unwrap(), WELCOME);
    stack.finish().await;
}
