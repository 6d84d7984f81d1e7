//! The pictures of a request, on their way to the provider: read, checked by their bytes, made small enough to be sent.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Map, Value};
use shared::images::{self, FetchError, InputError, InputPicture, StoreError};
use shared::retry;
use shared::runpod::RUN_BODY_BYTES_MAX;
use shared::workflow::{self, StoredPicture, Workflow};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::state::WorkerState;

/// Pictures of one request that are read and checked at once.
const PICTURES_AT_ONCE: usize = 2;
/// Times an address is asked before its picture counts as not to be had.
const FETCH_TRIES_MAX: u32 = 3;
/// Reading all pictures of a request takes at most this: the step must submit them before it is cut off.
const READING_TIME_MAX: Duration = Duration::from_secs(60);
/// What a submission holds beside its pictures: parameters or a graph, the webhook address, names.
const BESIDE_PICTURES_BYTES_MAX: usize = 256 * 1024;
/// Bytes of all pictures of a submission together; as base64 they are a third more.
const PICTURES_BYTES_MAX: usize = (RUN_BODY_BYTES_MAX - BESIDE_PICTURES_BYTES_MAX) / 4 * 3;

/// A picture that can be sent.
pub(super) struct LoadedPicture {
    /// Where it stands below `input_data`: `mask`, `input_images/2`.
    pub(super) name: String,
    /// As it is sent.
    pub(super) picture: InputPicture,
    /// Its width and height as it was given.
    pub(super) original: (u32, u32),
}

/// Why a request cannot be sent, now or ever.
#[derive(Debug)]
pub(super) enum NotLoaded {
    /// This picture will never do; `code` says why.
    Unusable { picture: String, code: &'static str },
    /// The image store does not answer at present.
    StoreUnavailable,
}

/// How wide the picture of that name is sent, as a share of how wide it was given.
pub(super) fn share_sent(pictures: &[LoadedPicture], name: &str) -> f64 {
    let found = pictures.iter().find(|loaded| loaded.name == name);
    found.map_or(1.0, |loaded| f64::from(loaded.picture.width) / f64::from(loaded.original.0.max(1)))
}

/// Reads every picture of the parameters, in their order.
pub(super) async fn load(
    state: &WorkerState,
    workflow: &Workflow,
    parameters: &Map<String, Value>,
) -> Result<Vec<LoadedPicture>, NotLoaded> {
    let until = Instant::now() + READING_TIME_MAX;
    let mut reading = futures::stream::iter(workflow::stored_pictures(workflow, parameters))
        .map(async |StoredPicture { name, place }| {
            let picture = read(state, &place, until).await.map_err(|lost| lost.of(&name))?;
            if workflow::outgrows(workflow.kind, parameters, picture.width, picture.height) {
                return Err(Lost::Unusable("input_too_large").of(&name));
            }
            Ok(LoadedPicture { name, original: (picture.width, picture.height), picture })
        })
        .buffered(PICTURES_AT_ONCE);
    let mut loaded = Vec::new();
    while let Some(read) = reading.next().await {
        loaded.push(read?);
    }
    let largest = loaded.iter().max_by_key(|loaded| loaded.picture.bytes.len());
    let largest = largest.map(|loaded| loaded.name.clone()).unwrap_or_default();
    let pictures = loaded.iter().map(|loaded| loaded.picture.clone()).collect();
    let fitting = images::fit_inputs(pictures, PICTURES_BYTES_MAX).await;
    let fitting = fitting.map_err(|error| Lost::from(&error).of(&largest))?;
    Ok(loaded.into_iter().zip(fitting).map(|(loaded, picture)| LoadedPicture { picture, ..loaded }).collect())
}

/// Why a picture is not loaded.
#[derive(Debug, Clone, Copy)]
enum Lost {
    /// It can never be used.
    Unusable(&'static str),
    /// It may be had later.
    StoreUnavailable,
}

impl Lost {
    fn of(self, picture: &str) -> NotLoaded {
        match self {
            Self::Unusable(code) => NotLoaded::Unusable { picture: picture.to_owned(), code },
            Self::StoreUnavailable => NotLoaded::StoreUnavailable,
        }
    }
}

impl From<&InputError> for Lost {
    fn from(error: &InputError) -> Self {
        Self::Unusable(match error {
            InputError::Unsupported { .. }
            | InputError::UnsupportedJpeg { .. }
            | InputError::Unknown
            | InputError::Animated => "input_unsupported",
            InputError::TooLarge { .. } => "input_too_large",
            InputError::Damaged { .. } => "input_damaged",
        })
    }
}

/// The picture at a storage path or an address.
async fn read(state: &WorkerState, place: &str, until: Instant) -> Result<InputPicture, Lost> {
    let bytes = match Url::parse(place) {
        // An address that does not answer is the customer's to mend; a store that does not is ours.
        Ok(url) => timeout_at(until, fetch(state, &url)).await.unwrap_or(Err(Lost::Unusable("input_unavailable"))),
        Err(_) => timeout_at(until, find(state, place)).await.unwrap_or(Err(Lost::StoreUnavailable)),
    }?;
    images::check_input(bytes).await.map_err(|error| Lost::from(&error))
}

async fn find(state: &WorkerState, path: &str) -> Result<Bytes, Lost> {
    state.images.get(path).await.map_err(|error| match error {
        StoreError::NotFound => Lost::Unusable("input_unavailable"),
        StoreError::TooLarge => Lost::Unusable("input_too_large"),
        StoreError::Unavailable { .. } => Lost::StoreUnavailable,
        StoreError::Misconfigured { .. } => {
            tracing::error!(%error, "the image store cannot be read until the settings are fixed");
            Lost::StoreUnavailable
        }
        StoreError::Rejected { .. } => {
            tracing::error!(%error, "the image store refuses to read a picture for good");
            Lost::Unusable("input_unavailable")
        }
    })
}

/// A customer's URL is tried a few times, not until the deadline, so that the customer learns of the failure soon.
async fn fetch(state: &WorkerState, url: &Url) -> Result<Bytes, Lost> {
    for tries in 1..=FETCH_TRIES_MAX {
        match state.inputs.fetch(url).await {
            Ok(bytes) => return Ok(bytes),
            Err(FetchError::Unavailable { .. }) if tries < FETCH_TRIES_MAX => {
                tokio::time::sleep(retry::delay(tries)).await;
            }
            Err(FetchError::TooLarge) => return Err(Lost::Unusable("input_too_large")),
            Err(FetchError::Refused | FetchError::Dead { .. } | FetchError::Unavailable { .. }) => break,
        }
    }
    Err(Lost::Unusable("input_unavailable"))
}
