//! Packs: from the offer to the credits.

use std::time::Duration;

use devstack::shop;
use serde_json::{Value, json};
use simulators::payments::{ApiFault, Decline, Kind};
use simulators::{HttpFault, Operation, PaymentsFault};

use super::{Shop, WELCOME};

#[tokio::test]
async fn what_is_on_sale_is_bought_and_its_credits_come_once() {
    let shop = Shop::open().await;
    let packs = shop.user.get("/api/v1/billing/packs").await.unwrap().expecting(200).body;
    let starter =
        json!({"pack_id": "starter", "name": "Starter", "credits": 100, "amount_cents": 900, "currency": "usd"});
    assert_eq!(packs["items"][0], starter);
    let checkout = shop.user.buy("starter").await.unwrap().expecting(201);
    let session = shop.stack.payments.object(&shop::session(&checkout)).unwrap();
    assert_eq!((&session["amount_total"], &session["currency"]), (&json!(900), &json!("usd")));
    assert_eq!(shop.balance().await, WELCOME, "nothing is paid yet");
    let payment_id = shop.pay(session["id"].as_str().unwrap());
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME + 100);
    let bought = (100, "Bought: Starter, 100 credits".to_owned());
    assert_eq!(shop.statement().await.last(), Some(&bought));
    for event in shop.stack.payments.objects(Kind::Event) {
        assert!(shop.stack.payments.resend(event["id"].as_str().unwrap()));
    }
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME + 100, "{payment_id} comes once");
    shop.close().await;
}

#[tokio::test]
async fn the_same_key_is_the_same_purchase() {
    let shop = Shop::open().await;
    let (path, starter) = ("/api/v1/credits/purchase", json!({"pack_id": "starter"}));
    let (first, second) =
        tokio::join!(shop.user.post(path, &starter, Some("k")), shop.user.post(path, &starter, Some("k")));
    let (first, second) = (first.unwrap(), second.unwrap());
    // Both may ask for the one checkout at once, and then one is told to come again.
    assert!([&first, &second].iter().all(|answer| [201, 503].contains(&answer.status.as_u16())), "{second:?}");
    let first = [first, second].into_iter().find(|answer| answer.status == 201).expect("one wins");
    let repeated = shop.user.post(path, &starter, Some("k")).await.unwrap().expecting(201);
    assert_eq!((&repeated.body, repeated.header("idempotent-replayed")), (&first.body, "true"));
    assert_eq!(shop.stack.payments.counts().sessions_made, 1);
    let other = shop.user.post(path, &json!({"pack_id": "studio"}), Some("k")).await.unwrap().expecting(422);
    assert_eq!(other.body["code"], "idempotency-key-reused");
    let stranger = shop.stack.user().await;
    drop(stranger.post(path, &starter, Some("k")).await.unwrap().expecting(201));
    assert_eq!(shop.stack.payments.counts().sessions_made, 2);
    shop.close().await;
}

#[tokio::test]
async fn a_lost_answer_of_the_provider_makes_no_second_checkout() {
    let shop = Shop::open().await;
    let lost = PaymentsFault::new(HttpFault::AnswerLost).on(Operation::CreateSession).times(3);
    shop.stack.payments.script(lost);
    let (path, starter) = ("/api/v1/credits/purchase", json!({"pack_id": "starter"}));
    drop(shop.user.post(path, &starter, Some("k")).await.unwrap().expecting(503));
    let checkout = shop.user.post(path, &starter, Some("k")).await.unwrap().expecting(201);
    assert_eq!(shop.stack.payments.counts().sessions_made, 1);
    shop.pay(&shop::session(&checkout));
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME + 100);
    shop.close().await;
}

#[tokio::test]
async fn a_provider_that_is_away_takes_nothing_and_loses_nothing() {
    let shop = Shop::open().await;
    for fault in [ApiFault::ApiError, ApiFault::LockTimeout, ApiFault::KeyInUse] {
        shop.stack.payments.script(PaymentsFault::new(fault).on(Operation::CreateSession));
    }
    drop(shop.user.buy("starter").await.unwrap().expecting(503));
    shop.pay_starter().await;
    assert!(shop.stack.payments.delivered().await);
    shop.stack.payments.go_offline().await;
    drop(shop.user.buy("starter").await.unwrap().expecting(503));
    shop.stack.drain().await;
    assert_eq!(shop.balance().await, WELCOME);
    shop.stack.payments.go_online().await;
    shop.stack.advance(Duration::from_mins(2)).await;
    shop.stack.drain().await;
    assert_eq!(shop.balance().await, WELCOME + 100);
    shop.close().await;
}

#[tokio::test]
async fn what_is_not_paid_brings_nothing() {
    let shop = Shop::open().await;
    let session = async || shop::session(&shop.user.buy("starter").await.unwrap().expecting(201));
    let [failed, left, declined, late, lost] =
        [session().await, session().await, session().await, session().await, session().await];
    assert!(shop.stack.payments.fail(&failed) && shop.stack.payments.abandon(&left));
    shop.stack.payments.script(PaymentsFault::new(Decline::generic()));
    assert!(shop.stack.payments.pay(&declined));
    assert!(shop.stack.payments.pay_later(&late) && shop.stack.payments.pay_later(&lost));
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    assert!(shop.stack.payments.settle(&late, true) && shop.stack.payments.settle(&lost, false));
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME + 100, "what came late came all the same");
    shop.stack.advance(Duration::from_hours(2)).await;
    shop.stack.settle_payments().await;
    let states: Vec<(String, i64)> =
        sqlx::query_as("select state, count(*) from gateway.purchase group by state order by state")
            .fetch_all(shop.stack.database.pool())
            .await
            .unwrap();
    assert_eq!(states, [("expired".to_owned(), 3), ("failed".to_owned(), 1), ("paid".to_owned(), 1)]);
    shop.close().await;
}

