//! Submissions with pictures and graphs: run twice, and stopped before, between and after their calls.

use std::time::Duration;

use devstack::builders::{RequestBuilder, request};
use devstack::picture_host::{PictureHost, Served};
use devstack::samples::Sample;
use devstack::test_stack::{TestStack, TestUser};
use image::ImageFormat;
use serde_json::Value;
use shared::generation::lease;
use shared::ids::GenerationId;
use shootx_worker::steps::{conclude, submit};
use shootx_worker::sweeper;
use simulators::{Fault, HttpFault, Operation};
use uuid::Uuid;

use crate::generations::{accepted, finished};

/// A user with a request for two outputs for one credit, which a graph makes of a picture that she uploaded.
async fn begin(stack: &TestStack) -> (TestUser, Uuid) {
    let user = stack.user().await;
    let mug = Sample::Mug.file(64, ImageFormat::Png);
    let path = stack.auth().upload(&user.signed_in, "mug.png", mug, "image/png").await.unwrap();
    let id = accepted(&user, recoloured(&path)).await;
    (user, id)
}

fn recoloured(picture: &str) -> RequestBuilder {
    request("color_change").picture("input_image", picture).outputs(2).format("png")
}

async fn ends_well(stack: &TestStack, user: &TestUser, id: Uuid) {
    let made = finished(stack, user, id).await;
    assert_eq!((made.files.len(), made.all_differ()), (2, true));
    assert_eq!(user.balance().await.unwrap(), 99);
    stack.reconcile().await;
}

