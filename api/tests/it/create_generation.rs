//! `POST /api/v1/generate`: what is accepted is paid once; what is refused costs nothing.

use devstack::builders::model;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Answered, Stack, User, WELCOME};

/// Nothing was taken, and nothing is going to happen.
async fn nothing_was_accepted(stack: &Stack, user: &User, balance: i64) {
    assert_eq!(user.client.balance().await.unwrap(), balance);
    assert_eq!(stack.count("generations").await, 0);
    assert_eq!(stack.count("jobs").await, 0);
}

#[tokio::test]
async fn an_accepted_request_is_paid_and_can_be_followed() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let accepted = user.client.generate(&model().outputs(4).build()).await.unwrap().expecting(202);
    let id = accepted.generation_id();
    let body = &accepted.body;
    assert_eq!(body["status"], "processing");
    assert_eq!(body["stage"], "queued");
    assert_eq!(body["estimated_time"], 20);
    assert_eq!(body["cost"], json!({"price": 4, "charged": 4, "refunded": 0}));
    assert_eq!(accepted.header("location"), format!("/api/v1/status/{id}"));
    assert_eq!(accepted.header("retry-after"), "2");
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 4);

    let status = user.client.get(accepted.header("location")).await.unwrap().expecting(200);
    assert_eq!(status.body["generation_id"], id.to_string());
    assert_eq!(status.body["status"], "processing");
    assert_eq!(status.body["progress"], 0);
    assert_eq!(status.body["image_urls"], json!([]));
    assert_eq!(status.body["error"], json!(null));
    assert_eq!(stack.count("jobs").await, 1);
    stack.finish().await;
}

#[tokio::test]
async fn labels_are_kept_and_shown() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let project_id: Uuid =
        sqlx::query_scalar("insert into public.projects (user_id, name) values ($1, 'Spring') returning id")
            .bind(user.id)
            .fetch_one(stack.database.pool())
            .await
            .unwrap();
    let request = model()
        .field("user_id", user.id.to_string())
        .field("project_id", project_id.to_string())
        .field("brandName", "Acme")
        .field("campaign_name", "Launch")
        .field("tags", json!(["shoes", "red"]));
    let id = user.client.generate(&request.build()).await.unwrap().expecting(202).generation_id();
    let status = user.client.status(id).await.unwrap().expecting(200).body;
    assert_eq!(status["project_id"], project_id.to_string());
    assert_eq!(status["brand_name"], "Acme");
    assert_eq!(status["campaign_name"], "Launch");
    assert_eq!(status["tags"], json!(["shoes", "red"]));
    stack.finish().await;
}

#[tokio::test]
async fn too_few_credits_are_told_with_price_and_balance() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    stack.leave_credits(&user, 3).await;
    let refused = user.client.generate(&model().outputs(4).build()).await.unwrap().expecting(402);
    assert_eq!(refused.body["code"], "insufficient-credits");
    assert_eq!((&refused.body["price"], &refused.body["balance"]), (&json!(4), &json!(3)));
    nothing_was_accepted(&stack, &user, 3).await;
    user.client.generate(&model().outputs(3).build()).await.unwrap().answered(202);
    assert_eq!(user.client.balance().await.unwrap(), 0);
    stack.finish().await;
}

#[tokio::test]
async fn of_two_requests_for_the_last_credits_one_wins() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    stack.leave_credits(&user, 2).await;
    let request = model().build();
    let (one, other) = tokio::join!(user.client.generate(&request), user.client.generate(&request));
    let mut statuses = [one.unwrap().status.as_u16(), other.unwrap().status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 402]);
    assert_eq!(user.client.balance().await.unwrap(), 0);
    stack.finish().await;
}

#[tokio::test]
async fn another_users_id_in_the_body_is_refused() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let request = model().field("user_id", other.id.to_string()).build();
    let refused = user.client.generate(&request).await.unwrap().expecting(403);
    assert_eq!(refused.body["code"], "user-mismatch");
    nothing_was_accepted(&stack, &user, WELCOME).await;
    nothing_was_accepted(&stack, &other, WELCOME).await;
    stack.finish().await;
}

#[tokio::test]
async fn another_users_project_is_as_good_as_absent() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let theirs: Uuid =
        sqlx::query_scalar("insert into public.projects (user_id, name) values ($1, 'Theirs') returning id")
            .bind(other.id)
            .fetch_one(stack.database.pool())
            .await
            .unwrap();
    for project_id in [theirs, Uuid::now_v7()] {
        let request = model().field("project_id", project_id.to_string()).build();
        let refused = user.client.generate(&request).await.unwrap().expecting(404);
        assert_eq!(refused.body["code"], "project-not-found");
        assert_eq!(refused.body["errors"][0]["pointer"], "/project_id");
    }
    nothing_was_accepted(&stack, &user, WELCOME).await;
    stack.finish().await;
}

#[tokio::test]
async fn a_user_without_a_profile_cannot_spend() {
    let stack = Stack::start().await;
    let gone = stack.client(Some(stack.issuer.token(Uuid::now_v7())));
    let refused = gone.generate(&model().build()).await.unwrap().expecting(403);
    assert_eq!(refused.body["code"], "no-profile");
    assert_eq!(gone.balance().await.unwrap(), 0);
    stack.finish().await;
}

#[tokio::test]
async fn the_rate_of_one_user_is_bounded_and_recovers() {
    let stack = Stack::with(&[("GENERATE_RATE_PER_MINUTE", "2")]).await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let request = model().build();
    for _ in 0..2 {
        user.client.generate(&request).await.unwrap().answered(202);
    }
    let refused = user.client.generate(&request).await.unwrap().expecting(429);
    assert_eq!(refused.body["code"], "rate-limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    other.client.generate(&request).await.unwrap().answered(202);
    stack.advance(std::time::Duration::from_secs(wait)).await;
    user.client.generate(&request).await.unwrap().answered(202);
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 6);
    stack.finish().await;
}

#[tokio::test]
async fn anonymous_users_may_look_but_not_generate() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let mut claims = stack.issuer.claims(user.id);
    claims["is_anonymous"] = json!(true);
    let anonymous = stack.client(Some(crate::harness::sign(&crate::harness::CURRENT_KEY, &claims)));
    let refused = anonymous.generate(&model().build()).await.unwrap().expecting(403);
    assert_eq!(refused.body["code"], "anonymous-user");
    nothing_was_accepted(&stack, &user, WELCOME).await;
    stack.finish().await;
}

#[tokio::test]
async fn the_token_is_looked_at_before_the_body() {
    let stack = Stack::start().await;
    let nobody = stack.client(None);
    let request = nobody.request(Method::POST, "/api/v1/generate").body("not json");
    nobody.send(request).await.unwrap().answered(401);
    stack.finish().await;
}
