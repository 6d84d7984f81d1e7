//! Checkout: the page, and each way it can end; refunds and disputes of what was paid.

use std::time::Duration;

use serde_json::json;
use simulators::PaymentsFault;
use simulators::payments::{Decline, Kind};

use crate::payments::{CREDITS, Shop, Webhook, standing};
use crate::support::{get, http};

#[tokio::test]
async fn a_paid_session_is_complete_and_says_so() {
    let sim = standing();
    let (shop, webhook) = (Shop::of(&sim), Webhook::start(&sim).await);
    let made = shop.post("checkout/sessions", &CREDITS).await.done();
    assert_eq!(
        (&made["status"], &made["payment_status"], &made["amount_total"]),
        (&json!("open"), &json!("unpaid"), &json!(2000))
    );
    assert!(made.get("line_items").is_none() && made["payment_intent"].is_null());
    let id = made["id"].as_str().unwrap();
    assert!(sim.pay(id) && !sim.pay(id));
    let path = format!("checkout/sessions/{id}");
    let paid = shop.get(&path, &[("expand[]", "line_items")]).await.done();
    assert_eq!(
        (&paid["status"], &paid["payment_status"], &paid["url"]),
        (&json!("complete"), &json!("paid"), &json!(null))
    );
    assert_eq!(paid["line_items"]["data"][0]["price"]["unit_amount"], 2000);
    let arrived = webhook.arrived(&sim).await;
    assert_eq!(arrived.len(), 1);
    let event = &arrived[0].event;
    assert_eq!(arrived[0].category(), "checkout.session.completed");
    assert_eq!((arrived[0].signatures, arrived[0].good_signatures, arrived[0].is_fresh(sim.now())), (1, 1, true));
    let object = &event["data"]["object"];
    assert_eq!((&object["id"], &object["client_reference_id"]), (&json!(id), &json!("u1")));
    assert_eq!(object["metadata"], json!({"pack": "credits_500"}));
    assert_eq!(sim.object(event["id"].as_str().unwrap()).unwrap()["pending_webhooks"], 0);
    assert_eq!(shop.post(&format!("{path}/expire"), &[]).await.status, 400);
}

#[tokio::test]
async fn the_page_has_three_buttons() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let browser = reqwest::Client::builder()
        .tls_certs_only(std::iter::empty())
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let made = shop.post("checkout/sessions", &CREDITS).await.done();
    let (id, url) = (made["id"].as_str().unwrap(), made["url"].as_str().unwrap());
    let page = get(url).await.unwrap().text().await.unwrap();
    assert!(page.contains("500 &lt;credits&gt;: 20.00 USD"), "{page}");
    assert_eq!(page.matches("<button").count(), 3);
    let declined = browser.post(format!("{url}/fail")).send().await.unwrap();
    assert_eq!(declined.status(), 200);
    assert!(declined.text().await.unwrap().contains("Your card was declined."));
    let left = browser.post(format!("{url}/abandon")).send().await.unwrap();
    assert_eq!((left.status().as_u16(), left.headers()["location"].to_str().unwrap()), (303, "https://shop.test/back"));
    let paid = browser.post(format!("{url}/pay")).send().await.unwrap();
    let wanted = format!("https://shop.test/done?session={id}");
    assert_eq!((paid.status().as_u16(), paid.headers()["location"].to_str().unwrap()), (303, wanted.as_str()));
    let after = get(url).await.unwrap().text().await.unwrap();
    assert!(after.contains("complete") && !after.contains("<button"));
    assert_eq!(http().get(format!("{}/c/pay/cs_test_none", sim.url())).send().await.unwrap().status(), 404);
    assert_eq!(sim.event_types(), ["payment_intent.payment_failed", "checkout.session.completed"]);
}

#[tokio::test]
async fn a_declined_session_stays_open_and_a_script_can_decline() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let id = shop.sell_credits().await;
    assert!(sim.fail(&id));
    sim.script(PaymentsFault::new(Decline::CardDeclined { decline_code: "insufficient_funds".to_owned() }));
    assert!(sim.pay(&id));
    assert_eq!(sim.object(&id).unwrap()["status"], "open");
    let intents = sim.objects(Kind::PaymentIntent);
    assert_eq!(intents.len(), 1);
    assert_eq!(intents[0]["last_payment_error"]["decline_code"], "insufficient_funds");
    assert!(sim.pay(&id));
    assert_eq!(sim.objects(Kind::PaymentIntent)[0]["status"], "succeeded");
    assert_eq!((sim.counts().charged, sim.counts().declined), (1, 2));
}

