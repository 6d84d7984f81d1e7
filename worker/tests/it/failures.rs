//! What the provider may answer, row by row of the retry table: what is tried again, and what is refunded.

use std::time::Duration;

use devstack::attack::{self, Target};
use devstack::builders::{model, request};
use devstack::test_stack::{TestStack, TestUser};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use simulators::runpod::RunPodEffect;
use simulators::runpod::{ErrorForm, JobFault, Spoil};
use simulators::supabase::SupabaseEffect;
use simulators::{Fault, HttpFault, Operation};
use uuid::Uuid;

fn job(effect: JobFault) -> Fault<RunPodEffect> {
    Fault::new(RunPodEffect::from(effect))
}

fn http(effect: HttpFault, on: Operation) -> Fault<RunPodEffect> {
    Fault::new(RunPodEffect::from(effect)).on(on)
}

fn product_error(code: &str) -> JobFault {
    JobFault::ProductError { code: code.to_owned(), form: ErrorForm::Completed }
}

async fn begin(stack: &TestStack) -> (TestUser, Uuid) {
    let user = stack.user().await;
    let id = user.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    (user, id)
}

/// Runs one generation under a fault that strikes every provider job.
async fn always(effect: JobFault) -> (Value, u64) {
    let stack = TestStack::new().await;
    stack.runpod.script(job(effect).always());
    let (user, id) = begin(&stack).await;
    let seen = stack.finish(&user, id).await;
    assert_eq!(user.balance().await.unwrap(), 100, "a failure costs nothing: {seen}");
    stack.reconcile().await;
    (seen, stack.runpod.counts().jobs_made)
}

#[tokio::test]
async fn final_failures_are_refunded_after_one_job() {
    for (effect, code) in [
        (product_error("INVALID_INPUT"), "invalid_input"),
        (product_error("INSUFFICIENT_RESOLUTION"), "insufficient_resolution"),
        (JobFault::WorkflowInvalid, "provider_error"),
        (JobFault::OldErrorInOutput, "provider_error"),
        (JobFault::CancelledByOther, "cancelled_by_provider"),
        (JobFault::SpoiledPicture { how: Spoil::Svg, picture: None }, "unusable_output"),
    ] {
        let (seen, jobs) = always(effect.clone()).await;
        let met = format!("{} {}", seen["status"].as_str().unwrap(), seen["error_code"].as_str().unwrap());
        attack::is_met(Target::Content, format!("the provider answers {effect:?}"), format!("failed {code}"), met);
        assert_eq!(jobs, 1, "{effect:?}");
        let text = seen["error"].as_str().unwrap();
        assert!(text.contains("refunded"), "{text}");
    }
}

#[tokio::test]
async fn retryable_failures_use_every_attempt_and_are_then_refunded() {
    for (effect, code, jobs_made) in [
        (product_error("GPU_ERROR"), "gpu_error", 3),
        (JobFault::JobTimedOut, "worker_lost", 3),
        (JobFault::WorkerGone, "worker_lost", 3),
        (product_error("TIMEOUT"), "timeout", 2),
        (JobFault::ExecutionTimeoutExceeded, "timeout", 2),
        (JobFault::TimedOut, "timeout", 2),
        (JobFault::NoOutput, "no_output", 2),
        (JobFault::SuccessNoImages, "no_output", 2),
        (JobFault::SpoiledPicture { how: Spoil::BadBase64, picture: None }, "no_output", 2),
        (JobFault::SpoiledPicture { how: Spoil::Empty, picture: None }, "no_output", 2),
        (JobFault::FewerPictures { count: 0 }, "no_output", 2),
    ] {
        let (seen, jobs) = always(effect.clone()).await;
        assert_eq!((&seen["status"], &seen["error_code"]), (&json!("failed"), &json!(code)), "{effect:?}");
        assert_eq!(jobs, jobs_made, "{effect:?}");
    }
}

#[tokio::test]
async fn a_retryable_failure_that_passes_is_not_seen_by_the_user() {
    for effect in [product_error("GPU_ERROR"), product_error("TIMEOUT"), JobFault::JobTimedOut, JobFault::NoOutput] {
        let stack = TestStack::new().await;
        stack.runpod.script(job(effect));
        let (user, id) = begin(&stack).await;
        assert_eq!(stack.finish(&user, id).await["status"], "completed");
        assert_eq!(stack.runpod.counts().jobs_made, 2);
        assert_eq!(user.balance().await.unwrap(), 98);
        stack.reconcile().await;
    }
}

