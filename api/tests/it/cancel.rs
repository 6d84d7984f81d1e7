//! `POST /api/v1/generations/{generation_id}/cancel`.

use devstack::builders::model;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Answered, Stack, WELCOME};

#[tokio::test]
async fn what_waits_is_cancelled_at_once_and_refunded_once() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    let cancelled = user.client.cancel(id).await.unwrap().expecting(200);
    assert_eq!(cancelled.body["status"], "failed");
    assert_eq!(cancelled.body["stage"], "cancelled");
    assert_eq!(cancelled.body["error_code"], "cancelled");
    assert!(cancelled.body["error"].as_str().unwrap().contains("cancelled"), "{}", cancelled.body);
    assert_eq!(cancelled.body["cost"], json!({"price": 2, "charged": 0, "refunded": 2}));
    assert_eq!(cancelled.body["estimated_time"], json!(null));
    assert_eq!(cancelled.header("retry-after"), "");

    let again = user.client.cancel(id).await.unwrap().expecting(200);
    assert_eq!(again.body, cancelled.body);
    assert_eq!(user.client.balance().await.unwrap(), WELCOME);
    stack.finish().await;
}

#[tokio::test]
async fn what_runs_is_only_asked_to_stop() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    stack.submit(id, "job-1").await;
    let asked = user.client.cancel(id).await.unwrap().expecting(200);
    assert_eq!((&asked.body["status"], &asked.body["stage"]), (&json!("processing"), &json!("running")));
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 2);
    stack.finish().await;
}

#[tokio::test]
async fn what_is_delivered_stays() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let id = user.client.generate(&model().outputs(1).build()).await.unwrap().expecting(202).generation_id();
    let path = format!("{}/{id}/1.webp", user.id);
    stack.put_image(&path, b"webp").await;
    stack.submit(id, "job-1").await;
    stack.deliver(id, &[path], None).await;
    let late = user.client.cancel(id).await.unwrap().expecting(200);
    assert_eq!(late.body["status"], "completed");
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 1);
    stack.finish().await;
}

#[tokio::test]
async fn others_and_absent_generations_are_not_found() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    other.client.cancel(id).await.unwrap().answered(404);
    user.client.cancel(Uuid::now_v7()).await.unwrap().answered(404);
    let malformed = user.client.request(Method::POST, "/api/v1/generations/17/cancel");
    user.client.send(malformed).await.unwrap().answered(404);
    assert_eq!(user.client.status(id).await.unwrap().body["stage"], "queued");
    stack.finish().await;
}
