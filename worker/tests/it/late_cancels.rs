//! Cancels of submitted generations: the first few of a day are free, further ones are charged.

use std::time::Duration;

use devstack::builders::model;
use devstack::test_stack::{TestStack, TestUser};
use futures::future::join_all;
use serde_json::json;
use shared::ledger::{READ_EVERY, reconcile};
use shared::telemetry;
use simulators::Fault;
use simulators::runpod::{JobFault, RunPodEffect};
use uuid::Uuid;

const WELCOME: i64 = 100;
/// The price of a generation of [`model`].
const PRICE: i64 = 2;

async fn stack(free_per_day: &str) -> TestStack {
    TestStack::builder().set("CANCELS_FREE_PER_DAY", free_per_day).set("GENERATIONS_OPEN_MAX", "100").start().await
}

/// Starts generations that never finish; they are running at the provider.
async fn running(stack: &TestStack, user: &TestUser, count: usize) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for _ in 0..count {
        stack.runpod.script(Fault::new(RunPodEffect::from(JobFault::NeverFinishes)));
        ids.push(user.generate(&model().build()).await.unwrap().expecting(202).generation_id());
        stack.drain().await;
    }
    ids
}

#[tokio::test]
async fn cancels_beyond_the_free_ones_of_a_day_are_charged_and_told_in_advance() {
    let stack = stack("2").await;
    let user = stack.user().await;
    let ids = running(&stack, &user, 4).await;
    for (n, id) in ids.iter().enumerate() {
        let fee = if n < 2 { 0 } else { PRICE };
        assert_eq!(user.status(*id).await.unwrap().body["cancel_cost"], fee, "in advance");
        for _ in 0..2 {
            assert_eq!(
                user.cancel(*id).await.unwrap().expecting(200).body["cancel_cost"],
                fee,
                "a repeat costs nothing"
            );
        }
        stack.drain().await;
        let seen = user.status(*id).await.unwrap().body;
        assert_eq!((&seen["stage"], &seen["error_code"]), (&json!("cancelled"), &json!("cancelled")));
        assert_eq!(seen["cost"], json!({"price": PRICE, "charged": fee, "refunded": PRICE - fee}));
        assert_eq!(seen["cancel_cost"], json!(null));
        assert_eq!(seen["error"].as_str().unwrap().contains("refunded"), fee == 0, "{seen}");
    }
    assert_eq!(user.balance().await.unwrap(), WELCOME - 2 * PRICE);
    stack.reconcile().await;

    // The next day they are free again.
    stack.advance(Duration::from_hours(24)).await;
    let user = stack.sign_in_again(&user).await;
    let [id] = running(&stack, &user, 1).await[..] else { panic!("one was started") };
    assert_eq!(user.cancel(id).await.unwrap().expecting(200).body["cancel_cost"], 0);
    stack.drain().await;
    assert_eq!(user.balance().await.unwrap(), WELCOME - 2 * PRICE);
    stack.reconcile().await;
}

#[tokio::test]
async fn cancelling_what_is_queued_is_always_free_and_not_counted() {
    let stack = stack("0").await;
    let user = stack.user().await;
    for _ in 0..3 {
        let id = user.generate(&model().build()).await.unwrap().generation_id();
        assert_eq!(user.status(id).await.unwrap().body["cancel_cost"], 0);
        let seen = user.cancel(id).await.unwrap().expecting(200).body;
        assert_eq!(seen["cost"], json!({"price": PRICE, "charged": 0, "refunded": PRICE}));
    }
    let counted: i32 =
        sqlx::query_scalar("select cancels from gateway.user_limit").fetch_one(stack.database.pool()).await.unwrap();
    assert_eq!(counted, 0);
    stack.reconcile().await;
}

#[tokio::test]
async fn cancels_at_once_do_not_share_the_last_free_one() {
    let stack = stack("3").await;
    let (user, other) = (stack.user().await, stack.user().await);
    let ids = running(&stack, &user, 8).await;
    let [of_other] = running(&stack, &other, 1).await[..] else { panic!("one was started") };
    // Each twice, beside workers that look at the runs meanwhile.
    let cancels = join_all(ids.iter().chain(&ids).map(|id| user.cancel(*id)));
    let (answers, ..) = tokio::join!(cancels, stack.drain(), other.cancel(of_other));
    for answer in answers {
        drop(answer.unwrap().expecting(200));
    }
    stack.drain().await;
    assert_eq!(user.balance().await.unwrap(), WELCOME - 5 * PRICE);
    assert_eq!(other.balance().await.unwrap(), WELCOME, "each user has their own");
    stack.reconcile().await;
}

#[tokio::test]
async fn reconcile_proves_what_a_cancel_was_charged_and_an_anomaly_tells_of_it() {
    let stack = stack("0").await;
    let user = stack.user().await;
    let [id] = running(&stack, &user, 1).await[..] else { panic!("one was started") };
    drop(user.cancel(id).await.unwrap().expecting(200));
    stack.drain().await;
    let pool = stack.database.pool();
    stack.reconcile().await;
    sqlx::raw_sql("update gateway.run set cancel_fee = 0").execute(pool).await.unwrap();
    let broken = reconcile(pool).await.unwrap();
    assert_eq!(broken.iter().map(|one| (one.expected, one.found)).collect::<Vec<_>>(), [(PRICE, 0)]);
    sqlx::raw_sql("update gateway.run set cancel_fee = price").execute(pool).await.unwrap();
    stack.advance(READ_EVERY).await;
    telemetry::report_anomalies(&stack.worker.pool, &stack.worker.anomalies).await.unwrap();
    let open: Vec<(String, Uuid, i64)> =
        sqlx::query_as("select kind, subject, observed from gateway.anomaly where ended_at is null")
            .fetch_all(pool)
            .await
            .unwrap();
    assert_eq!(open, [("charged_cancels".to_owned(), user.id(), 1)]);
    stack.reconcile().await;
}
