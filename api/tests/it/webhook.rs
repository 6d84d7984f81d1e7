//! `POST /api/v1/webhook/comfyui`: a trigger that is noted once it is proven to be ours.

use chrono::TimeDelta;
use devstack::attack::{self, Target};
use devstack::builders::model;
use devstack::client::Answer;
use reqwest::{Body, Method};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::harness::{Answered, Stack, User, WEBHOOK_SECRETS, webhook_address};

/// A generation that the provider works on, as attempt 1, and the address its job calls.
async fn running(stack: &Stack, user: &User) -> (Uuid, Url) {
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    stack.submit(id, "job-1").await;
    (id, stack.webhook_address(id, 1, stack.now().await + TimeDelta::hours(1)))
}

async fn call(stack: &Stack, address: &Url, body: impl Into<Body>) -> Answer {
    let provider = stack.client(None);
    let path = &address[url::Position::BeforePath..];
    provider.send(provider.request(Method::POST, path).body(body)).await.unwrap()
}

/// What the run waits for: how often it was rung for, and whether the provider is asked now.
async fn rings(stack: &Stack, id: Uuid) -> (i32, bool) {
    sqlx::query_as("select rings, poll_at <= gateway.now() from gateway.run where generation_id = $1")
        .bind(id)
        .fetch_one(stack.database.pool())
        .await
        .unwrap()
}

async fn job_id(stack: &Stack, id: Uuid) -> Option<String> {
    sqlx::query_scalar("select provider_job_id from gateway.attempt where generation_id = $1")
        .bind(id)
        .fetch_one(stack.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_call_makes_the_run_be_looked_at_now_and_changes_nothing_else() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let (id, address) = running(&stack, &user).await;
    assert_eq!(rings(&stack, id).await, (0, false));
    let body = json!({"id": "job-1", "status": "FAILED", "error": "x", "output": {"status": "error"}}).to_string();
    call(&stack, &address, body.clone()).await.answered(200);
    assert_eq!(rings(&stack, id).await, (1, true));
    let status = user.client.status(id).await.unwrap().expecting(200).body;
    assert_eq!((&status["status"], &status["stage"]), (&json!("processing"), &json!("running")));
    call(&stack, &address, body).await.answered(200);
    stack.finish().await;
}

#[tokio::test]
async fn the_id_is_learnt_where_the_answer_was_lost() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    stack.submit_without_answer(id).await;
    let address = stack.webhook_address(id, 1, stack.now().await + TimeDelta::hours(1));
    assert_eq!(job_id(&stack, id).await, None);
    let body = json!({"input": {"id": "no"}, "output": [{"id": "no"}], "id": "job-7-e1"}).to_string();
    call(&stack, &address, body).await.answered(200);
    assert_eq!(job_id(&stack, id).await.as_deref(), Some("job-7-e1"));
    call(&stack, &address, r#"{"id":"job-8"}"#).await.answered(200);
    assert_eq!(job_id(&stack, id).await.as_deref(), Some("job-7-e1"));
    stack.finish().await;
}

#[tokio::test]
async fn a_body_of_any_kind_is_a_call() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    stack.submit_without_answer(id).await;
    let address = stack.webhook_address(id, 1, stack.now().await + TimeDelta::hours(1));
    for body in ["", "not json", "[]", r#"{"id":"../etc/passwd"}"#, r#"{"id":17}"#] {
        call(&stack, &address, body).await.answered(200);
    }
    assert_eq!(rings(&stack, id).await.0, 5);
    assert_eq!(job_id(&stack, id).await, None);
    stack.finish().await;
}