#[tokio::test]
async fn a_bucket_that_an_endpoint_cannot_use_is_refunded_at_once_and_alarmed_by_name() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let cause = "Error uploading 1.png to S3: An error occurred (NoSuchBucket) when calling the PutObject operation";
    let output = Some(json!({"details": [cause]}));
    let (seen, jobs) = always(JobFault::Fails { error: json!("Job processing failed"), output }).await;
    assert_eq!((&seen["error_code"], jobs), (&json!("provider_misconfigured"), 1), "{seen}");
    assert!(!seen.to_string().contains("Bucket"), "{seen}");
    let page = recorder.handle().render();
    assert!(page.contains("shootx_misconfigurations_total{fault=\"provider_bucket\"} 1\n"), "{page}");
}

/// RunPod's executionTimeout counts from when a worker takes the job, and a cold worker boots inside of it.
#[tokio::test]
async fn a_cold_start_costs_nobody_the_generation() {
    for (allowance, boot_s, made, status) in
        [("120", 40, 1, "completed"), ("120", 110, 1, "completed"), ("120", 200, 2, "failed"), ("0", 40, 2, "failed")]
    {
        let stack = TestStack::builder().set("COLD_START_SECONDS", allowance).graphs().start().await;
        stack.runpod.script(job(JobFault::ColdStart { ms: boot_s * 1000 }).always());
        stack.runpod.script(job(JobFault::GenerationTime { ms: 3_000 }).always());
        let user = stack.user().await;
        let id = user.generate(&request("resize").build()).await.unwrap().expecting(202).generation_id();
        let seen = stack.finish(&user, id).await;
        assert_eq!(seen["status"], status, "{allowance} {boot_s}: {seen}");
        assert_eq!(stack.runpod.counts().jobs_made, made, "{allowance} {boot_s}");
        if status == "failed" {
            let said = seen["error"].as_str().unwrap();
            assert!(!said.contains("fewer") && said.contains("try again"), "one output cannot be fewer: {said}");
        }
        stack.reconcile().await;
    }
}

#[tokio::test]
async fn a_text_of_the_provider_never_reaches_the_user() {
    for effect in [JobFault::UncaughtException, JobFault::WorkflowFailed, JobFault::OldErrorInOutput] {
        let (seen, _) = always(effect.clone()).await;
        let shown = seen.to_string().to_lowercase();
        for hidden in ["traceback", "hostname", "/comfyui", "node", ".py", "worker_id"] {
            let seen = if shown.contains(hidden) { &shown } else { "not shown" };
            attack::is_met(
                Target::Content,
                format!("{effect:?} of the provider, searched for {hidden}"),
                "not shown",
                seen,
            );
        }
    }
}

#[tokio::test]
async fn a_pressed_or_unreachable_provider_is_waited_for() {
    for effect in [HttpFault::TooManyRequests { retry_after_s: None }, HttpFault::Unauthorized, HttpFault::NotFound] {
        let stack = TestStack::new().await;
        stack.runpod.script(http(effect.clone(), Operation::Run).times(4));
        let (user, id) = begin(&stack).await;
        assert_eq!(stack.finish(&user, id).await["status"], "completed", "{effect:?}");
        assert_eq!(stack.runpod.counts().jobs_made, 1, "{effect:?}");
        assert_eq!(user.balance().await.unwrap(), 98);
        stack.reconcile().await;
    }
}

#[tokio::test]
async fn status_calls_that_fail_are_repeated() {
    let stack = TestStack::new().await;
    for effect in [
        HttpFault::TooManyRequests { retry_after_s: Some(3) },
        HttpFault::ServerError { status: 502 },
        HttpFault::AnswerLost,
        HttpFault::GarbageAnswer,
    ] {
        stack.runpod.script(http(effect, Operation::Status));
    }
    let (user, id) = begin(&stack).await;
    assert_eq!(stack.finish(&user, id).await["status"], "completed");
    assert_eq!(stack.runpod.counts().jobs_made, 1);
    stack.reconcile().await;
}

