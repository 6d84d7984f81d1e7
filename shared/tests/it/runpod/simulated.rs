//! The contract held against the simulator, one test a part.

use simulators::RunPodHandle;

use super::contract::{self, Target};
use super::{ENDPOINT, client, simulator};

/// A simulator, which serves as long as its handle lives, and its clients.
fn target() -> (RunPodHandle, Target) {
    let simulator = simulator();
    let runpod = client(&simulator, simulator.api_key());
    let stranger = client(&simulator, "rpa_wrong");
    (simulator, Target { runpod, stranger, endpoint: ENDPOINT.to_owned() })
}

#[tokio::test]
async fn a_job_ends_in_as_many_pictures_as_were_asked_for() {
    let (_simulator, target) = target();
    contract::a_job_ends_in_as_many_pictures_as_were_asked_for(&target).await;
}

#[tokio::test]
async fn a_job_that_never_was_is_not_found() {
    let (_simulator, target) = target();
    contract::a_job_that_never_was_is_not_found(&target).await;
}

#[tokio::test]
async fn a_cancelled_job_is_cancelled_or_was_quicker() {
    let (_simulator, target) = target();
    contract::a_cancelled_job_is_cancelled_or_was_quicker(&target).await;
}

#[tokio::test]
async fn a_wrong_key_is_unavailable_with_an_alarm() {
    let (_simulator, target) = target();
    contract::a_wrong_key_is_unavailable_with_an_alarm(&target).await;
}

#[tokio::test]
async fn a_wrong_endpoint_is_unavailable_with_an_alarm() {
    let (_simulator, target) = target();
    contract::a_wrong_endpoint_is_unavailable_with_an_alarm(&target).await;
}
