//! Plans: credits every month of what was paid for.

use devstack::shop;
use serde_json::{Value, json};
use simulators::payments::Kind;

use super::{Shop, WELCOME};

#[tokio::test]
async fn a_monthly_plan_brings_credits_with_every_renewal() {
    let mut shop = Shop::open().await;
    let plans = shop.user.get("/api/v1/billing/plans").await.unwrap().expecting(200).body;
    assert_eq!(plans["items"][0]["plan_id"], json!(shop.plans.monthly));
    assert_eq!(plans["items"][0]["features"], json!(["Video", "Priority"]));
    assert_eq!((&plans["items"][1]["amount_cents"], &plans["items"][1]["for_sale"]), (&json!(29_000), &json!(true)));
    shop.subscribe(shop.plans.monthly).await;
    assert_eq!(shop.balance().await, WELCOME + 500);
    let held = shop.subscriptions().await;
    assert_eq!((held.len(), &held[0]["status"], &held[0]["plan_name"]), (1, &json!("active"), &json!("Pro")));
    shop.days(32).await;
    assert_eq!(shop.balance().await, WELCOME + 1000, "unused credits stay");
    let invoices = shop.user.get("/api/v1/billing/invoices").await.unwrap().expecting(200).body;
    let invoice = |n: usize| (invoices["items"][n]["amount_cents"].clone(), invoices["items"][n]["status"].clone());
    assert_eq!((invoice(0), invoice(1)), ((json!(2900), json!("paid")), (json!(2900), json!("paid"))));
    let granted = (500, "Granted by your plan: Pro, this month's credits".to_owned());
    assert_eq!(shop.statement().await[1..], [granted.clone(), granted]);
    shop.close().await;
}

#[tokio::test]
async fn a_yearly_plan_brings_credits_every_month_on_the_day() {
    let mut shop = Shop::open().await;
    shop.subscribe(shop.plans.yearly).await;
    assert_eq!(shop.balance().await, WELCOME + 500);
    shop.days(27).await;
    assert_eq!(shop.balance().await, WELCOME + 500);
    shop.days(5).await;
    assert_eq!(shop.balance().await, WELCOME + 1000);
    assert_eq!(shop.statement().await.last().unwrap().1, "Granted by your plan: Pro, by the year, month 2 of 12");
    // Days that nobody worked on are made up for.
    shop.stack.advance(super::DAY * 280).await;
    shop.stack.settle_payments().await;
    shop.user = shop.stack.sign_in_again(&shop.user).await;
    assert_eq!(shop.balance().await, WELCOME + 11 * 500);
    shop.days(60).await;
    assert_eq!(shop.balance().await, WELCOME + 13 * 500, "the second year has begun");
    shop.close().await;
}

#[tokio::test]
async fn a_user_has_one_subscription_at_a_time() {
    let shop = Shop::open().await;
    shop.subscribe(shop.plans.monthly).await;
    let refused = shop.user.subscribe(shop.plans.yearly).await.unwrap().expecting(409);
    assert_eq!(refused.body["code"], "already-subscribed");
    drop(shop.user.subscribe(uuid::Uuid::new_v4()).await.unwrap().expecting(404));
    shop.close().await;
}

#[tokio::test]
async fn two_checkouts_for_plans_cannot_both_be_paid() {
    let shop = Shop::open().await;
    let first = shop.user.subscribe(shop.plans.monthly).await.unwrap().expecting(201);
    let again = shop.user.subscribe(shop.plans.monthly).await.unwrap().expecting(201);
    assert_eq!(first.body, again.body, "another tab is the same checkout");
    let other = shop.user.subscribe(shop.plans.yearly).await.unwrap().expecting(201);
    assert!(!shop.stack.payments.pay(&shop::session(&first)), "it was closed");
    assert!(shop.stack.payments.pay(&shop::session(&other)));
    // Paid, and not told yet.
    let late = shop.user.subscribe(shop.plans.monthly).await.unwrap().expecting(409);
    assert_eq!(late.body["code"], "already-subscribed");
    shop.stack.settle_payments().await;
    assert_eq!((shop.balance().await, shop.subscriptions().await.len()), (WELCOME + 500, 1));
    let both = tokio::join!(shop.user.subscribe(shop.plans.monthly), shop.user.subscribe(shop.plans.yearly));
    assert_eq!((both.0.unwrap().status.as_u16(), both.1.unwrap().status.as_u16()), (409, 409));
    shop.close().await;
}