#[tokio::test]
async fn an_unreachable_provider_is_retried_and_refunded_at_the_deadline() {
    let stack = TestStack::new().await;
    stack.runpod.go_offline().await;
    let (user, id) = begin(&stack).await;
    stack.drain().await;
    stack.advance(Duration::from_secs(300)).await;
    stack.drain().await;
    let half_way = user.status(id).await.unwrap().body;
    assert_eq!((&half_way["status"], &half_way["stage"]), (&json!("processing"), &json!("queued")));
    let seen = stack.finish(&user, id).await;
    assert_eq!(seen["status"], "failed");
    assert_eq!(user.balance().await.unwrap(), 100);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_wrong_key_is_no_mass_refund_within_minutes() {
    let stack = TestStack::new().await;
    stack.runpod.script(http(HttpFault::NotFound, Operation::Run).always());
    let (user, id) = begin(&stack).await;
    for _ in 0..20 {
        stack.drain().await;
        stack.advance(Duration::from_secs(30)).await;
    }
    assert_eq!(user.status(id).await.unwrap().body["status"], "processing", "ten minutes of alarm");
    stack.runpod.clear_faults();
    let seen = stack.finish(&user, id).await;
    assert_eq!(seen["status"], "completed");
    stack.reconcile().await;
}

#[tokio::test]
async fn an_expired_result_is_lost_only_after_two_looks() {
    let stack = TestStack::new().await;
    stack.runpod.script(job(JobFault::ResultExpired));
    let (user, id) = begin(&stack).await;
    stack.drain().await;
    stack.advance(Duration::from_secs(11)).await;
    stack.drain().await;
    assert_eq!(user.status(id).await.unwrap().body["stage"], "running", "one look is not enough");
    let seen = stack.finish(&user, id).await;
    assert_eq!((&seen["status"], &seen["error_code"]), (&json!("failed"), &json!("result_lost")));
    assert_eq!(user.balance().await.unwrap(), 100);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_job_that_never_ends_is_cancelled_and_refunded_at_the_deadline() {
    for effect in [JobFault::NeverStarts, JobFault::NeverFinishes] {
        let stack = TestStack::new().await;
        stack.runpod.script(job(effect));
        let (user, id) = begin(&stack).await;
        let seen = stack.finish(&user, id).await;
        assert_eq!((&seen["status"], &seen["error_code"]), (&json!("failed"), &json!("deadline")));
        assert_eq!(user.balance().await.unwrap(), 100);
        assert_eq!(stack.runpod.counts().jobs_cancelled, 1);
        stack.reconcile().await;
    }
}

#[tokio::test]
async fn a_store_that_is_down_delays_the_delivery_but_loses_nothing() {
    let stack = TestStack::new().await;
    let down = SupabaseEffect::from(HttpFault::ServerError { status: 503 });
    stack.supabase.script(Fault::new(down).on(Operation::Upload).always());
    let (user, id) = begin(&stack).await;
    for _ in 0..6 {
        stack.drain().await;
        stack.advance(Duration::from_secs(10)).await;
    }
    assert_eq!(user.status(id).await.unwrap().body["stage"], "collecting");
    stack.supabase.clear_faults();
    assert_eq!(stack.finish(&user, id).await["status"], "completed");
    assert_eq!((user.balance().await.unwrap(), stack.runpod.counts().jobs_made), (98, 1));
    stack.reconcile().await;
}

#[tokio::test]
async fn what_is_stored_is_delivered_even_if_the_rest_of_the_result_is_lost() {
    let stack = TestStack::new().await;
    let down = SupabaseEffect::from(HttpFault::ServerError { status: 503 });
    stack.supabase.script(Fault::new(down).on(Operation::Upload).subject_contains("/2.").always());
    let (user, id) = begin(&stack).await;
    stack.drain().await;
    stack.advance(Duration::from_secs(15)).await;
    stack.drain().await;
    assert_eq!(user.status(id).await.unwrap().body["stage"], "collecting");
    stack.runpod.script(http(HttpFault::NotFound, Operation::Status).always());
    let seen = stack.finish(&user, id).await;
    assert_eq!(seen["status"], "completed", "{seen}");
    let links = seen["image_urls"].as_array().unwrap();
    assert_eq!((links.len(), user.balance().await.unwrap()), (1, 99));
    assert!(!user.download(links[0].as_str().unwrap()).await.unwrap().is_empty());
    stack.reconcile().await;
}
