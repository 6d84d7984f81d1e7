//! `GET /api/v1/status/{generation_id}`: what its owner sees, whatever the image store does.

use std::time::Duration;

use chrono::TimeDelta;
use devstack::builders::model;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answered, Stack, User, WELCOME};

/// A generation of two outputs, both delivered under kept links that end after `link_for`.
async fn delivered(stack: &Stack, user: &User, link_for: Option<TimeDelta>) -> (Uuid, [String; 2]) {
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    let paths = [1, 2].map(|n| format!("{}/{id}/{n}.webp", user.id));
    stack.submit(id, "job-1").await;
    let until = stack.now().await + link_for.unwrap_or_default() + TimeDelta::minutes(1);
    stack.deliver(id, &paths, link_for.map(|_| ("https://kept.example.com/1", until))).await;
    (id, paths)
}

async fn links(user: &User, id: Uuid) -> Vec<String> {
    let body = user.client.status(id).await.unwrap().expecting(200).body;
    assert_eq!(body["status"], "completed");
    serde_json::from_value(body["image_urls"].clone()).unwrap()
}

#[tokio::test]
async fn progress_and_estimate_follow_the_run() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    stack.submit(id, "job-1").await;
    stack.advance(Duration::from_secs(10)).await;
    let running = user.client.status(id).await.unwrap().expecting(200);
    assert_eq!(running.body["stage"], "running");
    assert_eq!(running.header("retry-after"), "2");
    let (progress, left) =
        (running.body["progress"].as_i64().unwrap(), running.body["estimated_time"].as_i64().unwrap());
    assert!((30..=90).contains(&progress), "{progress}");
    assert!((5..=10).contains(&left), "{left}");
    stack.finish().await;
}

#[tokio::test]
async fn delivered_outputs_have_links_that_work() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let (id, paths) = delivered(&stack, &user, None).await;
    for path in &paths {
        stack.put_image(path, b"webp").await;
    }
    let status = user.client.status(id).await.unwrap().expecting(200).body;
    assert_eq!((&status["progress"], &status["estimated_time"]), (&json!(100), &Value::Null));
    assert_eq!(status["cost"], json!({"price": 2, "charged": 2, "refunded": 0}));
    let made = links(&user, id).await;
    assert_eq!(made.len(), 2);
    for link in &made {
        assert_eq!(user.client.download(link).await.unwrap(), b"webp");
    }
    // Kept: the next look makes no new ones until they are about to end.
    stack.advance(Duration::from_hours(2)).await;
    assert_eq!(links(&user, id).await, made);
    stack.advance(Duration::from_hours(22)).await;
    assert_ne!(links(&user, id).await, made);
    stack.finish().await;
}

#[tokio::test]
async fn kept_links_are_shown_until_an_hour_before_their_end() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let (id, paths) = delivered(&stack, &user, Some(TimeDelta::hours(3))).await;
    for path in &paths {
        stack.put_image(path, b"webp").await;
    }
    assert_eq!(links(&user, id).await, ["https://kept.example.com/1"; 2]);
    stack.advance(Duration::from_mins(130)).await;
    assert!(links(&user, id).await.iter().all(|link| link.starts_with(stack.base.as_str())));
    stack.finish().await;
}

#[tokio::test]
async fn an_image_store_that_is_away_hides_nothing_but_links() {
    let stack = Stack::with(&[("STORAGE_BACKEND", "supabase"), ("STORAGE_DIR", "")]).await;
    let user = stack.sign_up().await;
    let (ended, _) = delivered(&stack, &user, None).await;
    assert_eq!(links(&user, ended).await, Vec::<String>::new());
    let (ending, _) = delivered(&stack, &user, Some(TimeDelta::minutes(30))).await;
    assert_eq!(links(&user, ending).await, ["https://kept.example.com/1"; 2]);
    stack.finish().await;
}

#[tokio::test]
async fn what_was_not_delivered_is_refunded_and_shown() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    stack.submit(id, "job-1").await;
    stack.deliver(id, &[], None).await;
    let failed = user.client.status(id).await.unwrap().expecting(200).body;
    assert_eq!((&failed["status"], &failed["error_code"]), (&json!("failed"), &json!("no_output")));
    assert!(failed["error"].as_str().unwrap().contains("refunded"), "{failed}");
    assert_eq!(failed["cost"], json!({"price": 2, "charged": 0, "refunded": 2}));
    assert_eq!(user.client.balance().await.unwrap(), WELCOME);
    stack.finish().await;
}

#[tokio::test]
async fn others_and_absent_generations_are_not_found() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let id = user.client.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    let theirs = other.client.status(id).await.unwrap().expecting(404);
    let absent = other.client.status(Uuid::now_v7()).await.unwrap().expecting(404);
    assert_eq!(theirs.body["detail"], absent.body["detail"]);
    user.client.get("/api/v1/status/17").await.unwrap().answered(404);
    stack.finish().await;
}

#[tokio::test]
async fn generations_from_before_this_service_are_shown() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let id = Uuid::new_v4();
    sqlx::query(
        "insert into public.generations (id, user_id, generation_type, method, status, output_urls)
         values ($1, $2, 'poster', 'automatic', 'completed', '{https://old.example.com/1.png}')",
    )
    .bind(id)
    .bind(user.id)
    .execute(stack.database.pool())
    .await
    .unwrap();
    let old = user.client.status(id).await.unwrap().expecting(200).body;
    assert_eq!((&old["status"], &old["stage"], &old["cost"]), (&json!("completed"), &Value::Null, &Value::Null));
    assert_eq!(old["image_urls"], json!(["https://old.example.com/1.png"]));
    stack.finish().await;
}
