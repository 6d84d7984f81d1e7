//! Stores what the provider made. Safe to run twice: keys are deterministic and uploads replace.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use futures::StreamExt as _;
use shared::generation::budget::{self, STATUS_PER_SECOND};
use shared::generation::lease::{self, Leased};
use shared::generation::output::{self, StoredOutput};
use shared::generation::{Event, Run};
use shared::ids::GenerationId;
use shared::images::{self, LINK_LIFETIME, Picture, StoreError};
use shared::jobs::Queue;
use shared::runpod::{NamedOutput, OutputRef, ProviderError, ProviderJobId, Report};
use shared::telemetry;
use shared::workflow::graph::output_number;
use shared::workflow::{Dialect, OutputFormat};
use tokio::sync::Semaphore;

use super::submit::retry_in;
use super::{Keeper, NOTHING_TO_DO, StepError, conclude, traced};
use crate::state::WorkerState;

/// Storing one picture takes at most this, retries and all: the step must end before it is cut off.
const PUT_TIMEOUT: Duration = Duration::from_secs(60);
/// Pictures of one generation that are fetched, checked and stored at once.
const PICTURES_AT_ONCE: usize = 4;
/// Files of outputs that this process holds at once, from the download until they are stored. Together they have at most
/// 250 MB ([`images::BYTES_MAX`] each), so that with `PICTURE_MEMORY_MB` of 700 the process stays below 1 GiB.
static FILES: Semaphore = Semaphore::const_new(5);

/// Leases the run, stores its pictures, and settles it.
///
/// # Errors
/// Only if nothing could be committed.
pub async fn collect(state: &WorkerState, generation_id: GenerationId) -> Result<&'static str, StepError> {
    let Some(leased) = lease::for_collection(&state.pool, generation_id).await? else {
        return Ok(NOTHING_TO_DO);
    };
    telemetry::count_begun(Queue::Collect, &leased.run, leased.now());
    traced("collect", &leased, async {
        let _keeper = Keeper::start(&state.pool, &leased);
        let (event, outputs) = act(state, &leased).await?;
        conclude(state, &leased, event, &outputs).await
    })
    .await
}

/// Reads the result and stores every usable picture of it that no earlier try has stored; what was stored now
/// comes back with the event, which counts both.
///
/// # Errors
/// Only if the database failed before anything was done.
pub async fn act(state: &WorkerState, leased: &Leased) -> Result<(Event, Vec<StoredOutput>), StepError> {
    let before = output::list(&state.pool, leased.run.generation_id).await?;
    let stored_before = i16::try_from(before.len()).expect("at most four outputs are asked for");
    if leased.run.kills_workers() {
        tracing::error!(generation_id = %leased.run.generation_id, "given up: every worker that collected it has died");
        return Ok((Event::Collected { delivered: stored_before, code: "result_lost" }, Vec::new()));
    }
    let pictures = match result(state, leased, stored_before).await {
        Ok(pictures) => pictures,
        Err(event) => return Ok((event, Vec::new())),
    };
    let asked = numbered(&leased.run, pictures).into_iter();
    let missing = asked.filter(|(n, _)| before.iter().all(|output| output.n != *n));
    let kept: Vec<_> = futures::stream::iter(missing)
        .map(|(n, picture)| keep(state, leased, n, picture))
        .buffered(PICTURES_AT_ONCE)
        .collect()
        .await;
    let unavailable = kept.iter().any(|one| matches!(one, Err(Lost::Unavailable)));
    let refused = kept.iter().any(|one| matches!(one, Err(Lost::Refused)));
    let mut outputs: Vec<_> = kept.into_iter().filter_map(Result::ok).collect();
    let stored = stored_before + i16::try_from(outputs.len()).expect("at most four outputs are asked for");
    if unavailable {
        return Ok((Event::CollectUnavailable { stored, retry_in: retry_in(leased.run.tries) }, outputs));
    }
    sign(state, leased, &mut outputs).await;
    let code = if refused { "store_refused" } else { "unusable_output" };
    Ok((Event::Collected { delivered: stored, code }, outputs))
}

/// The pictures that were asked for, by their place among the outputs.
///
/// A graph's come back in the order in which they were made, and without those that failed: their names say which each
/// is. Of anything else the place in the answer is the place.
fn numbered(run: &Run, pictures: Vec<NamedOutput>) -> BTreeMap<i16, OutputRef> {
    let numbers: Option<Vec<u8>> =
        pictures.iter().map(|picture| output_number(picture.file_name.as_deref()?)).collect();
    let numbers = numbers.filter(|_| run.dialect == Dialect::WorkerComfyui);
    let mut found = BTreeMap::new();
    for (index, picture) in pictures.into_iter().enumerate() {
        let place = numbers.as_ref().map_or(index + 1, |numbers| numbers[index].into());
        let place = i16::try_from(place).ok().filter(|place| *place <= run.outputs_asked);
        if let Some(place) = place {
            found.entry(place).or_insert(picture.output);
        }
    }
    found
}