#[tokio::test]
async fn a_price_that_changes_meanwhile_is_the_next_customers() {
    let shop = Shop::open().await;
    let checkout = shop.user.buy("starter").await.unwrap().expecting(201);
    let change = "update gateway.pack set amount_cents = 5000, credits = 7 where pack_id = 'starter'";
    sqlx::query(change).execute(shop.stack.database.pool()).await.unwrap();
    shop.pay(&shop::session(&checkout));
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME + 100);
    sqlx::query("update gateway.pack set active = false").execute(shop.stack.database.pool()).await.unwrap();
    assert_eq!(shop.user.buy("starter").await.unwrap().expecting(404).body["code"], "offer-not-found");
    shop.close().await;
}

#[tokio::test]
async fn a_checkout_in_our_name_that_is_not_ours_brings_nothing() {
    let shop = Shop::open().await;
    let checkout = shop.user.buy("studio").await.unwrap().expecting(201);
    let purchase_id = checkout.body["purchase_id"].as_str().unwrap();
    // Somebody with another shop on the same account, or a test, names our purchase and pays less.
    let form = [
        ("mode", "payment"),
        ("success_url", "https://shop.test/"),
        ("metadata[purchase_id]", purchase_id),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "50"),
        ("line_items[0][price_data][product_data][name]", "Studio"),
    ];
    let foreign = shop.at_provider("checkout/sessions", &form).await;
    shop.pay(foreign["id"].as_str().unwrap());
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    // The same where our own row does not know its checkout yet.
    let forget = "update gateway.purchase set session_id = null, session_url = null";
    sqlx::query(forget).execute(shop.stack.database.pool()).await.unwrap();
    let event = shop.stack.payments.objects(Kind::Event).pop().unwrap();
    sqlx::query("delete from gateway.payment_event").execute(shop.stack.database.pool()).await.unwrap();
    assert!(shop.stack.payments.resend(event["id"].as_str().unwrap()));
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    let outcome: String = sqlx::query_scalar("select outcome from gateway.payment_event")
        .fetch_one(shop.stack.database.pool())
        .await
        .unwrap();
    assert_eq!(outcome, "mismatch");
    shop.close().await;
}

#[tokio::test]
async fn who_has_no_balance_yet_gets_one() {
    let shop = Shop::open().await;
    let forget = "with gone as (delete from public.credits where user_id = $1)
                  insert into public.credit_transactions (user_id, amount, transaction_type, description)
                  values ($1, -100, 'adjustment', 'test')";
    sqlx::query(forget).bind(shop.user.id()).execute(shop.stack.database.pool()).await.unwrap();
    shop.pay_starter().await;
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, 100);
    shop.close().await;
}

#[tokio::test]
async fn a_user_has_so_many_open_checkouts_and_no_more() {
    let shop = Shop::open().await;
    for _ in 0..20 {
        drop(shop.user.buy("starter").await.unwrap().expecting(201));
    }
    let refused = shop.user.buy("starter").await.unwrap().expecting(429);
    assert!(!refused.header("retry-after").is_empty());
    shop.stack.advance(Duration::from_hours(1)).await;
    let user = shop.stack.sign_in_again(&shop.user).await;
    drop(user.buy("starter").await.unwrap().expecting(201));
    shop.close().await;
}

#[tokio::test]
async fn a_customer_who_was_deleted_at_the_provider_is_a_new_one() {
    let shop = Shop::open().await;
    shop.pay_starter().await;
    shop.stack.settle_payments().await;
    let customers = shop.stack.payments.counts().customers_made;
    sqlx::query("update gateway.customer set customer_id = 'cus_gone'")
        .execute(shop.stack.database.pool())
        .await
        .unwrap();
    shop.pay_starter().await;
    shop.stack.settle_payments().await;
    assert_eq!((shop.balance().await, shop.stack.payments.counts().customers_made), (WELCOME + 200, customers + 1));
    shop.close().await;
}

#[tokio::test]
async fn refused_bodies_say_why() {
    let shop = Shop::open().await;
    let bodies = [json!({}), json!({"pack_id": 7}), json!({"pack_id": "starter", "credits": 9999})];
    for body in bodies {
        let refused = shop.user.post("/api/v1/credits/purchase", &body, None).await.unwrap().expecting(422);
        assert_eq!(refused.body["code"], "invalid-request", "{body}");
        assert_eq!(refused.body["errors"].as_array().map(Vec::len), Some(1));
    }
    let missing: Value = shop.user.buy("no-such-pack").await.unwrap().expecting(404).body;
    assert_eq!(missing["code"], "offer-not-found");
    drop(shop.stack.anonymous().buy("starter").await.unwrap().expecting(401));
    assert_eq!(shop.stack.payments.counts().sessions_made, 0);
    shop.close().await;
}
