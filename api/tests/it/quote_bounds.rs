//! How many quotes there may be, and what they count against.

use std::time::Duration;

use devstack::builders::model;

use crate::harness::{Answered, Stack};
use crate::quotes::{generate_under, quoted};

#[tokio::test]
async fn quoting_leaves_the_rate_of_generations_alone() {
    let stack = Stack::with(&[("GENERATE_RATE_PER_MINUTE", "1")]).await;
    let user = stack.sign_up().await;
    let mut quote_id = String::new();
    for _ in 0..3 {
        quote_id = quoted(&user, &model()).await;
    }
    generate_under(&user, &quote_id, model()).await.answered(202);
    generate_under(&user, &quote_id, model()).await.answered(429);
    quoted(&user, &model()).await;
    stack.finish().await;
}

#[tokio::test]
async fn quotes_are_of_the_budget_of_all_that_a_user_asks() {
    let stack = Stack::with(&[("USER_RATE_PER_SECOND", "1")]).await;
    let user = stack.sign_up().await;
    // More than the budget's burst, and faster than it fills.
    let body = model().build();
    let answers = futures::future::join_all((0..12).map(|_| user.client.quote(&body))).await;
    let refused = answers.into_iter().map(Result::unwrap).find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.body["code"], "rate-limited");
    stack.finish().await;
}

#[tokio::test]
async fn a_user_may_have_a_thousand_quotes_and_each_of_them_is_kept() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let quote_id = quoted(&user, &model()).await;
    sqlx::query(
        "insert into gateway.quote (quote_id, user_id, fingerprint, price, created_at, expires_at)
         select gen_random_uuid(), user_id, fingerprint, price, created_at, expires_at
         from gateway.quote, generate_series(2, 1000) where quote_id = $1::uuid",
    )
    .bind(&quote_id)
    .execute(stack.database.pool())
    .await
    .unwrap();
    let refused = user.client.quote(&model().build()).await.unwrap().expecting(429);
    assert_eq!(refused.body["code"], "rate-limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    generate_under(&user, &quote_id, model()).await.answered(202);
    quoted(&other, &model()).await;
    stack.advance(Duration::from_secs(wait)).await;
    quoted(&user, &model()).await;
    stack.finish().await;
}