#[tokio::test]
async fn a_result_of_many_megabytes_is_read_past() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    stack.submit_without_answer(id).await;
    let address = stack.webhook_address(id, 1, stack.now().await + TimeDelta::hours(1));
    let head = Ok::<_, std::io::Error>(br#"{"output":{"images":[""#.to_vec());
    let pieces = (0..400).map(|_| Ok(vec![b'A'; 65_536]));
    let tail = Ok(br#""]},"id":"job-26mb"}"#.to_vec());
    let body = futures::stream::iter(std::iter::once(head).chain(pieces).chain([tail]));
    call(&stack, &address, Body::wrap_stream(body)).await.answered(200);
    assert_eq!(job_id(&stack, id).await.as_deref(), Some("job-26mb"));
    stack.finish().await;
}

/// A body of 32 MB less a little, piece by piece, with its id at the end.
fn large_body() -> Body {
    let pieces = (0..480).map(|_| Ok::<_, std::io::Error>(vec![b'A'; 65_536]));
    let head = Ok(br#"{"output":{"images":[""#.to_vec());
    Body::wrap_stream(futures::stream::iter(
        std::iter::once(head).chain(pieces).chain([Ok(br#""]},"id":"job-1"}"#.to_vec())]),
    ))
}

#[tokio::test]
async fn large_results_are_not_held_in_memory() {
    const AT_ONCE: usize = 8;
    /// Far less than one of the bodies.
    const GROWTH_BYTES_MAX: usize = 24 * 1024 * 1024;
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let process = stack.process(&[]).await;
    let (_, address) = running(&stack, &user).await;
    let address = process.base.join(&address[url::Position::BeforePath..]).unwrap();
    let client = reqwest::Client::new();
    client.post(address.clone()).body("{}").send().await.unwrap();
    let before = process.memory_peak();
    let calls = (0..AT_ONCE).map(|_| client.post(address.clone()).body(large_body()).send());
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    let grown = process.memory_peak() - before;
    let seen = if grown <= GROWTH_BYTES_MAX { "not held".to_owned() } else { format!("{grown} bytes held") };
    attack::is_met(Target::Webhooks, "8 results of 31 MB at once", "not held", seen);
    stack.finish().await;
}

#[tokio::test]
async fn a_call_that_comes_again_after_the_end_changes_nothing() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let (id, address) = running(&stack, &user).await;
    call(&stack, &address, r#"{"id":"job-1"}"#).await.answered(200);
    stack.deliver(id, &[format!("{}/{id}/1.webp", user.id)], None).await;
    let before = (user.client.status(id).await.unwrap().body, user.client.balance().await.unwrap());
    for body in [r#"{"id":"job-1","status":"FAILED"}"#, r#"{"id":"job-9","status":"COMPLETED"}"#] {
        call(&stack, &address, body).await.answered(200);
    }
    let after = (user.client.status(id).await.unwrap().body, user.client.balance().await.unwrap());
    let seen = if after == before { "nothing changes" } else { "something changed" };
    attack::is_met(Target::Webhooks, "a used address is called again, with other news", "nothing changes", seen);
    stack.finish().await;
}

#[tokio::test]
async fn an_address_that_is_not_exactly_ours_changes_nothing() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let (id, address) = running(&stack, &user).await;
    let now = stack.now().await;
    let with = |name: &str, value: &str| {
        let mut changed = address.clone();
        let pairs: Vec<_> = address.query_pairs().into_owned().collect();
        let pair = |(key, old): (String, String)| if key == name { (key, value.to_owned()) } else { (key, old) };
        changed.query_pairs_mut().clear().extend_pairs(pairs.into_iter().map(pair));
        changed
    };
    let mut bare = address.clone();
    bare.set_query(None);
    let refused = [
        bare,
        with("g", &Uuid::now_v7().to_string()),
        with("a", "2"),
        with("e", &(now + TimeDelta::hours(9)).timestamp().to_string()),
        with("s", "AAAA"),
        with("s", ""),
        // Ours, but over, or of what never was.
        stack.webhook_address(id, 1, now - TimeDelta::seconds(1)),
        stack.webhook_address(id, 2, now + TimeDelta::hours(1)),
        stack.webhook_address(Uuid::now_v7(), 1, now + TimeDelta::hours(1)),
    ];
    let events = stack.count("event").await;
    let names = [
        "no signature at all",
        "a signature of another generation",
        "a signature of another attempt",
        "a signature with a later expiry",
        "a made-up signature",
        "an empty signature",
        "an address that has expired",
        "a signed address of an attempt that never was",
        "a signed address of a generation that never was",
    ];
    for (address, name) in refused.into_iter().zip(names) {
        let answer = call(&stack, &address, r#"{"id":"job-1"}"#).await;
        let seen = format!("{} {}", answer.status.as_u16(), answer.body["code"].as_str().unwrap_or_default());
        attack::is_met(Target::Webhooks, name, "401 invalid-signature", seen);
    }
    assert_eq!(rings(&stack, id).await, (0, false));
    assert_eq!(stack.count("event").await, events);
    stack.finish().await;
}

#[tokio::test]
async fn an_address_signed_before_the_secret_was_changed_still_works() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let (id, _) = running(&stack, &user).await;
    let expires_at = stack.now().await + TimeDelta::hours(1);
    for (secret, status) in [(WEBHOOK_SECRETS[1], 200), ("a secret that was never one of ours, at any time", 401)] {
        let address = webhook_address(&stack.config.public_url, &[secret.into()], id, 1, expires_at);
        call(&stack, &address, "{}").await.answered(status);
    }
    assert_eq!(rings(&stack, id).await.0, 1);
    stack.finish().await;
}
