//! Money that goes back: refunds, disputes, and the debt of who has spent what they take.

use devstack::builders::model;
use serde_json::json;
use simulators::Fault;
use simulators::runpod::{JobFault, RunPodEffect};

use super::{Shop, WELCOME};

#[tokio::test]
async fn part_of_the_money_back_takes_part_of_the_credits() {
    let shop = Shop::open().await;
    let payment_id = shop.pay_starter().await;
    shop.stack.settle_payments().await;
    shop.refund(&payment_id, Some(450)).await;
    assert_eq!(shop.balance().await, WELCOME + 50);
    shop.refund(&payment_id, Some(1)).await;
    assert_eq!(shop.balance().await, WELCOME + 50, "rounded in her favour");
    shop.refund(&payment_id, None).await;
    assert_eq!(shop.balance().await, WELCOME);
    let reason = "Taken back, because the payment of Starter, 100 credits was refunded or disputed".to_owned();
    assert_eq!(shop.statement().await[2..], [(-50, reason.clone()), (-50, reason)]);
    shop.close().await;
}

#[tokio::test]
async fn what_was_spent_is_owed_and_the_next_purchase_repays_it_first() {
    let shop = Shop::open().await;
    let payment_id = shop.pay_starter().await;
    shop.stack.settle_payments().await;
    shop.spend(150).await;
    assert_eq!(shop.balance().await, 50);
    shop.refund(&payment_id, None).await;
    let standing = shop.standing().await;
    assert_eq!((&standing["balance"], &standing["debt"]), (&json!(0), &json!(50)));
    let refused = shop.user.generate(&model().build()).await.unwrap().expecting(402);
    assert_eq!((&refused.body["code"], &refused.body["debt"]), (&json!("debt-open"), &json!(50)));
    shop.pay_starter().await;
    shop.stack.settle_payments().await;
    let standing = shop.standing().await;
    assert_eq!((&standing["balance"], &standing["debt"]), (&json!(50), &json!(0)));
    let repaid = (-50, "Repaid what was owed since its payment was taken back".to_owned());
    assert_eq!(shop.statement().await.last(), Some(&repaid));
    drop(shop.user.generate(&model().build()).await.unwrap().expecting(202));
    shop.close().await;
}

#[tokio::test]
async fn a_refund_of_a_generation_repays_a_debt() {
    let shop = Shop::open().await;
    let payment_id = shop.pay_starter().await;
    shop.stack.settle_payments().await;
    shop.spend(98).await;
    shop.stack.runpod.script(Fault::new(RunPodEffect::from(JobFault::WorkflowInvalid)));
    let failing = shop.user.generate(&model().outputs(4).build()).await.unwrap().generation_id();
    // A balance of 98: all of it goes, and 2 of the bought credits are owed.
    shop.refund(&payment_id, None).await;
    let standing = shop.standing().await;
    assert_eq!((&standing["balance"], &standing["debt"]), (&json!(0), &json!(2)));
    shop.stack.finish(&shop.user, failing).await;
    let standing = shop.standing().await;
    assert_eq!((&standing["balance"], &standing["debt"]), (&json!(2), &json!(0)));
    shop.close().await;
}

#[tokio::test]
async fn a_dispute_takes_back_until_it_is_won() {
    let shop = Shop::open().await;
    let payment_id = shop.pay_starter().await;
    shop.stack.settle_payments().await;
    shop.spend(120).await;
    let won = shop.stack.payments.dispute(&payment_id).unwrap();
    shop.stack.settle_payments().await;
    let standing = shop.standing().await;
    assert_eq!((&standing["balance"], &standing["debt"]), (&json!(0), &json!(20)));
    assert!(shop.stack.payments.close_dispute(&won, true));
    shop.stack.settle_payments().await;
    let standing = shop.standing().await;
    assert_eq!((&standing["balance"], &standing["debt"]), (&json!(80), &json!(0)));
    let given = (80, "Given back, because the payment of Starter, 100 credits stands after all".to_owned());
    assert_eq!(shop.statement().await.last(), Some(&given));
    shop.close().await;
}

#[tokio::test]
async fn a_lost_dispute_keeps_what_it_took() {
    let shop = Shop::open().await;
    let payment_id = shop.pay_starter().await;
    shop.stack.settle_payments().await;
    let lost = shop.stack.payments.dispute(&payment_id).unwrap();
    shop.stack.settle_payments().await;
    assert!(shop.stack.payments.close_dispute(&lost, false));
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    shop.close().await;
}