#[tokio::test]
async fn an_invoice_that_is_not_what_was_agreed_brings_nothing() {
    let shop = Shop::open().await;
    let checkout = shop.user.subscribe(shop.plans.monthly).await.unwrap().expecting(201);
    let form = [
        ("mode", "subscription"),
        ("success_url", "https://shop.test/"),
        ("subscription_data[metadata][purchase_id]", checkout.body["purchase_id"].as_str().unwrap()),
        ("line_items[0][quantity]", "1"),
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "50"),
        ("line_items[0][price_data][product_data][name]", "Pro"),
        ("line_items[0][price_data][recurring][interval]", "month"),
    ];
    let foreign = shop.at_provider("checkout/sessions", &form).await;
    shop.pay(foreign["id"].as_str().unwrap());
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    shop.pay(&shop::session(&checkout));
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME, "a second subscription of one purchase needs an operator");
    let outcomes: Vec<String> =
        sqlx::query_scalar("select distinct outcome from gateway.payment_event order by outcome")
            .fetch_all(shop.stack.database.pool())
            .await
            .unwrap();
    assert!(outcomes.contains(&"mismatch".to_owned()), "{outcomes:?}");
    let anomalies = shop.anomalies().await;
    assert!(anomalies.iter().any(|(_, detail)| detail.starts_with("another amount: in_")), "{anomalies:?}");
    assert!(anomalies.iter().any(|(_, detail)| detail.starts_with("second subscription of a purchase: sub_")));
    assert_eq!(shop.anomalies_when_read().await, ["undecided_payment", "undecided_payment"], "a reading ends none");
    shop.close().await;
}

#[tokio::test]
async fn a_user_who_is_deleted_takes_her_rows_along_and_her_renewal_is_told() {
    let mut shop = Shop::open().await;
    shop.subscribe(shop.plans.monthly).await;
    sqlx::query("delete from auth.users where id = $1")
        .bind(shop.user.id())
        .execute(shop.stack.database.pool())
        .await
        .unwrap();
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from gateway.payment) + (select count(*) from gateway.subscription)
              + (select count(*) from gateway.plan_grant) + (select count(*) from gateway.purchase)",
    )
    .fetch_one(shop.stack.database.pool())
    .await
    .unwrap();
    assert_eq!(left, 0);
    shop.stack.advance(super::DAY * 32).await;
    shop.stack.settle_payments().await;
    let orphaned: i64 = sqlx::query_scalar("select count(*) from gateway.payment_event where outcome = 'orphaned'")
        .fetch_one(shop.stack.database.pool())
        .await
        .unwrap();
    assert!(orphaned > 0);
    shop.user = shop.stack.user().await;
    shop.close().await;
}

#[tokio::test]
async fn a_plan_that_cannot_be_sold_is_shown_and_not_sold() {
    let shop = Shop::open().await;
    let free: uuid::Uuid = sqlx::query_scalar(
        "insert into public.billing_plans (name, price, interval, credits_per_month) values ('Free', 0, 'monthly', 10)
         returning id",
    )
    .fetch_one(shop.stack.database.pool())
    .await
    .unwrap();
    let plans = shop.user.get("/api/v1/billing/plans").await.unwrap().expecting(200).body;
    let shown = |plan: &&Value| plan["plan_id"] == json!(free);
    let shown = plans["items"].as_array().unwrap().iter().find(shown).unwrap();
    assert_eq!((&shown["for_sale"], &shown["features"]), (&json!(false), &json!([])));
    drop(shop.user.subscribe(free).await.unwrap().expecting(404));
    shop.close().await;
}

