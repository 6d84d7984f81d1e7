//! `GET /api/v1/generations`: one's own, newest first, page by page.

use devstack::builders::model;
use devstack::client::Client;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Stack, User};

async fn generate(user: &User, count: usize) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let accepted = user.client.generate(&model().outputs(1).build()).await.unwrap().expecting(202);
        ids.insert(0, accepted.generation_id());
    }
    ids
}

async fn page(client: &Client, query: &str) -> (Vec<Uuid>, Option<String>) {
    let body = client.get(&format!("/api/v1/generations{query}")).await.unwrap().expecting(200).body;
    let ids =
        body["items"].as_array().unwrap().iter().map(|item| item["generation_id"].as_str().unwrap().parse().unwrap());
    (ids.collect(), body["next"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn pages_hold_everything_once_also_while_more_comes() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let ids = generate(&user, 5).await;
    let (first, next) = page(&user.client, "?limit=2").await;
    generate(&user, 1).await;
    let (second, next) = page(&user.client, &format!("?limit=2&cursor={}", next.unwrap())).await;
    let (third, end) = page(&user.client, &format!("?limit=2&cursor={}", next.unwrap())).await;
    assert_eq!([first, second, third].concat(), ids);
    assert_eq!(end, None);
    stack.finish().await;
}

#[tokio::test]
async fn a_page_holds_twenty_unless_told() {
    let stack = Stack::with(&[("GENERATIONS_OPEN_MAX", "100")]).await;
    let user = stack.sign_up().await;
    let ids = generate(&user, 21).await;
    let (first, next) = page(&user.client, "").await;
    assert_eq!(first, ids[..20]);
    let (rest, end) = page(&user.client, &format!("?cursor={}", next.unwrap())).await;
    assert_eq!((rest, end), (ids[20..].to_vec(), None));
    assert_eq!(page(&user.client, "?limit=100").await, (ids, None));
    stack.finish().await;
}

#[tokio::test]
async fn only_ones_own_are_listed() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let ids = generate(&user, 1).await;
    assert_eq!(page(&user.client, "").await, (ids, None));
    let body = other.client.get("/api/v1/generations").await.unwrap().expecting(200).body;
    assert_eq!(body, json!({"items": [], "next": Value::Null}));
    stack.finish().await;
}

#[tokio::test]
async fn limits_and_cursors_that_make_no_sense_are_refused() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    for query in ["?limit=0", "?limit=101", "?limit=many", "?limit=-1", "?cursor=abc", "?cursor="] {
        let refused = user.client.get(&format!("/api/v1/generations{query}")).await.unwrap().expecting(400);
        assert_eq!(refused.body["code"], "malformed-request");
    }
    stack.finish().await;
}
