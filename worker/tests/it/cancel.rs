//! Cancelling, stage by stage.

use std::time::Duration;

use devstack::builders::model;
use devstack::test_stack::TestStack;
use serde_json::json;
use shared::generation::lease;
use shared::ids::{GenerationId, UserId};
use shootx_worker::sweeper;
use simulators::Fault;
use simulators::runpod::JobFault;
use simulators::runpod::RunPodEffect;

#[tokio::test]
async fn a_queued_generation_is_cancelled_at_once() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    let seen = user.cancel(id).await.unwrap().expecting(200).body;
    assert_eq!((&seen["status"], &seen["error_code"]), (&json!("failed"), &json!("cancelled")));
    stack.drain().await;
    assert_eq!((user.balance().await.unwrap(), stack.runpod.counts().jobs_made), (100, 0));
    stack.reconcile().await;
}

#[tokio::test]
async fn an_api_that_dies_while_it_cancels_leaves_the_rest_to_the_sweeper() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    // The wish is noted and the run is leased to be settled: there it ends.
    let wish = "update gateway.run set cancel_requested_at = gateway.now(), rings = rings + 1";
    sqlx::query(wish).execute(stack.database.pool()).await.unwrap();
    let leased = lease::cancelled_in_queue(&stack.worker.pool, UserId(user.id()), GenerationId(id)).await.unwrap();
    assert!(leased.is_some());
    stack.drain().await;
    assert_eq!(user.status(id).await.unwrap().body["stage"], "queued", "the lease still holds");
    stack.advance(Duration::from_secs(21)).await;
    sweeper::tick(&stack.worker).await.unwrap();
    let seen = user.status(id).await.unwrap().body;
    assert_eq!((&seen["stage"], &seen["error_code"]), (&json!("cancelled"), &json!("cancelled")));
    stack.drain().await;
    assert_eq!((user.balance().await.unwrap(), stack.runpod.counts().jobs_made), (100, 0));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_running_generation_is_cancelled_at_the_provider_and_refunded() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    stack.runpod.script(Fault::new(RunPodEffect::from(JobFault::NeverFinishes)));
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    stack.drain().await;
    let asked = user.cancel(id).await.unwrap().expecting(200).body;
    assert_eq!(asked["stage"], "running");
    stack.drain().await;
    let seen = user.cancel(id).await.unwrap().expecting(200).body;
    assert_eq!((&seen["stage"], &seen["error_code"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!((user.balance().await.unwrap(), stack.runpod.counts().jobs_cancelled), (100, 1));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_result_that_comes_after_the_cancel_changes_nothing() {
    let stack = TestStack::builder().webhooks().start().await;
    let user = stack.user().await;
    stack.runpod.script(Fault::new(RunPodEffect::from(JobFault::GenerationTime { ms: 10_000 })));
    stack.runpod.script(Fault::new(RunPodEffect::from(JobFault::CancelIgnored)));
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    stack.drain().await;
    user.cancel(id).await.unwrap();
    stack.drain().await;
    stack.advance(Duration::from_secs(60)).await;
    for _ in 0..200 {
        if stack.runpod.counts().webhooks_delivered > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(stack.runpod.counts().webhooks_delivered, 1, "late, and answered like any other");
    stack.drain().await;
    let seen = user.status(id).await.unwrap().body;
    assert_eq!((&seen["stage"], &seen["image_urls"]), (&json!("cancelled"), &json!([])));
    assert_eq!(user.balance().await.unwrap(), 100);
    stack.reconcile().await;
}

#[tokio::test]
async fn it_is_too_late_to_cancel_what_is_delivered() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    stack.finish(&user, id).await;
    let seen = user.cancel(id).await.unwrap().expecting(200).body;
    assert_eq!(seen["status"], "completed");
    assert_eq!(user.balance().await.unwrap(), 98);
    stack.reconcile().await;
}
