//! Invoices that are paid in other ways than by one charge of all of it.

use devstack::shop;
use serde_json::json;
use simulators::PaymentsFault;
use simulators::payments::{Decline, Kind};

use super::{Shop, WELCOME};

/// A user with a monthly plan.
async fn subscribed() -> Shop {
    let shop = Shop::open().await;
    shop.subscribe(shop.plans.monthly).await;
    shop
}

/// The newest object's id.
fn newest(shop: &Shop, kind: Kind) -> String {
    shop.stack.payments.objects(kind).pop().unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_invoice_that_is_paid_past_the_provider_brings_its_credits() {
    let mut shop = subscribed().await;
    shop.stack.payments.script(PaymentsFault::new(Decline::generic()));
    shop.days(32).await;
    assert_eq!((shop.balance().await, &shop.subscriptions().await[0]["status"]), (WELCOME + 500, &json!("past_due")));
    let path = format!("invoices/{}/pay", newest(&shop, Kind::Invoice));
    shop.at_provider(&path, &[("paid_out_of_band", "true")]).await;
    shop.stack.settle_payments().await;
    assert_eq!((shop.balance().await, &shop.subscriptions().await[0]["status"]), (WELCOME + 1000, &json!("active")));
    shop.days(5).await;
    assert_eq!(shop.balance().await, WELCOME + 1000, "once");
    assert_eq!(shop.anomalies_when_read().await, Vec::<String>::new());
    shop.close().await;
}

#[tokio::test]
async fn an_invoice_that_the_customers_balance_pays_brings_its_credits() {
    // What the customer has at the provider before a renewal of 29.00, what is charged, and what a refund of all that
    // leaves of the month's 500.
    for (balance, charged, left) in
        [(-1_000, 1_900, 173), (-2_900, 0, 500), (-9_000, 0, 500), (-2_880, 0, 500), (700, 3_600, 0)]
    {
        let mut shop = subscribed().await;
        let path = format!("customers/{}/balance_transactions", newest(&shop, Kind::Customer));
        shop.at_provider(&path, &[("amount", &balance.to_string()), ("currency", "usd")]).await;
        shop.days(32).await;
        assert_eq!(shop.balance().await, WELCOME + 1000, "{balance}");
        let invoice = shop.stack.payments.objects(Kind::Invoice).pop().unwrap();
        assert_eq!(invoice["amount_paid"], charged, "{balance}");
        if charged > 0 {
            shop.refund(&shop.last_payment(), None).await;
        }
        assert_eq!(shop.balance().await, WELCOME + 500 + left, "{balance}");
        assert_eq!(shop.anomalies_when_read().await, Vec::<String>::new(), "{balance}");
        shop.close().await;
    }
}

#[tokio::test]
async fn what_cannot_be_decided_is_an_anomaly_at_once_and_not_tried_again() {
    let shop = Shop::open().await;
    let checkout = shop.user.buy(shop::STARTER.0).await.unwrap().expecting(201);
    sqlx::query("update gateway.purchase set amount_cents = 5000").execute(shop.stack.database.pool()).await.unwrap();
    let session = shop::session(&checkout);
    shop.pay(&session);
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    let told = ("undecided_payment".to_owned(), format!("another amount: {session}"));
    assert_eq!(shop.anomalies().await, [told]);
    assert_eq!(shop.anomalies_when_read().await, ["undecided_payment"]);
    let waiting: i64 = sqlx::query_scalar("select count(*) from gateway.payment_event where ended_at is null")
        .fetch_one(shop.stack.database.pool())
        .await
        .unwrap();
    assert_eq!(waiting, 0);
    // The operator decides by the row, and what is applied after all is none any more.
    sqlx::query("update gateway.purchase set amount_cents = 900").execute(shop.stack.database.pool()).await.unwrap();
    let event = shop.stack.payments.objects(Kind::Event).pop().unwrap();
    sqlx::query(
        "update gateway.payment_event set ended_at = null, outcome = null, due_at = gateway.now() where event_id = $1",
    )
    .bind(event["id"].as_str().unwrap())
    .execute(shop.stack.database.pool())
    .await
    .unwrap();
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME + 100);
    assert_eq!(shop.anomalies_when_read().await, Vec::<String>::new());
    shop.close().await;
}

#[tokio::test]
async fn an_event_that_is_followed_up_again_and_again_is_an_anomaly() {
    let shop = Shop::open().await;
    sqlx::query(
        "insert into gateway.payment_event (event_id, kind, object_id, recovered, received_at, due_at, tries)
         values ('evt_1', 'invoice.paid', 'in_1', false, gateway.now(), 'infinity', 12)",
    )
    .execute(shop.stack.database.pool())
    .await
    .unwrap();
    assert_eq!(shop.anomalies_when_read().await, ["stuck_payment"]);
    sqlx::query("update gateway.payment_event set ended_at = gateway.now(), outcome = 'applied'")
        .execute(shop.stack.database.pool())
        .await
        .unwrap();
    assert_eq!(shop.anomalies_when_read().await, Vec::<String>::new());
    shop.close().await;
}
