//! What any RunPod must do: the simulator, and the service itself.

use std::time::{Duration, Instant};

use bytes::Bytes;
use shared::runpod::{ProviderError, ProviderJobId, Report, RunPod};

use super::submission;

/// How long a job may take, a cold start included.
const PATIENCE: Duration = Duration::from_mins(10);

/// The pause between two looks at a job.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where a contract is held, and with which clients.
pub(super) struct Target {
    /// With the right key.
    pub(super) runpod: RunPod,
    /// With a wrong key.
    pub(super) stranger: RunPod,
    /// An endpoint that takes a product endpoint's input.
    pub(super) endpoint: String,
}

/// Looks at a job until it has ended.
async fn ended(target: &Target, id: &ProviderJobId) -> Report {
    let begun = Instant::now();
    loop {
        let report = target.runpod.status(&target.endpoint, id).await.expect("a job that was made");
        if !matches!(report, Report::Waiting | Report::Running) {
            return report;
        }
        assert!(begun.elapsed() < PATIENCE, "the job has not ended: {report:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Runs a job and returns its pictures.
async fn pictures(target: &Target, seed: i64) -> Vec<Bytes> {
    let id = target.runpod.run(&target.endpoint, &submission(seed)).await.expect("a job");
    let Report::Completed(outputs, metadata) = ended(target, &id).await else { panic!("the job was to complete") };
    assert!(metadata.seed.is_none_or(|used| used == seed), "another seed was used: {metadata:?}");
    let mut pictures = Vec::new();
    for output in &outputs {
        pictures.push(target.runpod.output(&output.output).await.expect("an output that can be had"));
    }
    pictures
}

pub(super) async fn a_job_ends_in_as_many_pictures_as_were_asked_for(target: &Target) {
    let (first, second) = (pictures(target, 7).await, pictures(target, 8).await);
    assert_eq!((first.len(), second.len()), (2, 2));
    assert_ne!(first[0], first[1], "two pictures of one job are the same");
    assert_ne!(first[0], second[0], "the seed has no effect");
    assert!(first.iter().chain(&second).all(|picture| picture.starts_with(b"\x89PNG")), "not all are PNG files");
}

pub(super) async fn a_job_that_never_was_is_not_found(target: &Target) {
    let id = ProviderJobId::parse("00000000-0000-4000-8000-000000000000-u1").expect("an id");
    assert_eq!(target.runpod.status(&target.endpoint, &id).await, Err(ProviderError::NotFound));
}

pub(super) async fn a_cancelled_job_is_cancelled_or_was_quicker(target: &Target) {
    let id = target.runpod.run(&target.endpoint, &submission(9)).await.expect("a job");
    // What an answer to this is when the job has ended already is not documented.
    drop(target.runpod.cancel(&target.endpoint, &id).await);
    let report = ended(target, &id).await;
    assert!(matches!(report, Report::Cancelled | Report::Completed(..)), "{report:?}");
}

pub(super) async fn a_wrong_key_is_unavailable_with_an_alarm(target: &Target) {
    let error = target.stranger.run(&target.endpoint, &submission(1)).await.expect_err("a wrong key");
    assert!(matches!(error, ProviderError::Unavailable { alarm: true, .. }), "{error:?}");
}

pub(super) async fn a_wrong_endpoint_is_unavailable_with_an_alarm(target: &Target) {
    let error = target.runpod.run("no-such-endpoint", &submission(1)).await.expect_err("a wrong endpoint");
    assert!(matches!(error, ProviderError::Unavailable { alarm: true, .. }), "{error:?}");
}
