//! `GET /api/v1/credits`.

use devstack::builders::model;
use serde_json::json;

use crate::harness::{Answered, Stack, WELCOME};

#[tokio::test]
async fn the_balance_follows_reservations_and_refunds() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let welcome = user.client.get("/api/v1/credits").await.unwrap().expecting(200);
    assert_eq!(welcome.body, json!({"balance": WELCOME}));
    let id = user.client.generate(&model().outputs(3).build()).await.unwrap().expecting(202).generation_id();
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 3);
    user.client.cancel(id).await.unwrap().answered(200);
    assert_eq!(user.client.balance().await.unwrap(), WELCOME);
    stack.finish().await;
}

#[tokio::test]
async fn everybody_sees_her_own() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    stack.leave_credits(&user, 7).await;
    assert_eq!(user.client.balance().await.unwrap(), 7);
    assert_eq!(other.client.balance().await.unwrap(), WELCOME);
    stack.finish().await;
}
