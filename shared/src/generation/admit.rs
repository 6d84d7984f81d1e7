//! SQL: letting a request in whose pictures must be looked at or stored before it can be accepted.
//!
//! Decoding and storing cost far more than accepting, so the cheap questions come first, and the limit is charged
//! here: [`super::accept()`] then does not charge it again.

use sqlx::PgPool;
use uuid::Uuid;

use super::accept::{self, AcceptError, Accepted, NewGeneration};
use super::limits::RATE_WINDOW;
use crate::credits::Credits;
use crate::ids::{GenerationId, UserId};
use crate::retention::IN_FLIGHT;
use crate::telemetry::timed;
use crate::workflow::{PathOwner, PictureSource, Request, path_owner};

/// Looks up the key, charges the limit, notes that its pictures are used, and looks at the balance and at outputs that serve as pictures.
///
/// `None`: its pictures may be worked on, and nothing is paid yet. Else the stored answer of the same request under the
/// same key.
///
/// # Errors
/// See [`AcceptError`]. A refusal for credits or pictures still counts against the limit.
pub async fn admit(pool: &PgPool, new: &NewGeneration<'_>) -> Result<Option<Accepted>, AcceptError> {
    let price = new.price;
    let (generations, paths) = outputs(new.request, new.user_id);
    let (given, inline) = places(new.request, new.user_id);
    let row = timed(
        "admit",
        sqlx::query_file!(
            "src/generation/admit.sql",
            new.user_id as UserId,
            new.key,
            new.request.project_id as Option<Uuid>,
            new.limits.step_seconds(),
            RATE_WINDOW.as_secs_f64(),
            &generations,
            &paths,
            new.limits.runs_open_max(),
            new.id as GenerationId,
            &given,
            &inline,
            IN_FLIGHT.as_seconds_f64(),
        )
        .fetch_one(pool),
    )
    .await?;
    let (balance, debt): (Credits, Credits) = (row.balance, row.debt);
    match (row.replay_fingerprint, row.replay_response) {
        (Some(stored), Some(response)) => {
            accept::replay(&stored, response, &new.request.intent_fingerprint()).map(Some)
        }
        _ if !row.user_known => Err(AcceptError::NoProfile),
        _ if !row.project_known => Err(AcceptError::ProjectNotFound),
        _ if !row.within_limit => Err(accept::refusal(pool, new).await?),
        _ if !debt.is_zero() => Err(AcceptError::DebtOpen { debt }),
        _ if balance < price => Err(AcceptError::InsufficientCredits { price, balance }),
        _ if row.leaving.iter().any(|path| inline.contains(path)) => Err(AcceptError::PictureLeaving),
        _ if !row.missing.is_empty() || !row.leaving.is_empty() => {
            let missing = [row.missing, row.leaving].concat();
            Err(AcceptError::NoSuchOutput { pointers: pointers(new.request, &missing) })
        }
        _ => Ok(None),
    }
}

/// Where the pictures of a request are, or will be, in the store: those given by their path, and those that came inside.
fn places(request: &Request, user_id: UserId) -> (Vec<String>, Vec<String>) {
    let (mut given, mut inline) = (Vec::new(), Vec::new());
    for picture in &request.pictures {
        match &picture.source {
            PictureSource::Path(path) => given.push(path.clone()),
            PictureSource::Inline(picture) => inline.push(picture.path(user_id)),
            PictureSource::Url(_) => {}
        }
    }
    (given, inline)
}

/// Where these storage paths stand in the body.
pub(super) fn pointers(request: &Request, paths: &[String]) -> Vec<String> {
    let named = |source: &PictureSource| matches!(source, PictureSource::Path(path) if paths.contains(path));
    request.pictures.iter().filter(|picture| named(&picture.source)).map(|picture| picture.pointer.clone()).collect()
}

/// The pictures that are outputs of the user's by their form: generations and paths.
pub(super) fn outputs(request: &Request, user_id: UserId) -> (Vec<Uuid>, Vec<String>) {
    let paths = request.pictures.iter().filter_map(|picture| match &picture.source {
        PictureSource::Path(path) => Some(path),
        PictureSource::Url(_) | PictureSource::Inline(_) => None,
    });
    paths
        .filter_map(|path| match path_owner(path, user_id) {
            PathOwner::Output(generation) => Some((generation, path.clone())),
            PathOwner::Upload | PathOwner::Foreign => None,
        })
        .unzip()
}
