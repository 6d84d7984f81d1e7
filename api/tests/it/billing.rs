//! What the API alone answers about billing: where nothing is sold, to strangers, and to whoever calls its webhook. How
//! things are bought is tested with the worker (worker/tests/it/billing).

use devstack::attack::{self, Target};
use devstack::client::Answer;
use devstack::shop;
use reqwest::Method;
use serde_json::json;
use simulators::PaymentsSim;
use simulators::payments::PaymentsHandle;
use uuid::Uuid;

use crate::harness::{Answered, Stack};

const WEBHOOK: &str = "/api/v1/webhook/stripe";

/// An API that sells by a simulator of its own.
async fn selling() -> (Stack, PaymentsHandle) {
    let payments = PaymentsSim::start(shop::options()).unwrap();
    let settings = shop::settings(&payments, &"https://app.example.com/".parse().unwrap());
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    (Stack::with(&settings).await, payments)
}

/// Every operation of the customer's, with a body where it wants one.
fn operations() -> Vec<(Method, String, Option<serde_json::Value>)> {
    let id = Uuid::nil();
    vec![
        (Method::GET, "/api/v1/billing/plans".to_owned(), None),
        (Method::GET, "/api/v1/billing/packs".to_owned(), None),
        (Method::POST, "/api/v1/credits/purchase".to_owned(), Some(json!({"pack_id": "starter"}))),
        (Method::POST, "/api/v1/subscriptions".to_owned(), Some(json!({ "plan_id": id }))),
        (Method::POST, format!("/api/v1/subscriptions/{id}/cancel"), None),
        (Method::POST, format!("/api/v1/subscriptions/{id}/resume"), None),
    ]
}

#[tokio::test]
async fn where_nothing_is_sold_every_operation_says_so() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    for (method, path, body) in operations() {
        let request = user.client.request(method, &path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let refused = user.client.send(request).await.unwrap().expecting(404);
        assert_eq!(refused.body["code"], "billing-disabled", "{path}");
    }
    for path in ["/api/v1/subscriptions", "/api/v1/billing/invoices"] {
        assert_eq!(user.client.get(path).await.unwrap().expecting(200).body["items"], json!([]), "{path}");
    }
    let called = user.client.request(Method::POST, WEBHOOK).header("Stripe-Signature", "t=1,v1=00").body("{}");
    user.client.send(called).await.unwrap().answered(404);
    stack.finish().await;
}

#[tokio::test]
async fn strangers_and_anonymous_users_buy_nothing() {
    let (stack, payments) = selling().await;
    shop::stock(stack.database.pool()).await.unwrap();
    for (method, path, body) in operations() {
        let stranger = stack.client(None);
        let request = stranger.request(method, &path);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        stranger.send(request).await.unwrap().answered(401);
    }
    let gone = stack.client(Some(stack.issuer.token(Uuid::now_v7())));
    assert_eq!(gone.buy("starter").await.unwrap().expecting(403).body["code"], "no-profile");
    assert_eq!(payments.counts().sessions_made, 0);
    stack.finish().await;
}

async fn call(stack: &Stack, body: &str, signature: Option<&str>) -> Answer {
    let client = stack.client(None);
    let request = client.request(Method::POST, WEBHOOK).body(body.to_owned());
    let request = if let Some(signature) = signature { request.header("Stripe-Signature", signature) } else { request };
    client.send(request).await.unwrap()
}

fn event(id: &str, kind: &str) -> String {
    json!({"id": id, "object": "event", "type": kind, "created": 1, "data": {"object": {"id": "in_1"}}}).to_string()
}

#[tokio::test]
async fn only_signed_events_are_kept_and_each_once() {
    let (stack, payments) = selling().await;
    let kept = async || -> i64 {
        let count = sqlx::query_scalar("select count(*) from gateway.payment_event");
        count.fetch_one(stack.database.pool()).await.unwrap()
    };
    let paid = event("evt_1", "invoice.paid");
    let good = payments.sign(&paid);
    let late = good.replace("t=", "t=1");
    let attacks = [
        ("no signature", &paid[..], None),
        ("a signature of nothing", &paid, Some("t=1,v1=")),
        ("the signature of another body", &paid, Some("t=1,v1=00")),
        ("another body under a true signature", "{}", Some(&good[..])),
        ("a true signature at another time", &paid, Some(&late)),
    ];
    for (attack, body, signature) in attacks {
        let answer = call(&stack, body, signature).await;
        attack::is_met(Target::Webhooks, format!("a payment event with {attack}"), 401, answer.status.as_u16());
    }
    assert_eq!(kept().await, 0);
    for _ in 0..3 {
        call(&stack, &paid, Some(&good)).await.answered(200);
    }
    assert_eq!(kept().await, 1);
    let unknown = event("evt_2", "customer.created");
    call(&stack, &unknown, Some(&payments.sign(&unknown))).await.answered(200);
    let nameless = event("../../x", "invoice.paid");
    call(&stack, &nameless, Some(&payments.sign(&nameless))).await.answered(200);
    assert_eq!(kept().await, 1, "what means nothing here is answered and forgotten");
    call(&stack, "[]", Some(&payments.sign("[]"))).await.answered(400);
    let large = "x".repeat(1024 * 1024 + 1);
    call(&stack, &large, Some(&payments.sign(&large))).await.answered(413);
    stack.finish().await;
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_sign() {
    let payments = PaymentsSim::start(shop::options()).unwrap();
    let old = payments.webhook_secrets().remove(0);
    let new = "whsec_new_0000000000000000000000000000000";
    let mut settings = shop::settings(&payments, &"https://app.example.com/".parse().unwrap());
    for (name, value) in &mut settings {
        if name == "STRIPE_WEBHOOK_SECRET" {
            *value = format!("{new},{old}");
        }
    }
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let stack = Stack::with(&settings).await;
    let (first, second) = (event("evt_1", "invoice.paid"), event("evt_2", "invoice.paid"));
    call(&stack, &first, Some(&payments.sign(&first))).await.answered(200);
    payments.add_webhook_secret(new);
    call(&stack, &first, Some(&payments.sign(&first))).await.answered(200);
    payments.drop_old_webhook_secret();
    call(&stack, &second, Some(&payments.sign(&second))).await.answered(200);
    stack.finish().await;
}