#[tokio::test]
async fn a_plan_of_before_this_backend_is_shown_and_left_alone() {
    let shop = Shop::open().await;
    let made = "insert into public.subscriptions (user_id, plan_id, status) values ($1, $2, 'active') returning id";
    let before: uuid::Uuid = sqlx::query_scalar(made)
        .bind(shop.user.id())
        .bind(shop.plans.monthly)
        .fetch_one(shop.stack.database.pool())
        .await
        .unwrap();
    assert_eq!(shop.subscriptions().await.len(), 1);
    let path = format!("/api/v1/subscriptions/{before}/cancel");
    let refused = shop.user.post(&path, &json!({}), None).await.unwrap().expecting(409);
    assert_eq!(refused.body["code"], "subscription-ended");
    shop.stack.drain().await;
    assert_eq!(shop.balance().await, WELCOME, "it brings nothing: nobody has paid");
    shop.close().await;
}

#[tokio::test]
async fn a_year_that_is_refunded_but_for_the_months_used_leaves_no_debt() {
    // Months used, what is refunded of 290.00, and the credits that the rest of the money pays for (billing/rules.rs).
    for (used, refunded, paid) in [(1, 26_583, 501), (3, 21_750, 1_500), (11, 2_416, 5_501)] {
        let mut shop = Shop::open().await;
        shop.subscribe(shop.plans.yearly).await;
        shop.away(31 * (used - 1)).await;
        let granted = i64::from(used) * 500;
        assert_eq!(shop.balance().await, WELCOME + granted);
        shop.take_all().await;
        shop.refund(&shop.last_payment(), Some(refunded)).await;
        let standing = shop.standing().await;
        assert_eq!((&standing["balance"], &standing["debt"]), (&json!(0), &json!(0)), "{used} months");
        // A new pack brings all its credits, and the plan only what is still paid for.
        shop.pay_starter().await;
        shop.stack.settle_payments().await;
        assert_eq!(shop.balance().await, 100, "{used} months");
        shop.away(360 - 31 * (used - 1)).await;
        assert_eq!(shop.balance().await, 100 + paid - granted, "{used} months");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_dispute_of_a_year_that_is_won_brings_the_months_that_were_left_out() {
    let mut shop = Shop::open().await;
    shop.subscribe(shop.plans.yearly).await;
    let dispute = shop.stack.payments.dispute(&shop.last_payment()).unwrap();
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME);
    shop.days(70).await;
    assert_eq!(shop.balance().await, WELCOME, "nothing is granted of money that a bank holds");
    assert!(shop.stack.payments.close_dispute(&dispute, true));
    shop.stack.settle_payments().await;
    assert_eq!(shop.balance().await, WELCOME + 1500);
    shop.close().await;
}

#[tokio::test]
async fn a_yearly_plan_whose_money_went_back_brings_no_more() {
    let mut shop = Shop::open().await;
    shop.subscribe(shop.plans.yearly).await;
    shop.days(35).await;
    assert_eq!(shop.balance().await, WELCOME + 1000);
    let payment = shop.stack.payments.objects(Kind::PaymentIntent).pop().unwrap();
    let payment_id = payment["id"].as_str().unwrap();
    shop.refund(payment_id, Some(14_500)).await;
    assert_eq!(shop.balance().await, WELCOME + 1000, "half of the year is paid for");
    shop.away(200).await;
    assert_eq!(shop.balance().await, WELCOME + 3000, "and no more comes");
    shop.refund(payment_id, None).await;
    assert_eq!(shop.balance().await, WELCOME);
    shop.days(62).await;
    assert_eq!(shop.balance().await, WELCOME);
    shop.close().await;
}
