//! How invoices are paid from a customer's balance or past Stripe, and what a bank disputes in a currency of its own.

use serde_json::json;
use simulators::PaymentsFault;
use simulators::payments::{Decline, Kind};

use crate::payments::{DAY, Shop, noon, standing_at};

#[tokio::test]
async fn a_balance_is_applied_when_an_invoice_is_final() {
    // The balance before a renewal of 29.00; what is due, and the balance after. Too little to be charged is owed.
    for (balance, due, after) in [(0, 2900, 0), (-1000, 1900, 0), (-5000, 0, -2100), (700, 3600, 0), (-2880, 0, 20)] {
        let sim = standing_at(noon(2026, 3, 1));
        let shop = Shop::of(&sim);
        let id = shop.subscribe(&sim, "month").await;
        let customer = sim.object(&id).unwrap()["customer"].as_str().unwrap().to_owned();
        let path = format!("customers/{customer}/balance_transactions");
        shop.post(&path, &[("amount", &balance.to_string()), ("currency", "usd")]).await.done();
        sim.advance(DAY * 32);
        let invoice = sim.objects(Kind::Invoice).pop().unwrap();
        assert_eq!((&invoice["status"], &invoice["total"]), (&json!("paid"), &json!(2900)), "{balance}");
        assert_eq!((&invoice["amount_due"], &invoice["amount_paid"]), (&json!(due), &json!(due)), "{balance}");
        assert_eq!((&invoice["starting_balance"], &invoice["ending_balance"]), (&json!(balance), &json!(after)));
        assert_eq!(sim.object(&customer).unwrap()["balance"], after, "{balance}");
        assert_eq!(invoice["payment_intent"].is_null(), due == 0, "{balance}");
    }
}

#[tokio::test]
async fn an_invoice_that_is_paid_past_stripe_is_not_charged_any_more() {
    let sim = standing_at(noon(2026, 3, 1));
    let shop = Shop::of(&sim);
    let id = shop.subscribe(&sim, "month").await;
    sim.script(PaymentsFault::new(Decline::generic()));
    sim.advance(DAY * 32);
    assert_eq!(sim.object(&id).unwrap()["status"], "past_due");
    let path = format!("invoices/{}/pay", sim.objects(Kind::Invoice).pop().unwrap()["id"].as_str().unwrap());
    let paid = shop.post(&path, &[("paid_out_of_band", "true"), ("expand[]", "payments")]).await.done();
    assert_eq!((&paid["status"], &paid["amount_paid"]), (&json!("paid"), &json!(2900)));
    assert_eq!(paid["payments"]["data"], json!([]));
    assert_eq!(sim.object(&id).unwrap()["status"], "active");
    let charged = sim.counts().charged;
    sim.advance(DAY * 10);
    assert_eq!(sim.counts().charged, charged);
    shop.post(&path, &[]).await.refused(400, "", "");
}

#[tokio::test]
async fn a_dispute_is_told_in_the_banks_currency_and_moves_ours() {
    let sim = standing_at(noon(2026, 3, 1));
    let shop = Shop::of(&sim);
    let id = shop.sell_credits().await;
    assert!(sim.pay(&id));
    let intent = sim.object(&id).unwrap()["payment_intent"].as_str().unwrap().to_owned();
    let dispute = sim.dispute_in(&intent, (135_000, "jpy"), 50).unwrap();
    let charge = sim.objects(Kind::Charge).pop().unwrap();
    let told = sim.object(&dispute).unwrap();
    assert_eq!((&told["amount"], &told["currency"]), (&json!(135_000), &json!("jpy")));
    let half = charge["amount"].as_i64().unwrap() / 2;
    let moved = &told["balance_transactions"][0];
    assert_eq!((&moved["amount"], &moved["currency"]), (&json!(-half), &charge["currency"]));
    let path = format!("charges/{}", charge["id"].as_str().unwrap());
    let charge = shop.get(&path, &[("expand[]", "balance_transaction")]).await.done();
    assert_eq!(charge["balance_transaction"]["amount"], charge["amount"]);
    assert!(sim.close_dispute(&dispute, true));
    assert_eq!(sim.object(&dispute).unwrap()["balance_transactions"][1]["amount"], half);
}
