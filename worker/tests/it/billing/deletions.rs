//! Users who are deleted are not billed any more.

use std::time::Duration;

use serde_json::Value;
use shared::billing::stop;
use simulators::payments::Kind;

use super::{DAY, Shop};
use devstack::shop as wares;

/// Longer than any wait between two tries.
const LATER: Duration = Duration::from_hours(2);

async fn delete(shop: &Shop, sql: &str) {
    sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()))
        .bind(shop.user.id())
        .execute(shop.stack.database.pool())
        .await
        .unwrap();
}

async fn waiting(shop: &Shop) -> i64 {
    sqlx::query_scalar("select count(*) from gateway.billing_stop").fetch_one(shop.stack.database.pool()).await.unwrap()
}

fn statuses(shop: &Shop, kind: Kind) -> Vec<Value> {
    shop.stack.payments.objects(kind).into_iter().map(|object| object["status"].clone()).collect()
}

/// Two months on nothing more was billed, and every event is followed up.
async fn is_over(mut shop: Shop, invoices: usize) {
    for _ in 0..3 {
        shop.stack.advance(LATER).await;
        shop.stack.settle_payments().await;
    }
    assert_eq!(waiting(&shop).await, 0);
    shop.stack.advance(DAY * 62).await;
    shop.stack.settle_payments().await;
    assert_eq!(shop.stack.payments.objects(Kind::Invoice).len(), invoices);
    let open = "select count(*) from gateway.payment_event where ended_at is null";
    let open: i64 = sqlx::query_scalar(open).fetch_one(shop.stack.database.pool()).await.unwrap();
    assert_eq!(open, 0, "late events do not wait for ever");
    shop.user = shop.stack.user().await;
    shop.close().await;
}

#[tokio::test]
async fn whichever_way_a_user_goes_their_subscription_is_cancelled_once() {
    for sql in ["delete from auth.users where id = $1", "delete from public.profiles where id = $1"] {
        let shop = Shop::open().await;
        shop.subscribe(shop.plans.monthly).await;
        delete(&shop, sql).await;
        assert!(waiting(&shop).await > 0, "noted with the deletion");
        shop.stack.settle_payments().await;
        assert_eq!(statuses(&shop, Kind::Subscription), ["canceled"], "{sql}");
        is_over(shop, 1).await;
    }
}

#[tokio::test]
async fn stripe_may_be_down_and_a_worker_may_die_between_call_and_commit() {
    let shop = Shop::open().await;
    shop.subscribe(shop.plans.yearly).await;
    shop.stack.payments.go_offline().await;
    delete(&shop, "delete from auth.users where id = $1").await;
    shop.stack.drain().await;
    shop.stack.advance(LATER).await;
    shop.stack.drain().await;
    assert!(stop::oldest(&shop.stack.worker.pool).await.unwrap() >= LATER, "the alert sees it");
    shop.stack.payments.go_online().await;
    shop.stack.advance(LATER).await;
    // A worker cancels it and dies before it can write that down.
    let stripe = shop.stack.worker.stripe.clone().expect("something is on sale");
    for due in stop::take_due(&shop.stack.worker.pool, 10).await.unwrap() {
        stop::stop(&stripe, &due).await.unwrap();
    }
    assert!(waiting(&shop).await > 0);
    is_over(shop, 1).await;
}

#[tokio::test]
async fn a_checkout_of_a_deleted_user_cannot_be_paid_and_one_just_paid_is_cancelled() {
    let shop = Shop::open().await;
    let open = wares::session(&shop.user.buy(wares::STARTER.0).await.unwrap().expecting(201));
    let paid = wares::session(&shop.user.subscribe(shop.plans.monthly).await.unwrap().expecting(201));
    // Paid at Stripe, but its event has not arrived here yet.
    shop.pay(&paid);
    delete(&shop, "delete from auth.users where id = $1").await;
    shop.stack.settle_payments().await;
    assert_eq!(shop.stack.payments.object(&open).unwrap()["status"], "expired");
    assert!(!shop.stack.payments.pay(&open));
    assert_eq!(statuses(&shop, Kind::Subscription), ["canceled"]);
    is_over(shop, 1).await;
}

#[tokio::test]
async fn rows_that_go_while_their_user_stays_stop_nothing() {
    let shop = Shop::open().await;
    shop.subscribe(shop.plans.monthly).await;
    delete(&shop, "delete from public.subscriptions where user_id = $1").await;
    assert_eq!(waiting(&shop).await, 0);
    shop.stack.settle_payments().await;
    assert_eq!(statuses(&shop, Kind::Subscription), ["active"]);
}
