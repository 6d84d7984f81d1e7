//! How subscriptions end, go on, or are not paid.

use serde_json::json;
use simulators::PaymentsFault;
use simulators::payments::Decline;

use super::{Shop, WELCOME};

async fn change(shop: &Shop, verb: &str, expected: u16) -> serde_json::Value {
    let id = shop.subscriptions().await[0]["subscription_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/subscriptions/{id}/{verb}");
    shop.user.post(&path, &json!({}), None).await.unwrap().expecting(expected).body
}

#[tokio::test]
async fn a_subscription_ends_with_its_period_unless_it_is_resumed() {
    let mut shop = Shop::open().await;
    shop.subscribe(shop.plans.monthly).await;
    assert_eq!(change(&shop, "cancel", 200).await["cancel_at_period_end"], true);
    assert_eq!(change(&shop, "cancel", 200).await["cancel_at_period_end"], true);
    assert_eq!(change(&shop, "resume", 200).await["cancel_at_period_end"], false);
    shop.stack.settle_payments().await;
    shop.days(32).await;
    assert_eq!(shop.balance().await, WELCOME + 1000, "it went on");
    change(&shop, "cancel", 200).await;
    shop.days(32).await;
    assert_eq!(shop.balance().await, WELCOME + 1000);
    assert_eq!(shop.subscriptions().await[0]["status"], "cancelled");
    assert_eq!(change(&shop, "resume", 409).await["code"], "subscription-ended");
    shop.subscribe(shop.plans.yearly).await;
    assert_eq!((shop.balance().await, shop.subscriptions().await.len()), (WELCOME + 1500, 2));
    shop.close().await;
}

#[tokio::test]
async fn another_users_subscription_is_not_there() {
    let shop = Shop::open().await;
    shop.subscribe(shop.plans.monthly).await;
    let id = shop.subscriptions().await[0]["subscription_id"].as_str().unwrap().to_owned();
    let stranger = shop.stack.user().await;
    for verb in ["cancel", "resume"] {
        let path = format!("/api/v1/subscriptions/{id}/{verb}");
        drop(stranger.post(&path, &json!({}), None).await.unwrap().expecting(404));
    }
    let none = stranger.get("/api/v1/subscriptions").await.unwrap().expecting(200).body;
    assert_eq!(none["items"], json!([]));
    let none = stranger.get("/api/v1/billing/invoices").await.unwrap().expecting(200).body;
    assert_eq!(none["items"], json!([]));
    drop(shop.user.post("/api/v1/subscriptions/no-id/cancel", &json!({}), None).await.unwrap().expecting(404));
    shop.close().await;
}

#[tokio::test]
async fn a_renewal_that_fails_is_past_due_and_brings_credits_once_it_is_paid() {
    let mut shop = Shop::open().await;
    shop.subscribe(shop.plans.monthly).await;
    shop.stack.payments.script(PaymentsFault::new(Decline::generic()));
    shop.days(32).await;
    assert_eq!((shop.balance().await, &shop.subscriptions().await[0]["status"]), (WELCOME + 500, &json!("past_due")));
    let invoices = shop.user.get("/api/v1/billing/invoices").await.unwrap().expecting(200).body;
    assert_eq!(invoices["items"][0]["status"], "failed");
    drop(shop.user.subscribe(shop.plans.yearly).await.unwrap().expecting(409));
    shop.days(4).await;
    assert_eq!((shop.balance().await, &shop.subscriptions().await[0]["status"]), (WELCOME + 1000, &json!("active")));
    let invoices = shop.user.get("/api/v1/billing/invoices").await.unwrap().expecting(200).body;
    assert_eq!((&invoices["items"][0]["status"], invoices["items"].as_array().unwrap().len()), (&json!("paid"), 2));
    shop.close().await;
}

#[tokio::test]
async fn a_renewal_that_is_never_paid_ends_the_subscription() {
    let mut shop = Shop::open().await;
    shop.subscribe(shop.plans.monthly).await;
    shop.stack.payments.script(PaymentsFault::new(Decline::generic()).times(20));
    shop.days(60).await;
    assert_eq!((shop.balance().await, &shop.subscriptions().await[0]["status"]), (WELCOME + 500, &json!("expired")));
    shop.close().await;
}
