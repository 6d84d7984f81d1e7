//! The form of calls: keys, forms, refusals, lists, idempotency, versions, and faults of an exchange.

use reqwest::Method;
use serde_json::json;
use simulators::payments::{ApiFault, Kind};
use simulators::{HttpFault, Operation, PaymentsFault};

use crate::payments::{CREDITS, Shop, standing};
use crate::support::http;

#[tokio::test]
async fn a_key_is_needed_and_must_be_the_right_one() {
    let sim = standing();
    let url = format!("{}/v1/customers", sim.url());
    assert_eq!(http().get(&url).send().await.unwrap().status(), 401);
    let wrong = http().get(&url).bearer_auth("sk_test_wrong").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    let body = wrong.text().await.unwrap();
    assert!(body.contains("Invalid API Key provided: sk_test_****"), "{body}");
    let basic = http().get(&url).basic_auth(sim.secret_key(), Some("")).send().await.unwrap();
    assert_eq!(basic.status(), 200);
}

#[tokio::test]
async fn refusals_name_their_code_and_parameter() {
    let sim = standing();
    let shop = Shop::of(&sim);
    shop.get("customers/cus_none", &[]).await.refused(404, "resource_missing", "id");
    shop.get("nothing", &[]).await.refused(404, "", "");
    shop.post("customers", &[("e_mail", "a@b.test")]).await.refused(400, "parameter_unknown", "e_mail");
    let sessions = "checkout/sessions";
    shop.post(sessions, &CREDITS[1..]).await.refused(400, "parameter_missing", "mode");
    shop.post(sessions, &CREDITS[..5]).await.refused(400, "parameter_missing", "line_items");
    let without_quantity = shop.post(sessions, &CREDITS[..8]).await;
    without_quantity.refused(400, "parameter_missing", "line_items[0][quantity]");
    let mut form = CREDITS.to_vec();
    form[0].1 = "subscription";
    shop.post(sessions, &form).await.refused(400, "", "mode");
    form[0].1 = "payment";
    form[6].1 = "12.5";
    let fraction = shop.post(sessions, &form).await;
    fraction.refused(400, "parameter_invalid_integer", "line_items[0][price_data][unit_amount]");
    form[6].1 = "10";
    shop.post(sessions, &form).await.refused(400, "amount_too_small", "");
    let unknown_price = [CREDITS[0], CREDITS[1], ("line_items[0][price]", "price_none"), CREDITS[8]];
    shop.post(sessions, &unknown_price).await.refused(400, "resource_missing", "line_items[0][price]");
    for (at, name) in [(sim.now().timestamp() + 60, "soon"), (sim.now().timestamp() + 90_000, "late")] {
        let at = at.to_string();
        let form = [CREDITS.as_slice(), &[("expires_at", at.as_str())]].concat();
        let answer = shop.post(sessions, &form).await;
        assert_eq!(answer.body["error"]["param"], "expires_at", "{name}");
    }
    let as_json = shop.request(Method::POST, "customers", &[]).json(&json!({"email": "a@b.test"}));
    assert_eq!(shop.send(as_json).await.status, 400);
    assert_eq!(sim.counts().customers_made, 0);
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer_and_makes_nothing() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let request = |form| shop.request(Method::POST, "customers", form).header("idempotency-key", "k1");
    let first = shop.send(request(&[("email", "a@b.test")])).await;
    let again = shop.send(request(&[("email", "a@b.test")])).await;
    assert_eq!((&again.body, again.status), (&first.body, 200));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.headers["original-request"], first.headers["request-id"]);
    assert!(first.headers.get("idempotent-replayed").is_none());
    let other = shop.send(request(&[("email", "c@d.test")])).await;
    assert_eq!((other.status, &other.body["error"]["type"]), (400, &json!("idempotency_error")));
    assert_eq!((sim.counts().customers_made, sim.counts().replayed), (1, 1));
    // A refusal is not kept: the corrected request may have the same key.
    let refused = shop.request(Method::POST, "refunds", &[]).header("idempotency-key", "k2");
    assert_eq!(shop.send(refused).await.status, 400);
    let corrected = shop.request(Method::POST, "customers", &[]).header("idempotency-key", "k2");
    shop.send(corrected).await.done();
    // After a day the key is forgotten.
    sim.advance(crate::payments::DAY);
    shop.send(request(&[("email", "c@d.test")])).await.done();
}

#[tokio::test]
async fn an_error_of_the_server_is_kept_under_its_key_and_a_lost_answer_too() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let request = |key: &str| shop.request(Method::POST, "customers", &[]).header("idempotency-key", key);
    sim.script(ApiFault::ApiError);
    assert_eq!(shop.send(request("k1")).await.status, 500);
    assert_eq!(shop.send(request("k1")).await.status, 500);
    assert_eq!(sim.counts().customers_made, 0);
    sim.script(PaymentsFault::new(HttpFault::AnswerLost).on(Operation::CreateCustomer));
    request("k2").send().await.unwrap_err();
    shop.send(request("k2")).await.done();
    assert_eq!(sim.counts().customers_made, 1);
    for (fault, status) in [(ApiFault::KeyInUse, 409), (ApiFault::LockTimeout, 429)] {
        sim.script(fault);
        assert_eq!(shop.send(request("k3")).await.status, status);
    }
    sim.script(HttpFault::TooManyRequests { retry_after_s: Some(1) });
    shop.post("customers", &[]).await.refused(429, "rate_limit", "");
    sim.script(HttpFault::ServerError { status: 503 });
    assert_eq!(shop.post("customers", &[]).await.status, 503);
    assert_eq!(sim.counts().requests[&Operation::CreateCustomer], 8);
}

