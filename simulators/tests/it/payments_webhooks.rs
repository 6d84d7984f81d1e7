//! Events on their way: signatures, repetitions, and what can happen to them.

use std::time::Duration;

use poem::http::StatusCode;
use serde_json::{Value, json};
use simulators::payments::{EventFault, PAUSE_MAX};
use simulators::{PaymentsFault, PaymentsOptions, PaymentsSim};

use crate::payments::{DAY, Shop, Webhook, standing};
use crate::support::{http, until};

#[tokio::test]
async fn two_secrets_sign_while_one_is_changed() {
    let sim = standing();
    let (shop, webhook) = (Shop::of(&sim), Webhook::start(&sim).await);
    sim.add_webhook_secret("whsec_new");
    sim.pay(&shop.sell_credits().await);
    let arrived = webhook.arrived(&sim).await;
    assert_eq!((arrived[0].signatures, arrived[0].good_signatures), (2, 1));
    sim.drop_old_webhook_secret();
    sim.pay(&shop.sell_credits().await);
    let arrived = webhook.arrived(&sim).await;
    assert_eq!((arrived[1].signatures, arrived[1].good_signatures), (1, 0));
    assert_eq!(sim.webhook_secrets(), ["whsec_new"]);
    assert!(sim.sign("{}").starts_with(&format!("t={},v1=", sim.now().timestamp())));
}

#[tokio::test]
async fn an_event_is_repeated_with_growing_pauses_until_it_is_taken() {
    let sim = standing();
    let (shop, webhook) = (Shop::of(&sim), Webhook::start(&sim).await);
    webhook.answer_with(StatusCode::INTERNAL_SERVER_ERROR);
    sim.pay(&shop.sell_credits().await);
    let mut signed = Vec::new();
    for (minutes, wanted) in [(0, 1), (1, 2), (1, 2), (1, 3), (4, 4)] {
        sim.advance(Duration::from_mins(minutes));
        let arrived = webhook.arrived(&sim).await;
        assert_eq!(arrived.len(), wanted, "after {minutes} more minutes");
        assert!(arrived.iter().all(|event| event.good_signatures == 1 && event.event["id"] == arrived[0].event["id"]));
        signed = arrived.iter().map(|event| event.signed_at).collect();
    }
    signed.dedup();
    assert_eq!(signed.len(), 4, "each attempt is signed anew");
    webhook.answer_with(StatusCode::NO_CONTENT);
    sim.advance(Duration::from_mins(8));
    assert_eq!(webhook.arrived(&sim).await.len(), 5);
    sim.advance(DAY);
    assert_eq!(webhook.arrived(&sim).await.len(), 5);
    let attempts: Vec<u32> = sim.deliveries().iter().map(|delivery| delivery.attempt).collect();
    assert_eq!((attempts, sim.counts().webhooks_delivered), (vec![1, 2, 3, 4, 5], 1));
}

#[tokio::test]
async fn an_event_that_is_never_taken_is_given_up_after_three_days() {
    let sim = standing();
    let (shop, webhook) = (Shop::of(&sim), Webhook::start(&sim).await);
    webhook.answer_with(StatusCode::SERVICE_UNAVAILABLE);
    sim.pay(&shop.sell_credits().await);
    // One minute, two, four, up to twelve hours.
    for doublings in 0..20 {
        webhook.arrived(&sim).await;
        sim.advance(Duration::from_mins(1 << doublings).min(PAUSE_MAX));
    }
    let tries = webhook.arrived(&sim).await.len();
    assert_eq!(tries, 15);
    assert_eq!(sim.counts().webhooks_given_up, 1);
    let pending = shop.get("events", &[("delivery_success", "false")]).await.done();
    assert_eq!(pending["data"].as_array().unwrap().len(), 1);
    let event = pending["data"][0]["id"].as_str().unwrap();
    webhook.answer_with(StatusCode::OK);
    assert!(sim.resend(event));
    assert_eq!(webhook.arrived(&sim).await.len(), tries + 1);
}

#[tokio::test]
async fn events_can_be_duplicated_forged_and_stale() {
    let sim = standing();
    let (shop, webhook) = (Shop::of(&sim), Webhook::start(&sim).await);
    sim.script(EventFault::Duplicated { copies: 2 });
    sim.pay(&shop.sell_credits().await);
    let arrived = webhook.arrived(&sim).await;
    assert_eq!(arrived.len(), 3);
    assert!(arrived.iter().all(|event| event.event["id"] == arrived[0].event["id"] && event.good_signatures == 1));
    sim.script(EventFault::Forged);
    sim.pay(&shop.sell_credits().await);
    let forged = webhook.arrived(&sim).await.pop().unwrap();
    assert_eq!((forged.signatures, forged.good_signatures, forged.is_fresh(sim.now())), (1, 0, true));
    sim.script(EventFault::StaleTimestamp { s: 301 });
    sim.pay(&shop.sell_credits().await);
    let stale = webhook.arrived(&sim).await.pop().unwrap();
    assert_eq!((stale.good_signatures, stale.is_fresh(sim.now())), (1, false));
}

