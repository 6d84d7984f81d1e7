//! A user has one subscription, however late we learn that the first was paid, and however many requests are
//! concurrent.

use std::time::Duration;

use devstack::client::Answer;
use devstack::shop;
use serde_json::json;
use simulators::PaymentsFault;
use simulators::payments::{EventFault, Kind};

use super::{DAY, Shop, WELCOME};

/// Checkouts that can still be paid.
fn payable(shop: &Shop) -> usize {
    shop.stack.payments.objects(Kind::Session).iter().filter(|session| session["status"] == "open").count()
}

#[tokio::test]
async fn a_plan_that_was_paid_while_nobody_was_told_is_not_bought_twice() {
    // No event arrives, no worker runs, and the checkout's hour passes.
    for wait in [Duration::ZERO, Duration::from_mins(70), DAY * 2] {
        let mut shop = Shop::open().await;
        shop.stack.payments.script(PaymentsFault::new(EventFault::NeverSent).times(50));
        let first = shop.user.subscribe(shop.plans.monthly).await.unwrap().expecting(201);
        shop.pay(&shop::session(&first));
        shop.stack.advance(wait).await;
        shop.user = shop.stack.sign_in_again(&shop.user).await;
        for plan in [shop.plans.yearly, shop.plans.monthly] {
            let refused = shop.user.subscribe(plan).await.unwrap().expecting(409);
            assert_eq!(refused.body["code"], "already-subscribed", "after {wait:?}");
        }
        assert_eq!(payable(&shop), 0, "after {wait:?}");
        shop.stack.payments.clear_faults();
        shop.days(2).await;
        assert_eq!((shop.balance().await, shop.subscriptions().await.len()), (WELCOME + 500, 1), "after {wait:?}");
        shop.close().await;
    }
}

#[tokio::test]
async fn requests_at_once_leave_one_checkout_that_can_be_paid() {
    let shop = Shop::open().await;
    for _ in 0..5 {
        let (monthly, yearly) = (shop.plans.monthly, shop.plans.yearly);
        let asked = [monthly, yearly, monthly, yearly].map(|plan| shop.user.subscribe(plan));
        let answers: Vec<Answer> = futures::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
        assert!(answers.iter().all(|answer| [201, 429].contains(&answer.status.as_u16())), "{answers:?}");
        assert!(payable(&shop) <= 1, "{answers:?}");
    }
    let last = shop.user.subscribe(shop.plans.monthly).await.unwrap().expecting(201);
    assert_eq!(payable(&shop), 1);
    shop.pay(&shop::session(&last));
    shop.stack.settle_payments().await;
    assert_eq!((shop.balance().await, shop.subscriptions().await.len()), (WELCOME + 500, 1));
    shop.close().await;
}

#[tokio::test]
async fn a_checkout_that_is_known_to_be_paid_before_its_subscription_stands_in_the_way() {
    let shop = Shop::open().await;
    let first = shop.user.subscribe(shop.plans.monthly).await.unwrap().expecting(201);
    // The subscription and its invoice come before the checkout, and are held back.
    shop.stack.payments.script(PaymentsFault::new(EventFault::Delayed { ms: 600_000 }).times(2));
    shop.pay(&shop::session(&first));
    shop.stack.settle_payments().await;
    assert_eq!(shop.subscriptions().await.len(), 0);
    drop(shop.user.subscribe(shop.plans.yearly).await.unwrap().expecting(409));
    shop.stack.advance(Duration::from_mins(11)).await;
    shop.stack.settle_payments().await;
    assert_eq!((shop.balance().await, shop.subscriptions().await.len()), (WELCOME + 500, 1));
    shop.close().await;
}

#[tokio::test]
async fn a_second_subscription_that_happens_anyway_is_an_anomaly_until_one_ends() {
    let shop = Shop::open().await;
    shop.subscribe(shop.plans.monthly).await;
    let first = shop.stack.payments.objects(Kind::Subscription)[0]["id"].as_str().unwrap().to_owned();
    assert!(shop.anomalies().await.is_empty());
    // A checkout of before this was closed, which somebody else paid.
    let other = "insert into gateway.purchase
                     (purchase_id, user_id, plan_id, name, credits, months, amount_cents, currency, state, created_at, expires_at)
                 select gen_random_uuid(), user_id, $1, 'Old', 500, 1, 2900, 'usd', 'expired', created_at, expires_at
                 from gateway.purchase limit 1 returning purchase_id";
    let other: uuid::Uuid =
        sqlx::query_scalar(other).bind(shop.plans.monthly).fetch_one(shop.stack.database.pool()).await.unwrap();
    let form = [
        ("mode", "subscription"),
        ("success_url", "https://shop.test/"),
        ("subscription_data[metadata][purchase_id]", &other.to_string()),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "2900"),
        ("line_items[0][price_data][product_data][name]", "Old"),
        ("line_items[0][price_data][recurring][interval]", "month"),
    ];
    let session = shop.at_provider("checkout/sessions", &form).await;
    shop.pay(session["id"].as_str().unwrap());
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME + 1000, "both were paid");
    assert_eq!(shop.anomalies().await, [("two_subscriptions".to_owned(), String::new())], "at once");
    assert_eq!(shop.anomalies_when_read().await, ["two_subscriptions"]);
    let url = format!("{}/v1/subscriptions/{first}", shop.stack.payments.url());
    let ended = reqwest::Client::builder().no_proxy().build().unwrap().delete(url);
    let ended = ended.bearer_auth(shop.stack.payments.secret_key()).send().await.unwrap();
    assert!(ended.status().is_success());
    shop.stack.settle_payments().await;
    assert_eq!(shop.anomalies_when_read().await, Vec::<String>::new());
    assert_eq!(shop.standing().await["debt"], json!(0));
    shop.close().await;
}
