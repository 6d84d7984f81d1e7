//! The pictures of a request, before it is accepted: each is checked, and put or found where the worker reads it.

use std::collections::HashSet;
use std::time::Duration;

use shared::ids::UserId;
use shared::images::{self, StoreError};
use shared::workflow::{Fault, InlinePicture, NO_SUCH_PICTURE, PictureSource, Request, RequestPicture};

use crate::error::ApiError;
use crate::state::ApiState;

/// How long looking at all pictures of a request may take: the waits for the user's turn and for one to decode them, the
/// store's answers, and storing them.
const PICTURES_TIMEOUT: Duration = Duration::from_secs(30);
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
    look(state, user_id, request, Inline::Stored).await
}

/// Refuses what [`provide`] would refuse, and stores nothing.
pub(super) async fn check(state: &ApiState, user_id: UserId, request: &Request) -> Result<(), ApiError> {
    look(state, user_id, request, Inline::Checked).await
}

/// What becomes of pictures that came inside the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inline {
    Stored,
    Checked,
}

async fn look(state: &ApiState, user_id: UserId, request: &Request, inline: Inline) -> Result<(), ApiError> {
    // A user's requests take turns, so that other users wait for at most one of them.
    let in_turn = async {
        let _turn = state.picture_turns.take(user_id).await;
        find_all(state, user_id, request, inline).await
    };
    let provided = tokio::time::timeout(PICTURES_TIMEOUT, in_turn).await;
    provided.unwrap_or_else(|elapsed| Err(ApiError::unavailable(elapsed)))
}

async fn find_all(state: &ApiState, user_id: UserId, request: &Request, becomes: Inline) -> Result<(), ApiError> {
    let pictures: Vec<_> = request
        .pictures
        .iter()
        .filter_map(|picture| place(picture, user_id).map(|place| PlacedPicture { picture, place }))
        .collect();
    let mut missing = missing(state, &pictures).await?;
    let absent = |placed: &&PlacedPicture<'_>| {
        matches!(placed.picture.source, PictureSource::Path(_)) && missing.contains(&placed.place)
    };
    refuse(pictures.iter().filter(absent).map(|placed| placed.fault(NO_SUCH_PICTURE)).collect())?;
    // At most a request's few pictures; how many are decoded at once is bounded for the whole process.
    let mut taking = Vec::new();
    for placed in &pictures {
        if let PictureSource::Inline(inline) = &placed.picture.source
            && missing.remove(&placed.place)
        {
            taking.push(take(state, &placed.place, inline, becomes));
        }
    }
    let unusable: Vec<_> = futures::future::try_join_all(taking).await?.into_iter().flatten().collect();
    let fault = |placed: &PlacedPicture<'_>| {
        let unusable = unusable.iter().find(|unusable| unusable.place == placed.place)?;
        Some(placed.fault(&unusable.detail))
    };
    refuse(pictures.iter().filter_map(fault).collect())
}

/// A picture, and where it is or will be in the store.
struct PlacedPicture<'a> {
    picture: &'a RequestPicture,
    place: String,
}

impl PlacedPicture<'_> {
    fn fault(&self, detail: &str) -> Fault {
        Fault { pointer: self.picture.pointer.clone(), detail: detail.to_owned() }
    }
}

/// A picture that cannot be decoded, and why.
struct Unusable {
    place: String,
    detail: String,
}

fn place(picture: &RequestPicture, user_id: UserId) -> Option<String> {
    match &picture.source {
        PictureSource::Path(path) => Some(path.clone()),
        PictureSource::Inline(inline) => Some(inline.path(user_id)),
        PictureSource::Url(_) => None,
    }
}

fn refuse(faults: Vec<Fault>) -> Result<(), ApiError> {
    if faults.is_empty() { Ok(()) } else { Err(ApiError::InvalidRequest(faults)) }
}

/// The places where the store has nothing.
async fn missing(state: &ApiState, pictures: &[PlacedPicture<'_>]) -> Result<HashSet<String>, ApiError> {
    let places: HashSet<_> = pictures.iter().map(|placed| placed.place.clone()).collect();
    let places: Vec<_> = places.into_iter().collect();
    let found = state.images.sign(&places, LOOK_LIFETIME).await.map_err(not_stored)?;
    Ok(places.into_iter().zip(found).filter_map(|(place, link)| link.is_none().then_some(place)).collect())
}

/// Decodes a picture to its end and stores it, if it shall be; or says what is wrong with it.
async fn take(
    state: &ApiState,
    place: &str,
    inline: &InlinePicture,
    becomes: Inline,
) -> Result<Option<Unusable>, ApiError> {
    match images::check_input(inline.bytes.clone()).await {
        Ok(_) if becomes == Inline::Checked => Ok(None),
        Ok(checked) => {
            let content_type = checked.format.content_type();
            match state.images.put(place, checked.bytes, content_type).await {
                Ok(()) => Ok(None),
                Err(error @ StoreError::TooLarge) => {
                    tracing::error!(%error, "the size limit of the bucket is below that of pictures in requests");
                    Ok(Some(Unusable { place: place.to_owned(), detail: "is too large to be stored".to_owned() }))
                }
                Err(error) => Err(not_stored(error)),
            }
        }
        Err(error) => Ok(Some(Unusable { place: place.to_owned(), detail: error.to_string() })),
    }
}

/// The caller may retry: the store becomes available again, or an operator, who was alerted, fixes its settings.
fn not_stored(error: StoreError) -> ApiError {
    if !matches!(error, StoreError::Unavailable { .. }) {
        tracing::error!(%error, "the image store refuses to store a picture of a request");
    }
    ApiError::unavailable(error)
}
