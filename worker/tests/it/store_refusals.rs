//! Every way in which the image store refuses, at every place that calls it: final refusals are settled at once; faults
//! that an operator can fix, or that pass, are retried.

use std::time::Duration;

use devstack::builders::{model, request};
use devstack::samples::Sample;
use devstack::test_stack::{TestStack, TestUser};
use image::ImageFormat;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use simulators::supabase::{StorageFault, SupabaseEffect};
use simulators::{Fault, Operation};
use uuid::Uuid;

/// How long an operator takes; far less than the deadline.
const MENDED_AFTER: Duration = Duration::from_mins(2);

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// This object is refused for good.
    Final,
    /// Every object is refused, until an operator fixes the settings.
    Misconfigured,
    /// The store is busy.
    Busy,
}

const REFUSALS: [(&str, u16, Meaning); 12] = [
    ("InvalidMimeType", 415, Meaning::Final),
    ("EntityTooLarge", 413, Meaning::Final),
    ("InvalidKey", 400, Meaning::Final),
    ("InvalidRequest", 400, Meaning::Final),
    ("SomethingNew", 418, Meaning::Final),
    ("AccessDenied", 403, Meaning::Misconfigured),
    ("InvalidJWT", 400, Meaning::Misconfigured),
    ("SomethingNew", 401, Meaning::Misconfigured),
    ("NoSuchBucket", 404, Meaning::Misconfigured),
    ("SlowDown", 429, Meaning::Busy),
    ("DatabaseTimeout", 544, Meaning::Busy),
    ("SomethingNew", 503, Meaning::Busy),
];

fn refusal(code: &str, status: u16, on: Operation) -> Fault<SupabaseEffect> {
    Fault::new(SupabaseEffect::from(StorageFault::StorageError { status, code: code.to_owned() })).on(on)
}

fn alarms(recorder: &PrometheusHandle, fault: &str) -> bool {
    recorder.render().contains(&format!("shootx_misconfigurations_total{{fault=\"{fault}\"}}"))
}

async fn begun(stack: &TestStack, body: &Value) -> (TestUser, Uuid) {
    let user = stack.user().await;
    let id = user.generate(body).await.unwrap().expecting(202).generation_id();
    (user, id)
}

/// Works until nothing is due, and lets time pass in which an operator fixes the store.
async fn wait(stack: &TestStack) {
    for _ in 0..4 {
        stack.drain().await;
        stack.advance(MENDED_AFTER / 4).await;
    }
}

async fn seen(user: &TestUser, id: Uuid) -> Value {
    user.status(id).await.unwrap().expecting(200).body
}

#[tokio::test]
async fn an_output_that_the_store_refuses() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let stack = TestStack::new().await;
    let (mut denied, mut jobs) = (false, 0);
    for (code, status, meaning) in REFUSALS {
        stack.supabase.script(refusal(code, status, Operation::Upload).always());
        let (user, id) = begun(&stack, &model().build()).await;
        wait(&stack).await;
        let waiting = seen(&user, id).await;
        stack.supabase.clear_faults();
        if meaning == Meaning::Final {
            assert_eq!(waiting["error_code"], "store_refused", "{code} {status}: {waiting}");
            assert_eq!(user.balance().await.unwrap(), 100, "{code} {status}");
            assert!(alarms(&recorder.handle(), "store_refuses"), "{code} {status}");
        } else {
            assert_eq!(waiting["status"], "processing", "{code} {status}: {waiting}");
            assert_eq!(stack.finish(&user, id).await["status"], "completed", "{code} {status}");
        }
        denied |= meaning == Meaning::Misconfigured;
        assert_eq!(alarms(&recorder.handle(), "store_denies"), denied, "{code} {status}");
        jobs += 1;
        assert_eq!(stack.runpod.counts().jobs_made, jobs, "{code} {status}: no GPU works twice");
        stack.reconcile().await;
    }
}

#[tokio::test]
async fn outputs_that_are_stored_already_are_delivered_although_another_is_refused() {
    let stack = TestStack::new().await;
    stack.supabase.script(refusal("EntityTooLarge", 413, Operation::Upload));
    let (user, id) = begun(&stack, &model().outputs(2).build()).await;
    let seen = stack.finish(&user, id).await;
    assert_eq!(seen["status"], "completed", "{seen}");
    assert_eq!(seen["image_urls"].as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(seen["cost"], json!({"price": 2, "charged": 1, "refunded": 1}));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_stored_input_that_the_store_refuses_to_give() {
    let stack = TestStack::new().await;
    for (code, status, meaning) in REFUSALS {
        let user = stack.user().await;
        let picture = Sample::Mug.file(64, ImageFormat::Png);
        let path = stack.auth().upload(&user.signed_in, "a.png", picture, "image/png").await.unwrap();
        stack.supabase.script(refusal(code, status, Operation::Download).always());
        let body = request("resize").picture("input_image", path).build();
        let id = user.generate(&body).await.unwrap().expecting(202).generation_id();
        wait(&stack).await;
        let waiting = seen(&user, id).await;
        stack.supabase.clear_faults();
        if meaning == Meaning::Final {
            let expected = if status == 413 { "input_too_large" } else { "input_unavailable" };
            assert_eq!(waiting["error_code"], expected, "{code} {status}: {waiting}");
            assert_eq!(user.balance().await.unwrap(), 100, "{code} {status}");
        } else {
            assert_eq!(waiting["status"], "processing", "{code} {status}: {waiting}");
            assert_eq!(stack.finish(&user, id).await["status"], "completed", "{code} {status}");
        }
        stack.reconcile().await;
    }
}

#[tokio::test]
async fn links_that_the_store_refuses_to_sign_hold_up_no_delivery() {
    let stack = TestStack::new().await;
    for (code, status, _) in REFUSALS {
        stack.supabase.script(refusal(code, status, Operation::Sign).always());
        let (user, id) = begun(&stack, &model().build()).await;
        assert_eq!(stack.finish(&user, id).await["status"], "completed", "{code} {status}");
        stack.supabase.clear_faults();
        assert_eq!(
            seen(&user, id).await["image_urls"].as_array().unwrap().len(),
            2,
            "{code} {status}: made by a reader"
        );
        stack.reconcile().await;
    }
}