/// Why a picture is not among the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    /// It can never be used.
    Unusable,
    /// The store will never accept it.
    Refused,
    /// It may be had later.
    Unavailable,
}

/// The provider's result; or what is to be said without it, when `stored` pictures are all there will be.
async fn result(state: &WorkerState, leased: &Leased, stored: i16) -> Result<Vec<NamedOutput>, Event> {
    let nothing = |code| Event::Collected { delivered: stored, code };
    let later = Event::CollectUnavailable { stored, retry_in: retry_in(leased.run.tries) };
    let id = leased.run.provider_job_id.as_deref().and_then(|id| ProviderJobId::parse(id).ok());
    let Some(id) = id else { return Err(nothing("result_lost")) };
    match budget::take_slot(&state.pool, &leased.run.endpoint, "status", STATUS_PER_SECOND).await {
        Ok(Some(wait)) => tokio::time::sleep(wait).await,
        Ok(None) | Err(_) => return Err(later),
    }
    match state.runpod.within(leased.run.trace()).status(&leased.run.endpoint, &id).await {
        Ok(Report::Completed(pictures, _)) => Ok(pictures),
        Ok(Report::Failed(failure)) => Err(nothing(failure.code.as_str())),
        Ok(Report::Waiting | Report::Running) => Err(later),
        Ok(Report::Cancelled) | Err(ProviderError::NotFound) => Err(nothing("result_lost")),
        Err(ProviderError::Rejected { .. } | ProviderError::Unavailable { .. } | ProviderError::Unknown { .. }) => {
            Err(later)
        }
    }
}

async fn keep(state: &WorkerState, leased: &Leased, n: i16, picture: OutputRef) -> Result<StoredOutput, Lost> {
    let run = &leased.run;
    let wanted: OutputFormat = run.output_format.parse().expect("accept stores only formats it knows");
    // Waits for memory to decode while holding this permit, never the reverse: so there is no deadlock.
    let _file = FILES.acquire().await.expect("the semaphore is never closed");
    let bytes = fetch(state, &picture).await?;
    let picture = images::prepare(bytes, wanted).await.map_err(|error| {
        tracing::warn!(n, %error, "a picture is unusable");
        Lost::Unusable
    })?;
    let path = run.output_path(n, picture.format.ext());
    let size_bytes = i64::try_from(picture.bytes.len()).expect("pictures are bounded to megabytes");
    let Picture { bytes, format, width, height } = picture;
    put(state, &path, bytes, format.content_type()).await?;
    Ok(StoredOutput {
        n,
        path,
        format: format.to_string(),
        width: i32::try_from(width).expect("pictures are bounded to 64 megapixels"),
        height: i32::try_from(height).expect("pictures are bounded to 64 megapixels"),
        size_bytes,
        link: None,
    })
}

/// Waits if an operator can fix the cause or the store may recover: the provider keeps the result for half an hour.
/// Gives up at once on a picture that the bucket refuses, because it would be refused again.
async fn put(state: &WorkerState, path: &str, bytes: Bytes, content_type: &str) -> Result<(), Lost> {
    match tokio::time::timeout(PUT_TIMEOUT, state.images.put(path, bytes, content_type)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(StoreError::Unavailable { .. })) | Err(_) => Err(Lost::Unavailable),
        Ok(Err(error @ StoreError::Misconfigured { .. })) => {
            tracing::error!(%error, "pictures cannot be stored until the settings are fixed");
            Err(Lost::Unavailable)
        }
        Ok(Err(error @ (StoreError::NotFound | StoreError::TooLarge | StoreError::Rejected { .. }))) => {
            tracing::error!(%error, "the image store refuses a picture for good; it is refunded");
            Err(Lost::Refused)
        }
    }
}

async fn fetch(state: &WorkerState, picture: &OutputRef) -> Result<Bytes, Lost> {
    state.runpod.output(picture).await.map_err(|error| match error {
        ProviderError::Rejected { .. } | ProviderError::NotFound => Lost::Unusable,
        ProviderError::Unavailable { .. } | ProviderError::Unknown { .. } => Lost::Unavailable,
    })
}

/// Links are a convenience: without them the outputs are delivered all the same, and a reader makes them.
async fn sign(state: &WorkerState, leased: &Leased, outputs: &mut [StoredOutput]) {
    let paths: Vec<String> = outputs.iter().map(|output| output.path.clone()).collect();
    if paths.is_empty() {
        return;
    }
    match state.images.sign(&paths, LINK_LIFETIME).await {
        Ok(links) => {
            let until = leased.now() + TimeDelta::from_std(LINK_LIFETIME).expect("a day fits");
            for (output, link) in outputs.iter_mut().zip(links) {
                output.link = link.map(|link| (link.to_string(), until));
            }
        }
        Err(error) => tracing::warn!(%error, "outputs are stored without links"),
    }
}
