//! Submissions whose answer was lost: a job may exist, and nobody pays twice.

use std::time::Duration;

use devstack::builders::model;
use devstack::test_stack::TestStack;
use simulators::runpod::JobFault;
use simulators::runpod::RunPodEffect;
use simulators::{Fault, HttpFault, Operation};

fn lost() -> Fault<RunPodEffect> {
    Fault::new(RunPodEffect::from(HttpFault::AnswerLost)).on(Operation::Run)
}

#[tokio::test]
async fn the_webhook_of_a_lost_answer_brings_the_job_back() {
    let stack = TestStack::builder().webhooks().start().await;
    let user = stack.user().await;
    stack.runpod.script(lost());
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    for _ in 0..200 {
        stack.drain().await;
        if user.status(id).await.unwrap().body["status"] != "processing" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(user.status(id).await.unwrap().body["status"], "completed");
    assert_eq!(stack.runpod.counts().jobs_made, 1, "the job that was made is the job that was used");
    assert_eq!(user.balance().await.unwrap(), 98);
    stack.reconcile().await;
}

#[tokio::test]
async fn without_a_webhook_a_second_job_is_made_only_after_the_wait() {
    for effect in [HttpFault::AnswerLost, HttpFault::ServerError { status: 500 }, HttpFault::GarbageAnswer] {
        let stack = TestStack::new().await;
        let user = stack.user().await;
        stack.runpod.script(Fault::new(RunPodEffect::from(effect)).on(Operation::Run));
        let id = user.generate(&model().build()).await.unwrap().generation_id();
        stack.drain().await;
        let made = stack.runpod.counts().jobs_made;
        stack.advance(Duration::from_secs(59)).await;
        stack.drain().await;
        assert_eq!(user.status(id).await.unwrap().body["stage"], "submitting");
        assert_eq!(stack.runpod.counts().jobs_made, made, "not before the wait is over");
        stack.advance(Duration::from_secs(2)).await;
        assert_eq!(stack.finish(&user, id).await["status"], "completed");
        assert_eq!(stack.runpod.counts().jobs_made, made + 1);
        assert_eq!(user.balance().await.unwrap(), 98);
        stack.reconcile().await;
    }
}

#[tokio::test]
async fn three_lost_answers_are_a_failure_and_a_refund() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    stack.runpod.script(lost().always());
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    let seen = stack.finish(&user, id).await;
    assert_eq!((seen["status"].as_str(), user.balance().await.unwrap()), (Some("failed"), 100));
    assert_eq!(stack.runpod.counts().jobs_made, 3);
    stack.reconcile().await;
}

#[tokio::test]
async fn the_first_of_two_jobs_to_complete_wins_and_the_other_is_cancelled() {
    let stack = TestStack::builder().webhooks().start().await;
    let user = stack.user().await;
    // The first job's answer is lost, and its webhook comes after the second job was made, which never ends.
    stack.runpod.script(lost());
    stack.runpod.script(Fault::new(RunPodEffect::from(JobFault::WebhookLate { ms: 90_000 })));
    stack.runpod.script(Fault::new(RunPodEffect::from(JobFault::NeverFinishes)).skip(1));
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    stack.drain().await;
    stack.advance(Duration::from_secs(61)).await;
    stack.drain().await;
    assert_eq!(user.status(id).await.unwrap().body["stage"], "running");
    stack.advance(Duration::from_secs(40)).await;
    let seen = stack.finish(&user, id).await;
    assert_eq!(seen["status"], "completed", "{seen}");
    let counts = stack.runpod.counts();
    assert_eq!((counts.jobs_made, counts.jobs_cancelled), (2, 1));
    assert_eq!(user.balance().await.unwrap(), 98);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_failed_job_that_was_found_again_is_not_taken_up_a_second_time() {
    let stack = TestStack::builder().webhooks().start().await;
    let user = stack.user().await;
    let gpu_error =
        || JobFault::ProductError { code: "GPU_ERROR".to_owned(), form: simulators::runpod::ErrorForm::Completed };
    let fault = |effect: JobFault| Fault::new(RunPodEffect::from(effect));
    // The first answer is lost and its job fails, which is heard of late; the second fails later still.
    stack.runpod.script(lost());
    stack.runpod.script(fault(JobFault::WebhookLate { ms: 90_000 }));
    stack.runpod.script(fault(gpu_error()).times(2));
    stack.runpod.script(fault(JobFault::GenerationTime { ms: 60_000 }).skip(1));
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    let seen = stack.finish(&user, id).await;
    assert_eq!(seen["status"], "completed", "{seen}");
    assert_eq!((stack.runpod.counts().jobs_made, user.balance().await.unwrap()), (3, 98));
    stack.reconcile().await;
}
