//! The pictures of a request, before it is accepted: each is checked, and put or found where the worker reads it.

use std::collections::HashSet;
use std::time::Duration;

use shared::ids::UserId;
use shared::images::{self, StoreError};
use shared::workflow::{Fault, InlinePicture, NO_SUCH_PICTURE, PictureSource, Request, RequestPicture};

use crate::error::ApiError;
use crate::state::ApiState;

/// How long the store may take to say which pictures it has, and to take one in.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);
/// What the store is asked for to learn whether it has a picture is a link; this one is thrown away.
const LOOK_LIFETIME: Duration = Duration::from_secs(60);

/// Whether the request can be accepted only after its pictures were looked at.
pub(super) fn need_a_look(request: &Request) -> bool {
    request.pictures.iter().any(|picture| match picture.source {
        PictureSource::Path(_) | PictureSource::Inline(_) => true,
        // The worker fetches it: this process asks no address that a caller chose.
        PictureSource::Url(_) => false,
    })
}

/// Refuses pictures of a type that no workflow starts from.
pub(super) fn check_types(request: &Request) -> Result<(), ApiError> {
    let foreign = request.pictures.iter().filter_map(|picture| match &picture.source {
        PictureSource::Inline(inline) if !inline.is_taken() => {
            let detail = format!("{} pictures are not taken: send PNG, JPEG or WebP", inline.format);
            Some(Fault { pointer: picture.pointer.clone(), detail })
        }
        PictureSource::Inline(_) | PictureSource::Path(_) | PictureSource::Url(_) => None,
    });
    let faults: Vec<_> = foreign.collect();
    if faults.is_empty() { Ok(()) } else { Err(ApiError::UnsupportedPicture(faults)) }
}

/// Checks that every storage path leads to something, and stores what came inside the request.
///
/// What is stored is named after what was sent, so that a repeat finds it and costs nothing. If the request is not
/// accepted after all, it lies there unused until it is cleaned up.
pub(super) async fn provide(state: &ApiState, user_id: UserId, request: &Request) -> Result<(), ApiError> {
    let missing = missing(state, user_id, request).await?;
    let absent: Vec<_> = missing
        .iter()
        .filter(|picture| matches!(picture.source, PictureSource::Path(_)))
        .map(|picture| Fault { pointer: picture.pointer.clone(), detail: NO_SUCH_PICTURE.to_owned() })
        .collect();
    if !absent.is_empty() {
        return Err(ApiError::InvalidRequest(absent));
    }
    // At most a request's few pictures; how many are decoded at once is bounded for the whole process.
    let mut stored = Vec::new();
    for picture in missing {
        if let PictureSource::Inline(inline) = &picture.source {
            stored.push(store(state, user_id, picture, inline));
        }
    }
    let faults = futures::future::try_join_all(stored).await?;
    let faults: Vec<Fault> = faults.into_iter().flatten().collect();
    if faults.is_empty() { Ok(()) } else { Err(ApiError::InvalidRequest(faults)) }
}

/// The pictures that the store does not have, each place once.
async fn missing<'a>(
    state: &ApiState,
    user_id: UserId,
    request: &'a Request,
) -> Result<Vec<&'a RequestPicture>, ApiError> {
    let mut places = HashSet::new();
    let (pictures, paths): (Vec<_>, Vec<_>) = request
        .pictures
        .iter()
        .filter_map(|picture| match &picture.source {
            PictureSource::Path(path) => Some((picture, path.clone())),
            PictureSource::Inline(inline) => Some((picture, inline.path(user_id))),
            PictureSource::Url(_) => None,
        })
        .filter(|(_, path)| places.insert(path.clone()))
        .unzip();
    let found = in_time(state.images.sign(&paths, LOOK_LIFETIME)).await?;
    Ok(pictures.into_iter().zip(found).filter_map(|(picture, link)| link.is_none().then_some(picture)).collect())
}

/// Decodes a picture to its end and stores it; or says what is wrong with it.
async fn store(
    state: &ApiState,
    user_id: UserId,
    picture: &RequestPicture,
    inline: &InlinePicture,
) -> Result<Option<Fault>, ApiError> {
    match images::check_input(inline.bytes.clone()).await {
        Ok(checked) => {
            let path = inline.path(user_id);
            in_time(state.images.put(&path, checked.bytes, checked.format.content_type())).await.map(|()| None)
        }
        Err(error) => Ok(Some(Fault { pointer: picture.pointer.clone(), detail: error.to_string() })),
    }
}

/// Whatever keeps the store from doing it, the caller may try again.
async fn in_time<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, ApiError> {
    match tokio::time::timeout(STORE_TIMEOUT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error @ StoreError::Unavailable { .. })) => Err(ApiError::unavailable(error)),
        Ok(Err(error @ (StoreError::NotFound | StoreError::Rejected { .. }))) => Err(ApiError::internal(error)),
        Err(elapsed) => Err(ApiError::unavailable(elapsed)),
    }
}