/// The names that a job's graph loads and saves under.
fn names(job: &Value) -> Vec<String> {
    let nodes = job["workflow"].as_object().unwrap().values();
    let named = nodes.flat_map(|node| [&node["inputs"]["image"], &node["inputs"]["filename_prefix"]]);
    named.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_submission_with_pictures_may_be_run_twice_and_many_times_at_once() {
    let stack = TestStack::builder().graphs().start().await;
    let (user, id) = begin(&stack).await;
    let generation = GenerationId(id);
    let outcomes = futures::future::join_all((0..6).map(|_| submit::submit(&stack.worker, generation))).await;
    assert_eq!(outcomes.into_iter().filter(|outcome| *outcome.as_ref().unwrap() == "submitted").count(), 1);
    assert_eq!(submit::submit(&stack.worker, generation).await.unwrap(), "nothing_to_do");
    assert_eq!(stack.runpod.counts().jobs_made, 1);
    ends_well(&stack, &user, id).await;
}

#[tokio::test]
async fn a_worker_that_dies_while_it_reads_the_pictures_has_sent_nothing() {
    let host = PictureHost::start().await;
    let mut stack = TestStack::builder().graphs().start().await;
    stack.worker.inputs = host.fetcher();
    let user = stack.user().await;
    let url = host.serve_in_turn("a.png", [Served::Stalled, Served::File(Sample::Mug.file(64, ImageFormat::Png))]);
    let id = accepted(&user, recoloured(&url)).await;
    let leased = lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    let dying = submit::act(&stack.worker, &leased);
    tokio::select! {
        acted = dying => panic!("the picture never came, and yet: {acted:?}"),
        () = host.wait_until_asked("a.png") => {}
    }
    assert_eq!(stack.runpod.counts().jobs_made, 0);
    stack.advance(Duration::from_secs(21)).await;
    assert_eq!(sweeper::tick(&stack.worker).await.unwrap(), 1, "taken up within the lease and one sweep");
    ends_well(&stack, &user, id).await;
    assert_eq!((host.asked("a.png"), stack.runpod.counts().jobs_made), (2, 1));
}

#[tokio::test]
async fn a_worker_that_read_the_pictures_for_longer_than_its_lease_sends_nothing() {
    let host = PictureHost::start().await;
    let mut stack = TestStack::builder().graphs().start().await;
    stack.worker.inputs = host.fetcher();
    let user = stack.user().await;
    let url = host.serve("a.png", Served::File(Sample::Mug.file(64, ImageFormat::Png)));
    let id = accepted(&user, recoloured(&url)).await;
    let leased = lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    stack.advance(Duration::from_secs(21)).await;
    assert_eq!(sweeper::tick(&stack.worker).await.unwrap(), 1, "another one took the run over");
    let event = submit::act(&stack.worker, &leased).await.unwrap();
    assert_eq!((host.asked("a.png"), stack.runpod.counts().jobs_made), (1, 0));
    assert_eq!(conclude(&stack.worker, &leased, event, &[]).await.unwrap(), "lease_lost");
    ends_well(&stack, &user, id).await;
}

#[tokio::test]
async fn a_worker_that_dies_between_submitting_a_graph_and_committing_charges_once() {
    let stack = TestStack::builder().graphs().start().await;
    let (user, id) = begin(&stack).await;
    let leased = lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    submit::act(&stack.worker, &leased).await.unwrap();
    assert_eq!(stack.runpod.counts().jobs_made, 1);
    ends_well(&stack, &user, id).await;
    let jobs = stack.runpod.jobs();
    assert_eq!(jobs.len(), 2, "the second only after the wait for the first one's webhook");
    let [first, second] = [names(&jobs[0].input), names(&jobs[1].input)];
    assert!(first.iter().all(|name| !second.contains(name)), "a name came again: {first:?} {second:?}");
}

#[tokio::test]
async fn a_picture_that_is_unusable_is_told_once_though_the_step_dies_before_it_commits() {
    let host = PictureHost::start().await;
    let mut stack = TestStack::builder().graphs().start().await;
    stack.worker.inputs = host.fetcher();
    let user = stack.user().await;
    let id = accepted(&user, recoloured(&host.serve("a.png", Served::Status("404 Not Found")))).await;
    let leased = lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    let event = submit::act(&stack.worker, &leased).await.unwrap();
    assert_eq!(user.balance().await.unwrap(), 99);
    // It comes back to life after another one has told it.
    let seen = stack.finish(&user, id).await;
    assert_eq!(seen["error_code"], "input_unavailable", "{seen}");
    assert_eq!(conclude(&stack.worker, &leased, event, &[]).await.unwrap(), "lease_lost");
    assert_eq!((user.balance().await.unwrap(), stack.runpod.counts().jobs_made), (100, 0));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_graph_whose_answer_was_lost_is_made_again_only_after_the_wait() {
    let stack = TestStack::builder().graphs().start().await;
    let (user, id) = begin(&stack).await;
    stack.runpod.script(Fault::new(HttpFault::AnswerLost).on(Operation::Run));
    stack.drain().await;
    stack.advance(Duration::from_secs(59)).await;
    stack.drain().await;
    assert_eq!(stack.runpod.counts().jobs_made, 1);
    ends_well(&stack, &user, id).await;
    assert_eq!(stack.runpod.counts().jobs_made, 2);
}

#[tokio::test]
async fn a_cancel_while_pictures_are_read_costs_nothing() {
    let host = PictureHost::start().await;
    let mut stack = TestStack::builder().graphs().start().await;
    stack.worker.inputs = host.fetcher();
    let user = stack.user().await;
    let url = host.serve("a.png", Served::File(Sample::Mug.file(64, ImageFormat::Png)));
    let id = accepted(&user, recoloured(&url)).await;
    let leased = lease::for_submission(&stack.worker.pool, GenerationId(id)).await.unwrap().unwrap();
    assert_eq!(user.cancel(id).await.unwrap().status, 200);
    let event = submit::act(&stack.worker, &leased).await.unwrap();
    conclude(&stack.worker, &leased, event, &[]).await.unwrap();
    let seen = stack.finish(&user, id).await;
    assert_eq!((&seen["stage"], user.balance().await.unwrap()), (&"cancelled".into(), 100), "{seen}");
    stack.reconcile().await;
}
