//! Subscriptions under a clock that is moved by hand.

use chrono::DateTime;
use reqwest::Method;
use serde_json::json;
use simulators::payments::{Decline, Kind};
use simulators::{Operation, PaymentsFault, PaymentsHandle};

use crate::payments::{DAY, Shop, noon, standing_at};

/// The end of the period a subscription is in.
fn period_end(sim: &PaymentsHandle, id: &str) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp(sim.object(id).unwrap()["current_period_end"].as_i64().unwrap(), 0).unwrap()
}

fn status(sim: &PaymentsHandle, id: &str) -> String {
    sim.object(id).unwrap()["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_month_that_is_short_ends_on_its_last_day() {
    let sim = standing_at(noon(2026, 1, 31));
    let id = Shop::of(&sim).subscribe(&sim, "month").await;
    let mut ends = vec![period_end(&sim, &id)];
    for _ in 0..3 {
        sim.advance((ends[ends.len() - 1] - sim.now()).to_std().unwrap());
        ends.push(period_end(&sim, &id));
    }
    assert_eq!(ends, [noon(2026, 2, 28), noon(2026, 3, 31), noon(2026, 4, 30), noon(2026, 5, 31)]);
    assert_eq!(sim.counts().renewed, 3);
}

#[tokio::test]
async fn a_year_is_renewed_and_paid_at_its_own_time() {
    let sim = standing_at(noon(2024, 2, 29));
    let shop = Shop::of(&sim);
    let id = shop.subscribe(&sim, "year").await;
    assert_eq!(sim.event_types(), ["customer.subscription.created", "invoice.paid", "checkout.session.completed"]);
    sim.advance(DAY * (3 * 365 - 1));
    assert_eq!((period_end(&sim, &id), sim.counts().renewed), (noon(2027, 2, 28), 2));
    let customer = sim.object(&id).unwrap()["customer"].as_str().unwrap().to_owned();
    let invoices = shop.get("invoices", &[("customer", &customer)]).await.done();
    let invoices = invoices["data"].as_array().unwrap();
    let reasons: Vec<_> = invoices.iter().map(|invoice| invoice["billing_reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["subscription_cycle", "subscription_cycle", "subscription_create"]);
    let newest = &invoices[0];
    assert_eq!((&newest["status"], &newest["amount_paid"]), (&json!("paid"), &json!(2900)));
    assert_eq!(newest["created"], noon(2026, 2, 28).timestamp());
    assert_eq!(newest["lines"]["data"][0]["period"]["end"], noon(2027, 2, 28).timestamp());
    assert_eq!(newest["parent"]["subscription_details"]["metadata"], json!({"user_id": "u1"}));
    assert_eq!(newest["period_end"], newest["lines"]["data"][0]["period"]["start"]);
}

#[tokio::test]
async fn a_declined_renewal_is_past_due_until_it_is_paid() {
    let sim = standing_at(noon(2026, 3, 1));
    let shop = Shop::of(&sim);
    let (id, other) = (shop.subscribe(&sim, "month").await, shop.subscribe(&sim, "month").await);
    let before = sim.event_types().len();
    sim.script(PaymentsFault::new(Decline::generic()).on(Operation::Charge).subject_contains(&id));
    sim.advance(DAY * 31);
    assert_eq!((status(&sim, &id), status(&sim, &other)), ("past_due".to_owned(), "active".to_owned()));
    let events = sim.event_types().split_off(before);
    assert!(events.contains(&"invoice.payment_failed".to_owned()), "{events:?}");
    let latest = sim.object(&id).unwrap()["latest_invoice"].as_str().unwrap().to_owned();
    let invoice = sim.object(&latest).unwrap();
    assert_eq!((&invoice["status"], &invoice["attempt_count"]), (&json!("open"), &json!(1)));
    assert_eq!(invoice["next_payment_attempt"], noon(2026, 4, 4).timestamp());
    sim.advance(DAY * 3);
    assert_eq!(
        (status(&sim, &id), sim.object(&latest).unwrap()["status"].clone()),
        ("active".to_owned(), json!("paid"))
    );
    assert_eq!(sim.objects(Kind::PaymentIntent).len(), 4);
}

#[tokio::test]
async fn a_subscription_that_is_never_paid_ends() {
    let sim = standing_at(noon(2026, 3, 1));
    let id = Shop::of(&sim).subscribe(&sim, "month").await;
    sim.script(PaymentsFault::new(Decline::generic()).always());
    sim.advance(DAY * 31 + DAY * 15);
    assert_eq!(status(&sim, &id), "canceled");
    let types = sim.event_types();
    assert_eq!(types.iter().filter(|name| *name == "invoice.payment_failed").count(), 4);
    assert_eq!(types.last().unwrap(), "customer.subscription.deleted");
    let made = sim.objects(Kind::Invoice).len();
    sim.advance(DAY * 100);
    assert_eq!((sim.objects(Kind::Invoice).len(), sim.event_types().len()), (made, types.len()));
}

#[tokio::test]
async fn a_cancelled_subscription_ends_with_its_period_unless_it_is_taken_back() {
    let sim = standing_at(noon(2026, 3, 1));
    let shop = Shop::of(&sim);
    let (ends, stays) = (shop.subscribe(&sim, "month").await, shop.subscribe(&sim, "month").await);
    for id in [&ends, &stays] {
        let asked = shop.post(&format!("subscriptions/{id}"), &[("cancel_at_period_end", "true")]).await.done();
        assert_eq!((&asked["status"], &asked["cancel_at"]), (&json!("active"), &json!(noon(2026, 4, 1).timestamp())));
    }
    let updated = sim.objects(Kind::Event).pop().unwrap();
    assert_eq!(updated["type"], "customer.subscription.updated");
    assert_eq!(updated["data"]["previous_attributes"]["cancel_at_period_end"], false);
    let back = shop.post(&format!("subscriptions/{stays}"), &[("cancel_at_period_end", "false")]).await.done();
    assert_eq!((&back["cancel_at"], &back["canceled_at"]), (&json!(null), &json!(null)));
    sim.advance(DAY * 31);
    assert_eq!((status(&sim, &ends), status(&sim, &stays)), ("canceled".to_owned(), "active".to_owned()));
    let listed = shop.get("subscriptions", &[]).await.done();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let all = shop.get("subscriptions", &[("status", "all")]).await.done();
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_subscription_can_be_ended_at_once() {
    let sim = standing_at(noon(2026, 3, 1));
    let shop = Shop::of(&sim);
    let id = shop.subscribe(&sim, "month").await;
    let path = format!("subscriptions/{id}");
    let ended = shop.send(shop.request(Method::DELETE, &path, &[])).await.done();
    assert_eq!((&ended["status"], &ended["ended_at"]), (&json!("canceled"), &json!(sim.now().timestamp())));
    assert_eq!(sim.event_types().last().unwrap(), "customer.subscription.deleted");
    shop.send(shop.request(Method::DELETE, &path, &[])).await.refused(404, "resource_missing", "id");
    assert_eq!(shop.post(&path, &[("cancel_at_period_end", "true")]).await.status, 400);
    sim.advance(DAY * 60);
    assert_eq!(sim.counts().renewed, 0);
}

#[tokio::test]
async fn a_plan_of_the_catalogue_is_sold_by_its_price_to_a_known_customer() {
    let sim = standing_at(noon(2026, 3, 1));
    let shop = Shop::of(&sim);
    sim.add_price("price_pro", "usd", 4_900, Some("month"));
    let customer = shop.post("customers", &[("email", "a@b.test")]).await.id();
    let form = [
        ("mode", "subscription"),
        ("success_url", "https://shop.test/done"),
        ("customer", &customer),
        ("line_items[0][price]", "price_pro"),
        ("line_items[0][quantity]", "2"),
    ];
    let session = shop.post("checkout/sessions", &form).await.id();
    assert!(!sim.pay_later(&session) && sim.pay(&session));
    let invoice = sim.objects(Kind::Invoice).remove(0);
    assert_eq!((&invoice["amount_paid"], &invoice["customer"]), (&json!(9_800), &json!(customer)));
    assert_eq!(invoice["lines"]["data"][0]["price"]["id"], "price_pro");
    assert_eq!(sim.counts().customers_made, 1);
}
