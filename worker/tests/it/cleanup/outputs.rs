//! Outputs past their time: the setting, the plans, the grace, and what may still not go.

use devstack::builders::{model, request};
use devstack::test_stack::{TestStack, TestUser};
use serde_json::Value;
use shared::retention::{Amount, Kind, Mode};
use uuid::Uuid;

use super::{DAY, bytes, clean, number, objects, removed, run};
use crate::generations::{accepted, delivered};

async fn stack_with(days: &str) -> (TestStack, TestUser) {
    let stack = TestStack::builder().set("OUTPUT_RETENTION_DAYS", days).start().await;
    let user = stack.user().await;
    (stack, user)
}

/// Subscribes her to a plan that keeps outputs for so many days.
async fn subscribe(stack: &TestStack, user: &TestUser, days: i32) {
    run(
        stack,
        &format!(
            "with plan as (
               insert into public.billing_plans (name, price, interval) values ('Pro', 10, 'monthly') returning id
             ), kept as (insert into gateway.plan_retention (plan_id, days) select id, {days} from plan)
             insert into public.subscriptions (user_id, plan_id, status, current_period_end, updated_at)
             select '{}', id, 'active', gateway.now(), gateway.now() from plan",
            user.id()
        ),
    )
    .await;
}

async fn seen(stack: &TestStack, user: &TestUser, id: Uuid) -> Value {
    stack.sign_in_again(user).await.status(id).await.unwrap().expecting(200).body
}

#[tokio::test]
async fn without_a_setting_every_output_is_kept() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    subscribe(&stack, &user, 1).await;
    let made = delivered(&stack, &user, model()).await;
    stack.advance(3000 * DAY).await;
    assert_eq!(removed(&stack, Kind::ExpiredOutputs).await, Amount::default());
    let seen = seen(&stack, &user, made.id).await;
    assert_eq!((seen["image_urls"].as_array().unwrap().len(), &seen["outputs_expired_at"]), (2, &Value::Null));
    stack.reconcile().await;
}

#[tokio::test]
async fn an_old_generation_stays_completed_without_its_pictures() {
    let (stack, user) = stack_with("30").await;
    let old = delivered(&stack, &user, model()).await;
    let pictures = objects(&stack);
    let size = bytes(&stack, &pictures);
    stack.advance(29 * DAY).await;
    assert_eq!(removed(&stack, Kind::ExpiredOutputs).await, Amount::default());
    let young = delivered(&stack, &stack.sign_in_again(&user).await, model()).await;
    stack.advance(DAY).await;
    assert_eq!(removed(&stack, Kind::ExpiredOutputs).await, Amount { count: 2, bytes: size });
    assert!(objects(&stack).is_disjoint(&pictures));
    let gone = seen(&stack, &user, old.id).await;
    assert_eq!((&gone["status"], &gone["cost"]["charged"]), (&"completed".into(), &2.into()), "{gone}");
    assert_eq!(gone["image_urls"], serde_json::json!([]));
    assert!(gone["outputs_expired_at"].is_string(), "{gone}");
    let named = "select count(*) from public.generations where output_url is not null or output_urls <> '{}'";
    assert_eq!(number(&stack, named).await, 1, "the young one");
    assert_eq!(seen(&stack, &user, young.id).await["image_urls"].as_array().unwrap().len(), 2);
    stack.reconcile().await;
}

#[tokio::test]
async fn the_longest_of_setting_and_plan_counts_and_a_plan_for_thirty_days_after_its_end() {
    let (stack, user) = stack_with("10").await;
    let poor = stack.user().await;
    subscribe(&stack, &user, 100).await;
    subscribe(&stack, &poor, 1).await;
    for user in [&user, &poor] {
        delivered(&stack, user, model().outputs(1)).await;
    }
    let expired = |stack| removed(stack, Kind::ExpiredOutputs);
    stack.advance(9 * DAY).await;
    assert_eq!(expired(&stack).await.count, 0, "a plan shortens nothing");
    stack.advance(DAY).await;
    assert_eq!(expired(&stack).await.count, 1);
    // The better plan ends, and counts for another 30 days.
    let end =
        "update public.subscriptions set status = 'cancelled', current_period_end = gateway.now(), updated_at = now()";
    run(&stack, end).await;
    stack.advance(29 * DAY).await;
    assert_eq!(expired(&stack).await.count, 0);
    stack.advance(DAY).await;
    assert_eq!(expired(&stack).await.count, 1);
    assert!(objects(&stack).is_empty());
    stack.reconcile().await;
}

#[tokio::test]
async fn what_plans_keep_is_not_in_the_way_of_what_comes_after_it() {
    let (stack, user) = stack_with("30").await;
    delivered(&stack, &user, model()).await;
    stack.advance(30 * DAY).await;
    // The last round has looked at runs up to here: this one goes on behind it, comes to the end, and the next begins anew.
    run(&stack, "update gateway.cleanup set expiry_at = settled_at, expiry_id = generation_id from gateway.run").await;
    for left in [2, 0] {
        clean(&stack, &[Kind::ExpiredOutputs], Mode::Apply).await.unwrap();
        assert_eq!(objects(&stack).len(), left);
    }
}

#[tokio::test]
async fn a_picture_that_a_running_generation_reads_goes_only_when_that_is_final() {
    let (stack, user) = stack_with("30").await;
    let first = delivered(&stack, &user, request("upscale").format("png")).await;
    let path = format!("{}/{}/1.png", user.id(), first.id);
    stack.advance(30 * DAY).await;
    let user = stack.sign_in_again(&user).await;
    // Named, and perhaps not accepted yet: it is in somebody's hands.
    let second = accepted(&user, request("upscale").picture("input_image", path.as_str())).await;
    clean(&stack, &[Kind::ExpiredOutputs], Mode::Apply).await.unwrap();
    assert!(objects(&stack).contains(&path), "it is read");
    stack.advance(super::CLAIM).await;
    clean(&stack, &[Kind::ExpiredOutputs], Mode::Apply).await.unwrap();
    assert!(objects(&stack).contains(&path), "it is still read");
    let _ =
        user.generate(&request("upscale").picture("input_image", path.as_str()).build()).await.unwrap().expecting(422);
    let seen = stack.finish(&user, second).await;
    assert_eq!(seen["status"], "completed", "{seen}");
    clean(&stack, &[Kind::ExpiredOutputs], Mode::Apply).await.unwrap();
    assert!(!objects(&stack).contains(&path));
    stack.reconcile().await;
}
