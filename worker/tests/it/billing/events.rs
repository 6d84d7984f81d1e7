//! What the provider tells: twice, late, in any order, forged, or never.

use std::time::Duration;

use simulators::payments::EventFault;
use simulators::{Fault, HttpFault, Operation, PaymentsFault};

use super::{Shop, WELCOME};

#[tokio::test]
async fn events_that_come_twice_late_or_in_another_order_change_nothing() {
    let shop = Shop::open().await;
    shop.stack.payments.script(PaymentsFault::new(EventFault::Duplicated { copies: 3 }).times(2));
    shop.stack.payments.script(PaymentsFault::new(EventFault::Reordered).times(1));
    let payment_id = shop.pay_starter().await;
    // The refund is told first: the payment's own event waits to be overtaken.
    shop.refund(&payment_id, Some(450)).await;
    shop.stack.advance(Duration::from_mins(2)).await;
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME + 50);
    assert!(shop.stack.payments.counts().webhooks_sent >= 4);
    shop.close().await;
}

#[tokio::test]
async fn forged_and_stale_events_are_refused_and_the_true_ones_counted() {
    let shop = Shop::open().await;
    // The first look at the provider's list is at the start, and would find what is refused here.
    shop.stack.drain().await;
    shop.stack.payments.script(PaymentsFault::new(EventFault::Forged));
    shop.pay_starter().await;
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    shop.stack.payments.script(PaymentsFault::new(EventFault::StaleTimestamp { s: 301 }));
    shop.pay_starter().await;
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    let statuses: Vec<_> = shop.stack.payments.deliveries().iter().map(|delivery| delivery.status).collect();
    assert!(statuses.iter().all(|status| *status == Some(401)), "{statuses:?}");
    assert!(statuses.len() >= 2);
    shop.close().await;
}

#[tokio::test]
async fn an_event_that_never_comes_is_found_within_a_day() {
    let mut shop = Shop::open().await;
    // The first look is at the start, and finds nothing.
    shop.stack.drain().await;
    shop.stack.payments.script(PaymentsFault::new(EventFault::NeverSent).times(20));
    let payment_id = shop.pay_starter().await;
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    shop.days(1).await;
    assert_eq!(shop.balance().await, WELCOME + 100);
    shop.refund(&payment_id, None).await;
    assert_eq!(shop.balance().await, WELCOME + 100, "nobody told");
    shop.days(1).await;
    assert_eq!(shop.balance().await, WELCOME);
    let recovered: i64 = sqlx::query_scalar("select count(*) from gateway.payment_event where recovered")
        .fetch_one(shop.stack.database.pool())
        .await
        .unwrap();
    assert_eq!(recovered, 2);
    shop.close().await;
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_read_ten_minutes_later() {
    let shop = Shop::open().await;
    shop.stack.payments.script(PaymentsFault::new(EventFault::NeverSent));
    shop.pay_starter().await;
    let down = Fault::new(HttpFault::ServerError { status: 500 });
    shop.stack.payments.script(down.on(Operation::ListObjects).times(3));
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    shop.stack.advance(Duration::from_mins(25)).await;
    shop.stack.drain().await;
    assert_eq!(shop.balance().await, WELCOME + 100);
    shop.close().await;
}

#[tokio::test]
async fn a_worker_that_dies_with_an_event_leaves_it_to_the_next() {
    let shop = Shop::open().await;
    shop.pay_starter().await;
    assert!(shop.stack.payments.delivered().await);
    let taken = shared::billing::event::take_due(&shop.stack.worker.pool, 10).await.unwrap();
    assert_eq!(taken.len(), 1);
    shop.stack.drain().await;
    assert_eq!(shop.balance().await, WELCOME, "it is taken");
    shop.stack.advance(Duration::from_mins(2)).await;
    shop.stack.drain().await;
    assert_eq!(shop.balance().await, WELCOME + 100);
    shop.close().await;
}

#[tokio::test]
async fn a_wrong_key_or_another_accounts_loses_nothing() {
    let shop = Shop::open().await;
    shop.pay_starter().await;
    assert!(shop.stack.payments.delivered().await);
    shop.stack.payments.script(PaymentsFault::new(HttpFault::Unauthorized).on(Operation::Retrieve));
    shop.stack.payments.script(PaymentsFault::new(HttpFault::NotFound).on(Operation::Retrieve));
    shop.stack.drain().await;
    assert_eq!(shop.balance().await, WELCOME);
    for _ in 0..3 {
        shop.stack.advance(Duration::from_mins(1)).await;
        shop.stack.drain().await;
    }
    assert_eq!(shop.balance().await, WELCOME + 100);
    shop.close().await;
}
