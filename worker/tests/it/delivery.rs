//! A generation from accept to delivered pictures, by every road a result can be learnt.

use std::time::{Duration, Instant};

use devstack::builders::model;
use devstack::test_stack::TestStack;
use image::ImageFormat;
use serde_json::json;
use simulators::runpod::RunPodEffect;
use simulators::runpod::{ImageForm, JobFault, Spoil};
use simulators::{Fault, RunPodOptions, Time};
use tempfile::TempDir;

/// Small pictures: these tests are about their way, not their size.
fn small() -> RunPodOptions {
    RunPodOptions { time: Time::Manual, picture_size: (96, 64), ..RunPodOptions::default() }
}

fn fault(effect: JobFault) -> Fault<RunPodEffect> {
    Fault::new(RunPodEffect::from(effect))
}

#[tokio::test]
async fn a_generation_is_delivered_in_every_picture_format() {
    let stack = TestStack::builder().runpod(small()).start().await;
    let user = stack.user().await;
    for (format, expected) in [
        ("png", ImageFormat::Png),
        ("jpg", ImageFormat::Jpeg),
        ("webp", ImageFormat::WebP),
        ("avif", ImageFormat::Avif),
    ] {
        let body = model().format(format).build();
        let id = user.generate(&body).await.unwrap().expecting(202).generation_id();
        let seen = stack.finish(&user, id).await;
        assert_eq!((&seen["status"], &seen["progress"]), (&json!("completed"), &json!(100)), "{seen}");
        let links: Vec<_> = seen["image_urls"].as_array().unwrap().iter().map(|url| url.as_str().unwrap()).collect();
        assert_eq!(links.len(), 2, "{seen}");
        let mut pictures = Vec::new();
        for link in links {
            assert!(link.contains(&format!("{}/{id}/", user.id())), "{link}");
            let bytes = user.download(link).await.unwrap();
            assert_eq!(image::guess_format(&bytes).unwrap(), expected);
            pictures.push(bytes);
        }
        assert_ne!(pictures[0], pictures[1], "two outputs are two pictures");
    }
    assert_eq!(user.balance().await.unwrap(), 100 - 4 * 2);
    stack.reconcile().await;
}

#[tokio::test]
async fn pictures_kept_in_local_files_are_served_by_the_api_under_its_own_links() {
    let dir = TempDir::new().unwrap();
    let stack = TestStack::builder().runpod(small()).set("STORAGE_BACKEND", "local");
    let stack = stack.set("STORAGE_DIR", dir.path().to_str().unwrap()).start().await;
    let user = stack.user().await;
    let id = user.generate(&model().format("png").build()).await.unwrap().generation_id();
    let seen = stack.finish(&user, id).await;
    for n in 1..=2 {
        let stored = std::fs::read(dir.path().join(format!("{}/{id}/{n}.png", user.id()))).unwrap();
        let link = seen["image_urls"][n - 1].as_str().unwrap();
        assert!(link.starts_with(stack.api_url.as_str()), "{link}");
        assert_eq!(user.download(link).await.unwrap(), stored);
    }
    assert_eq!(user.balance().await.unwrap(), 98);
    stack.reconcile().await;
}

#[tokio::test]
async fn every_form_of_a_product_result_is_understood() {
    for form in [
        ImageForm::Base64,
        ImageForm::DataUri,
        ImageForm::Url,
        ImageForm::UrlObject,
        ImageForm::ComfyBase64,
        ImageForm::ComfyUrl,
    ] {
        let stack = TestStack::builder().runpod(RunPodOptions { form, ..small() }).start().await;
        let user = stack.user().await;
        let id = user.generate(&model().format("png").build()).await.unwrap().generation_id();
        let seen = stack.finish(&user, id).await;
        assert_eq!(seen["image_urls"].as_array().map(Vec::len), Some(2), "{form:?}: {seen}");
        stack.reconcile().await;
    }
}

/// Looks at a generation that only a call from outside can move, 25 ms apart: patience for a machine that is busy.
const LOOKS_MAX: usize = 2_400;

