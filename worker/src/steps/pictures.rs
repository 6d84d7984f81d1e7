//! The pictures of a request, on their way to the provider: read, checked by their bytes, made small enough to be sent.

use futures::StreamExt as _;
use serde_json::{Map, Value};
use shared::images::{self, FetchError, InputError, InputPicture, StoreError};
use shared::retry;
use shared::runpod::RUN_BODY_BYTES_MAX;
use shared::workflow::{self, StoredPicture, Workflow};
use url::Url;

use crate::state::WorkerState;

/// Pictures of one request that are read and checked at once.
const PICTURES_AT_ONCE: usize = 2;
/// Times an address is asked before its picture counts as not to be had.
const FETCH_TRIES_MAX: u32 = 3;
/// What a submission holds beside its pictures: parameters or a graph, the webhook address, names.
const BESIDE_PICTURES_BYTES_MAX: usize = 256 * 1024;
/// Bytes of all pictures of a submission together; as base64 they are a third more.
const PICTURES_BYTES_MAX: usize = (RUN_BODY_BYTES_MAX - BESIDE_PICTURES_BYTES_MAX) / 4 * 3;

/// A picture that can be sent.
pub(super) struct LoadedPicture {
    /// Where it stands below `input_data`: `mask`, `input_images/2`.
    pub(super) name: String,
    pub(super) picture: InputPicture,
}

/// Why a request cannot be sent, now or ever.
#[derive(Debug)]
pub(super) enum NotLoaded {
    /// This picture will never do; `code` says why.
    Unusable { picture: String, code: &'static str },
    /// The image store does not answer at present.
    StoreUnavailable,
}

/// Reads every picture of the parameters, in their order.
pub(super) async fn load(
    state: &WorkerState,
    workflow: &Workflow,
    parameters: &Map<String, Value>,
) -> Result<Vec<LoadedPicture>, NotLoaded> {
    let stored = workflow::stored_pictures(workflow, parameters);
    let mut reading = futures::stream::iter(stored)
        .map(|picture| read(state, workflow, parameters, picture))
        .buffered(PICTURES_AT_ONCE);
    let (mut names, mut pictures) = (Vec::new(), Vec::new());
    while let Some(read) = reading.next().await {
        let LoadedPicture { name, picture } = read?;
        names.push(name);
        pictures.push(picture);
    }
    let largest = names.iter().zip(&pictures).max_by_key(|(_, picture)| picture.bytes.len());
    let largest = largest.map(|(name, _)| name.clone()).unwrap_or_default();
    let fitting = images::fit_inputs(pictures, PICTURES_BYTES_MAX).await.map_err(|error| unusable(largest, &error))?;
    Ok(names.into_iter().zip(fitting).map(|(name, picture)| LoadedPicture { name, picture }).collect())
}

async fn read(
    state: &WorkerState,
    workflow: &Workflow,
    parameters: &Map<String, Value>,
    StoredPicture { name, place }: StoredPicture,
) -> Result<LoadedPicture, NotLoaded> {
    let bytes = match Url::parse(&place) {
        Ok(url) => fetch(state, &url).await.map_err(|code| NotLoaded::Unusable { picture: name.clone(), code })?,
        Err(_) => match state.images.get(&place).await {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound) => return Err(NotLoaded::Unusable { picture: name, code: "input_unavailable" }),
            Err(StoreError::Unavailable { .. }) => return Err(NotLoaded::StoreUnavailable),
            Err(error @ StoreError::Rejected { .. }) => {
                tracing::error!(%error, "the image store refuses to be read");
                return Err(NotLoaded::StoreUnavailable);
            }
        },
    };
    let picture = images::check_input(bytes).await.map_err(|error| unusable(name.clone(), &error))?;
    if workflow::outgrows(workflow.kind, parameters, picture.width, picture.height) {
        return Err(NotLoaded::Unusable { picture: name, code: "input_too_large" });
    }
    Ok(LoadedPicture { name, picture })
}

/// An address of a customer's choice is given a few chances, not the whole deadline: she is told soon.
async fn fetch(state: &WorkerState, url: &Url) -> Result<bytes::Bytes, &'static str> {
    for tries in 1..=FETCH_TRIES_MAX {
        match state.inputs.fetch(url).await {
            Ok(bytes) => return Ok(bytes),
            Err(FetchError::Unavailable { .. }) if tries < FETCH_TRIES_MAX => {
                tokio::time::sleep(retry::delay(tries)).await;
            }
            Err(FetchError::TooLarge) => return Err("input_too_large"),
            Err(FetchError::Refused | FetchError::Dead { .. } | FetchError::Unavailable { .. }) => break,
        }
    }
    Err("input_unavailable")
}

fn unusable(picture: String, error: &InputError) -> NotLoaded {
    let code = match error {
        InputError::Unsupported { .. } | InputError::Unknown | InputError::Animated => "input_unsupported",
        InputError::TooLarge { .. } => "input_too_large",
        InputError::Damaged { .. } => "input_damaged",
    };
    NotLoaded::Unusable { picture, code }
}
