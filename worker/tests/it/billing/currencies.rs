//! Disputes in another currency than the charge's.

use devstack::shop;
use serde_json::json;
use simulators::payments::Kind;

use super::{Shop, WELCOME};

#[tokio::test]
async fn every_checkout_switches_adaptive_pricing_off() {
    let shop = Shop::open().await;
    shop.stack.payments.adapt_prices("jpy", 15_000);
    let pack = shop.user.buy(shop::STARTER.0).await.unwrap().expecting(201);
    let plan = shop.user.subscribe(shop.plans.monthly).await.unwrap().expecting(201);
    for checkout in [&pack, &plan] {
        let session = shop.stack.payments.object(&shop::session(checkout)).unwrap();
        assert_eq!(session["adaptive_pricing"]["enabled"], json!(false));
        shop.pay(&shop::session(checkout));
    }
    for charge in shop.stack.payments.objects(Kind::Charge) {
        assert_eq!((&charge["currency"], &charge["presentment_details"]), (&json!("usd"), &json!(null)));
    }
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME + 600);
    shop.close().await;
}

#[tokio::test]
async fn a_dispute_in_another_currency_takes_the_share_that_left_our_balance() {
    // What the bank says it disputes, the percentage of the charge that it takes, and the credits that are left of 100.
    for (amount, currency, percent, left) in
        [(135_000, "jpy", 100, 0), (67_500, "jpy", 50, 50), (1, "bhd", 25, 75), (900, "eur", 97, 3)]
    {
        let shop = Shop::open().await;
        let payment_id = shop.pay_starter().await;
        shop.stack.settle_payments().await;
        let dispute = shop.stack.payments.dispute_in(&payment_id, (amount, currency), percent).unwrap();
        shop.stack.settle_payments().await;
        assert_eq!(shop.balance().await, WELCOME + left, "{amount} {currency}");
        assert!(shop.stack.payments.close_dispute(&dispute, true));
        shop.stack.settle_payments().await;
        assert_eq!(shop.balance().await, WELCOME + 100, "{amount} {currency}");
        assert_eq!(shop.anomalies_when_read().await, Vec::<String>::new(), "{amount} {currency}");
        shop.close().await;
    }
}