#[tokio::test]
async fn an_abandoned_session_expires_by_time_or_on_request() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let soon = (sim.now().timestamp() + 1_800).to_string();
    let form = [CREDITS.as_slice(), &[("expires_at", soon.as_str())]].concat();
    let first = shop.post("checkout/sessions", &form).await.id();
    let second = shop.sell_credits().await;
    assert!(sim.abandon(&first));
    sim.advance(Duration::from_secs(1_799));
    assert_eq!(sim.object(&first).unwrap()["status"], "open");
    sim.advance(Duration::from_secs(1));
    assert_eq!(sim.object(&first).unwrap()["status"], "expired");
    assert!(!sim.pay(&first));
    let expired = shop.post(&format!("checkout/sessions/{second}/expire"), &[]).await.done();
    assert_eq!((&expired["status"], &expired["url"]), (&json!("expired"), &json!(null)));
    assert_eq!(sim.event_types(), ["checkout.session.expired", "checkout.session.expired"]);
    assert_eq!(sim.counts().abandoned, 1);
}

#[tokio::test]
async fn a_payment_that_takes_days_comes_or_does_not() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let (comes, bounces) = (shop.sell_credits().await, shop.sell_credits().await);
    assert!(sim.pay_later(&comes) && sim.pay_later(&bounces));
    assert_eq!(sim.object(&comes).unwrap()["payment_status"], "unpaid");
    assert!(sim.settle(&comes, true) && sim.settle(&bounces, false));
    assert!(!sim.settle(&comes, true) && !sim.settle(&bounces, true));
    assert_eq!(sim.object(&comes).unwrap()["payment_status"], "paid");
    let wanted = [
        "checkout.session.completed",
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "payment_intent.payment_failed",
        "checkout.session.async_payment_failed",
    ];
    assert_eq!(sim.event_types(), wanted);
}

#[tokio::test]
async fn refunds_never_give_back_more_than_was_paid() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let id = shop.sell_credits().await;
    sim.pay(&id);
    let intent = sim.object(&id).unwrap()["payment_intent"].as_str().unwrap().to_owned();
    let part = shop.post("refunds", &[("payment_intent", &intent), ("amount", "500")]).await.done();
    assert_eq!((&part["amount"], &part["status"]), (&json!(500), &json!("succeeded")));
    shop.post("refunds", &[("payment_intent", &intent), ("amount", "1501")]).await.refused(400, "", "amount");
    let rest = shop.post("refunds", &[("payment_intent", &intent)]).await.done();
    assert_eq!(rest["amount"], 1500);
    let charge = sim.objects(Kind::Charge).remove(0);
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&json!(2000), &json!(true)));
    shop.post("refunds", &[("payment_intent", &intent)]).await.refused(400, "charge_already_refunded", "");
    shop.post("refunds", &[("payment_intent", "pi_none")]).await.refused(400, "resource_missing", "payment_intent");
    let listed = shop.get("refunds", &[("payment_intent", &intent)]).await.done();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert_eq!(sim.event_types()[1..], ["charge.refunded", "charge.refunded"]);
}

#[tokio::test]
async fn a_dispute_is_opened_once_and_decided_once() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let id = shop.sell_credits().await;
    sim.pay(&id);
    let intent = sim.object(&id).unwrap()["payment_intent"].as_str().unwrap().to_owned();
    let dispute = sim.dispute(&intent).unwrap();
    assert_eq!(sim.dispute(&intent), None);
    shop.post("refunds", &[("payment_intent", &intent)]).await.refused(400, "charge_disputed", "");
    assert!(sim.close_dispute(&dispute, false) && !sim.close_dispute(&dispute, true));
    assert_eq!(sim.object(&dispute).unwrap()["status"], "lost");
    assert_eq!(sim.event_types()[1..], ["charge.dispute.created", "charge.dispute.closed"]);
}
