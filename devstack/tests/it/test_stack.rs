//! The system inside one test.

use std::time::Duration;

use devstack::builders::model;
use devstack::test_stack::TestStack;
use simulators::RunPodFault;
use simulators::runpod::JobFault;

#[tokio::test]
async fn a_generation_is_delivered_and_paid_for() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let id = user.generate(&model().build()).await.expect("an answer").expecting(202).generation_id();
    let seen = stack.finish(&user, id).await;
    assert_eq!(seen["status"], "completed", "{seen}");
    let links = seen["image_urls"].as_array().expect("links");
    assert_eq!(links.len(), 2);
    for link in links {
        let picture = user.download(link.as_str().expect("a text")).await.expect("the link works");
        assert!(picture.starts_with(b"RIFF"), "webp is the default format");
    }
    assert_eq!(user.balance().await.expect("an answer"), 98);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_scripted_failure_is_refunded() {
    let stack = TestStack::new().await;
    stack.runpod.script(RunPodFault::new(JobFault::NoOutput).always());
    let user = stack.user().await;
    let id = user.generate(&model().build()).await.expect("an answer").expecting(202).generation_id();
    let seen = stack.finish(&user, id).await;
    assert_eq!((&seen["status"], &seen["error_code"]), (&"failed".into(), &"no_output".into()), "{seen}");
    assert_eq!(user.balance().await.expect("an answer"), 100);
    stack.reconcile().await;
}

#[tokio::test]
async fn time_passes_for_everybody_when_the_test_says_so() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let before = stack.clock.now();
    stack.advance(Duration::from_hours(2)).await;
    assert!((stack.clock.now() - before).num_minutes() >= 120, "the clock of the processes");
    let ahead: bool = sqlx::query_scalar("select gateway.now() >= now() + interval '2 hours'")
        .fetch_one(stack.database.pool())
        .await
        .expect("the database answers");
    assert!(ahead, "the clock of the database");
    let user = stack.sign_in_again(&user).await;
    assert_eq!(user.balance().await.expect("an answer"), 100);
    stack.reconcile().await;
}
