//! `GET /api/v1/credits` and `/credits/transactions`: what there is, and why.

use std::time::Duration;

use chrono::{Datelike, TimeZone, Utc};
use devstack::builders::model;
use serde_json::{Value, json};

use crate::harness::{Answered, Stack, User, WELCOME};

async fn standing(user: &User) -> Value {
    user.client.get("/api/v1/credits").await.unwrap().expecting(200).body
}

async fn page(user: &User, query: &str) -> (Vec<Value>, Option<String>) {
    let body = user.client.get(&format!("/api/v1/credits/transactions{query}")).await.unwrap().expecting(200).body;
    (body["items"].as_array().unwrap().clone(), body["next"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn the_balance_follows_reservations_and_refunds() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let shown = |balance: i64, reserved: i64, spent: i64, refunded: i64| json!({"balance": balance, "reserved": reserved, "spent_this_month": spent, "refunded_this_month": refunded, "debt": 0});
    assert_eq!(standing(&user).await, shown(WELCOME, 0, 0, 0));
    let id = user.client.generate(&model().outputs(3).build()).await.unwrap().expecting(202).generation_id();
    assert_eq!(standing(&user).await, shown(WELCOME - 3, 3, 3, 0));
    user.client.cancel(id).await.unwrap().answered(200);
    assert_eq!(standing(&user).await, shown(WELCOME, 0, 3, 3));

    // The month ends, and with it what was spent in it.
    let now = stack.now().await;
    let (year, month) = if now.month() == 12 { (now.year() + 1, 1) } else { (now.year(), now.month() + 1) };
    let next_month = Utc.with_ymd_and_hms(year, month, 1, 0, 0, 1).unwrap();
    stack.advance((next_month - now).to_std().unwrap()).await;
    assert_eq!(standing(&user).await, shown(WELCOME, 0, 0, 0));
    user.client.generate(&model().outputs(1).build()).await.unwrap().answered(202);
    assert_eq!(standing(&user).await, shown(WELCOME - 1, 1, 1, 0));
    stack.finish().await;
}

#[tokio::test]
async fn every_entry_says_why_and_their_sum_is_the_balance() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let cancelled = user.client.generate(&model().outputs(3).build()).await.unwrap().expecting(202).generation_id();
    stack.advance(Duration::from_secs(1)).await;
    user.client.cancel(cancelled).await.unwrap().answered(200);
    stack.advance(Duration::from_secs(1)).await;
    let partly = user.client.generate(&model().outputs(4).build()).await.unwrap().expecting(202).generation_id();
    stack.submit(partly, "job-1").await;
    stack.deliver(partly, &[format!("{}/{partly}/1.webp", user.id)], None).await;

    let (entries, next) = page(&user, "").await;
    let told = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
        (entry["amount"].as_i64().unwrap(), text("type"), text("reason"), text("generation_id"))
    };
    let expected = [
        (3, "refund", "Refund: 1 of 4 outputs were delivered", partly.to_string()),
        (-4, "generation", "Reserved for a generation: Model generation × 4", partly.to_string()),
        (3, "refund", "Refund: the generation was cancelled", cancelled.to_string()),
        (-3, "generation", "Reserved for a generation: Model generation × 3", cancelled.to_string()),
        (WELCOME, "grant", "Welcome credits", "-".to_owned()),
    ];
    let expected = expected.map(|(amount, kind, reason, id)| (amount, kind.to_owned(), reason.to_owned(), id));
    assert_eq!(entries.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(next, None);
    let sum: i64 = entries.iter().map(|entry| entry["amount"].as_i64().unwrap()).sum();
    assert_eq!(sum, user.client.balance().await.unwrap());
    stack.finish().await;
}

#[tokio::test]
async fn pages_hold_every_entry_once() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    for _ in 0..4 {
        user.client.generate(&model().outputs(1).build()).await.unwrap().answered(202);
    }
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    for _ in 0..4 {
        let (entries, next) = page(&user, &query).await;
        seen.extend(entries.iter().map(|entry| entry["id"].to_string()));
        let Some(next) = next else { break };
        query = format!("?limit=2&cursor={next}");
    }
    let (all, _) = page(&user, "").await;
    assert_eq!(seen, all.iter().map(|entry| entry["id"].to_string()).collect::<Vec<_>>());
    assert_eq!(seen.len(), 5);
    for query in ["?cursor=nonsense", "?limit=0", "?limit=101"] {
        user.client.get(&format!("/api/v1/credits/transactions{query}")).await.unwrap().answered(400);
    }
    stack.finish().await;
}

#[tokio::test]
async fn everybody_sees_her_own() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    stack.leave_credits(&user, 7).await;
    assert_eq!(user.client.balance().await.unwrap(), 7);
    assert_eq!(other.client.balance().await.unwrap(), WELCOME);
    assert_eq!(page(&other, "").await.0.len(), 1);
    stack.client(None).get("/api/v1/credits/transactions").await.unwrap().answered(401);
    stack.finish().await;
}