#[tokio::test]
async fn lists_come_in_pages_newest_first() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(shop.post("customers", &[]).await.id());
        sim.advance(std::time::Duration::from_secs(1));
    }
    let ids = |page: &serde_json::Value| {
        let data = page["data"].as_array().unwrap();
        data.iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let page = shop.get("customers", &[("limit", "2")]).await.done();
    assert_eq!(
        (&page["object"], &page["has_more"], &page["url"]),
        (&json!("list"), &json!(true), &json!("/v1/customers"))
    );
    assert_eq!(ids(&page), [made[4].clone(), made[3].clone()]);
    let rest = shop.get("customers", &[("limit", "3"), ("starting_after", &made[3])]).await.done();
    assert_eq!(
        (ids(&rest), &rest["has_more"]),
        (vec![made[2].clone(), made[1].clone(), made[0].clone()], &json!(false))
    );
    let from = (sim.now().timestamp() - 2).to_string();
    let late = shop.get("customers", &[("created[gte]", &from)]).await.done();
    assert_eq!(ids(&late), [made[4].clone(), made[3].clone()]);
    shop.get("customers", &[("limit", "101")]).await.refused(400, "", "limit");
    shop.get("customers", &[("starting_after", "cus_none")]).await.refused(400, "resource_missing", "starting_after");
}

#[tokio::test]
async fn a_version_has_the_fields_of_its_time() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let id = shop.subscribe(&sim, "month").await;
    let path = format!("subscriptions/{id}");
    let new = shop.get(&path, &[]).await.done();
    assert!(new.get("current_period_end").is_none() && new["items"]["data"][0]["current_period_end"].is_i64());
    let old = shop.request(Method::GET, &path, &[]).header("stripe-version", "2024-06-20");
    let old = shop.send(old).await;
    assert_eq!(old.headers["stripe-version"], "2024-06-20");
    let old = old.done();
    assert!(old["current_period_end"].is_i64() && old["items"]["data"][0].get("current_period_end").is_none());
    let invoice = old["latest_invoice"].as_str().unwrap();
    let path = format!("invoices/{invoice}");
    let plain = shop.get(&path, &[]).await.done();
    assert_eq!(plain["parent"]["subscription_details"]["subscription"], json!(id));
    assert!(plain.get("subscription").is_none() && plain.get("payments").is_none());
    let expanded = shop.get(&path, &[("expand[]", "payments"), ("expand[]", "customer")]).await.done();
    assert_eq!(expanded["customer"]["object"], "customer");
    let intent = expanded["payments"]["data"][0]["payment"]["payment_intent"].as_str().unwrap().to_owned();
    assert_eq!(sim.object(&intent).unwrap()["status"], "succeeded");
    assert_eq!(sim.objects(Kind::Invoice).len(), 1);
    assert_eq!(shop.get(&path, &[("expand[]", "nonsense")]).await.status, 400);
}

#[tokio::test]
async fn an_event_keeps_the_version_it_was_made_in() {
    let sim = standing();
    let shop = Shop::of(&sim);
    shop.subscribe(&sim, "month").await;
    sim.advance(crate::payments::DAY * 28);
    let renewed = sim.objects(Kind::Event).into_iter().find(|event| event["type"] == "customer.subscription.updated");
    let path = format!("events/{}", renewed.unwrap()["id"].as_str().unwrap());
    let request = shop.request(Method::GET, &path, &[]).header("stripe-version", "2024-06-20");
    let data = shop.send(request).await.done()["data"].clone();
    for part in ["object", "previous_attributes"] {
        assert!(data[part].get("current_period_end").is_none(), "{part}");
        assert!(data[part]["items"]["data"][0]["current_period_end"].is_i64(), "{part}");
    }
}

#[tokio::test]
async fn metadata_of_a_customer_is_merged_and_unset() {
    let sim = standing();
    let shop = Shop::of(&sim);
    let made =
        shop.post("customers", &[("email", "a+b@c.test"), ("metadata[a]", "1"), ("metadata[b]", "2")]).await.done();
    assert_eq!((&made["email"], &made["metadata"]), (&json!("a+b@c.test"), &json!({"a": "1", "b": "2"})));
    let path = format!("customers/{}", made["id"].as_str().unwrap());
    let changed = shop.post(&path, &[("metadata[a]", ""), ("metadata[c]", "3"), ("name", "Ann")]).await.done();
    assert_eq!((&changed["name"], &changed["metadata"]), (&json!("Ann"), &json!({"b": "2", "c": "3"})));
    assert_eq!(shop.get(&path, &[]).await.done(), changed);
}