#[tokio::test]
async fn a_webhook_delivers_without_waiting_for_the_poll() {
    let stack = TestStack::builder().runpod(small()).webhooks().start().await;
    let user = stack.user().await;
    for effect in [None, Some(JobFault::WebhookBeforeAnswer), Some(JobFault::WebhookDuplicate { copies: 3 })] {
        if let Some(effect) = &effect {
            stack.runpod.script(fault(effect.clone()));
        }
        let id = user.generate(&model().format("png").build()).await.unwrap().generation_id();
        // No clock is moved: only the webhook can bring the result before the first poll is due.
        let mut status = json!("processing");
        for _ in 0..LOOKS_MAX {
            stack.drain().await;
            status = user.status(id).await.unwrap().body["status"].clone();
            if status != "processing" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert_eq!(status, "completed", "{effect:?}");
    }
    assert_eq!(user.balance().await.unwrap(), 94);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_lost_webhook_is_made_up_for_by_the_poll() {
    let stack = TestStack::builder().runpod(small()).webhooks().start().await;
    let user = stack.user().await;
    stack.runpod.script(fault(JobFault::WebhookLost));
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    stack.drain().await;
    assert_eq!(user.status(id).await.unwrap().body["stage"], "running");
    assert_eq!(stack.finish(&user, id).await["status"], "completed");
    stack.reconcile().await;
}

#[tokio::test]
async fn fewer_pictures_than_paid_for_refund_the_difference() {
    for (effect, delivered, balance) in [
        (JobFault::FewerPictures { count: 1 }, 1, 99),
        (JobFault::SpoiledPicture { how: Spoil::Text, picture: Some(0) }, 1, 99),
        (JobFault::SpoiledPicture { how: Spoil::Truncated, picture: Some(1) }, 1, 99),
        (JobFault::SpoiledPicture { how: Spoil::ManyPixels, picture: Some(1) }, 1, 99),
        (JobFault::MorePictures { count: 4 }, 2, 98),
    ] {
        let stack = TestStack::builder().runpod(small()).start().await;
        let user = stack.user().await;
        stack.runpod.script(fault(effect.clone()));
        let id = user.generate(&model().build()).await.unwrap().generation_id();
        let seen = stack.finish(&user, id).await;
        assert_eq!(seen["status"], "completed", "{effect:?}");
        assert_eq!(seen["image_urls"].as_array().map(Vec::len), Some(delivered), "{effect:?}");
        assert_eq!(user.balance().await.unwrap(), balance, "{effect:?}");
        stack.reconcile().await;
    }
}

#[tokio::test]
async fn progress_never_falls() {
    let options = RunPodOptions { generation_time: Duration::from_secs(25), ..small() };
    let stack = TestStack::builder().runpod(options).start().await;
    let user = stack.user().await;
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    let mut shown = Vec::new();
    for _ in 0..20 {
        let seen = user.status(id).await.unwrap().body;
        shown.push(seen["progress"].as_i64().unwrap());
        if seen["status"] != "processing" {
            break;
        }
        stack.drain().await;
        stack.advance(Duration::from_secs(3)).await;
    }
    assert!(shown.is_sorted(), "{shown:?}");
    assert_eq!((shown[0], shown.last()), (0, Some(&100)), "{shown:?}");
    stack.reconcile().await;
}

#[tokio::test]
async fn a_provider_job_may_boot_and_run_for_the_workflows_maximum_and_outlives_the_deadline_by_five_minutes() {
    let stack = TestStack::builder().webhooks().start().await;
    let user = stack.user().await;
    stack.runpod.script(fault(JobFault::GenerationTime { ms: 10_000 }));
    let id = user.generate(&model().build()).await.unwrap().generation_id();
    let begun = Instant::now();
    stack.drain().await;
    let jobs = stack.runpod.jobs();
    let [job] = &jobs[..] else { panic!("one job, not {jobs:?}") };
    let (maximum, deadline) = (Duration::from_secs(45), Duration::from_secs(10 * 60 + 45));
    let cold_start = Duration::from_secs(120);
    assert_eq!(Duration::from_millis(job.execution_timeout_ms), maximum + cold_start);
    let (ttl, latest) = (Duration::from_millis(job.ttl_ms), deadline + Duration::from_mins(5));
    assert!(ttl <= latest && ttl + begun.elapsed() + Duration::from_secs(5) > latest, "{ttl:?}");
    let accepted: i64 = sqlx::query_scalar("select extract(epoch from accepted_at)::bigint from gateway.run")
        .fetch_one(stack.database.pool())
        .await
        .unwrap();
    let expires = i64::try_from((deadline + Duration::from_hours(1)).as_secs()).unwrap() + accepted;
    let webhook = job.webhook.as_deref().unwrap();
    assert!((expires - 1..=expires + 1).any(|e| webhook.contains(&format!("g={id}&a=1&e={e}&s="))), "{webhook}");
    assert_eq!(stack.finish(&user, id).await["status"], "completed");
    stack.reconcile().await;
}