#[tokio::test]
async fn events_can_be_reordered_delayed_and_missing() {
    let sim = standing();
    let (shop, webhook) = (Shop::of(&sim), Webhook::start(&sim).await);
    sim.script(PaymentsFault::new(EventFault::Reordered).subject_contains("customer.subscription.created"));
    sim.script(PaymentsFault::new(EventFault::NeverSent).when(|event| event["type"] == "checkout.session.completed"));
    shop.subscribe(&sim, "month").await;
    assert_eq!(webhook.types(&sim).await, ["invoice.paid", "customer.subscription.created"]);
    let listed = shop.get("events", &[("type", "checkout.session.completed")]).await.done();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    sim.script(EventFault::Delayed { ms: 90_000 });
    sim.pay(&shop.sell_credits().await);
    sim.advance(Duration::from_secs(89));
    assert_eq!(webhook.arrived(&sim).await.len(), 2);
    sim.advance(Duration::from_secs(1));
    assert_eq!(webhook.types(&sim).await[2..], ["checkout.session.completed"]);
    // With nothing to overtake it, it goes after a minute.
    sim.script(EventFault::Reordered);
    sim.pay(&shop.sell_credits().await);
    assert_eq!(webhook.arrived(&sim).await.len(), 3);
    sim.advance(Duration::from_mins(1));
    assert_eq!(webhook.arrived(&sim).await.len(), 4);
}

#[tokio::test]
async fn a_running_clock_sends_what_is_late_by_itself() {
    let sim = PaymentsSim::start(PaymentsOptions::default()).unwrap();
    let (shop, webhook) = (Shop::of(&sim), Webhook::start(&sim).await);
    sim.script(EventFault::Delayed { ms: 30 });
    sim.pay(&shop.sell_credits().await);
    until("the delayed event", || !sim.deliveries().is_empty()).await;
    assert_eq!(webhook.types(&sim).await, ["checkout.session.completed"]);
    sim.go_offline().await;
    http().get(sim.url()).send().await.unwrap_err();
    sim.go_online().await;
    shop.get("customers", &[]).await.done();
}

#[tokio::test]
async fn events_are_listed_for_thirty_days_and_any_can_be_made() {
    let sim = standing();
    let (shop, webhook) = (Shop::of(&sim), Webhook::start(&sim).await);
    let id = sim.emit("capability.updated", json!({"id": "card", "object": "capability"}));
    assert_eq!(webhook.types(&sim).await, ["capability.updated"]);
    shop.get(&format!("events/{id}"), &[]).await.done();
    let several = [("types[]", "capability.updated"), ("types[]", "invoice.paid")];
    assert_eq!(shop.get("events", &several).await.done()["data"].as_array().unwrap().len(), 1);
    sim.advance(DAY * 31);
    assert_eq!(shop.get("events", &[]).await.done()["data"], json!([]));
}

#[tokio::test]
async fn another_process_plays_the_customer_and_scripts_faults() {
    let sim = standing();
    let (shop, webhook) = (Shop::of(&sim), Webhook::start(&sim).await);
    let control = format!("{}/_sim", sim.url());
    let send = async |path: &str, body: Value| {
        let answer = http().post(format!("{control}/{path}")).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let fault = json!([{"fault": "duplicated", "copies": 1, "subject_contains": "completed"}, {"fault": "lock_timeout", "skip": 9}]);
    assert_eq!(send("faults", fault).await.0, 200);
    assert_eq!(send("faults", json!({"fault": "nonsense"})).await.0, 400);
    let session = shop.sell_credits().await;
    assert_eq!(send(&format!("sessions/{session}/pay"), json!({})).await.1, json!({"ended": true}));
    assert_eq!(send(&format!("sessions/{session}/steal"), json!({})).await.0, 400);
    assert_eq!(webhook.arrived(&sim).await.len(), 2);
    let (_, moved) = send("advance", json!({"ms": 86_400_000})).await;
    assert!(moved["now"].as_str().unwrap().starts_with("2026-02-01"), "{moved}");
    let objects = http().get(format!("{control}/objects?of=checkout/sessions")).send().await.unwrap();
    let objects: Value = objects.json().await.unwrap();
    assert_eq!((&objects["counts"]["charged"], &objects["objects"][0]["id"]), (&json!(1), &json!(session)));
    let intent = objects["objects"][0]["payment_intent"].as_str().unwrap();
    let (_, opened) = send(&format!("disputes/{intent}"), json!({})).await;
    let dispute = opened["dispute"].as_str().unwrap();
    assert_eq!(send(&format!("disputes/{dispute}/won"), json!({})).await.1, json!({"closed": true}));
}
