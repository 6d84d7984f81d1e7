//! The one type of request body: read within bounds, checked whole.
//!
//! poem-openapi's own body type reads without a bound and stops at the first fault. This one refuses a foreign content
//! type (415), a slow or oversized body (408, 413) and what is not JSON (400), and lists every fault of the rest with its
//! JSON pointer (422). Large bodies share bounded memory: a user beyond their share gets 429, all others 503 when none is
//! left. The document gets its schema from the same trait.

use std::time::Duration;

use futures::StreamExt;
use poem::http::header;
use poem::{Body, Request, RequestBody};
use poem_openapi::payload::{ParsePayload, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;
use shared::ids::UserId;
use shared::workflow::Fault;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ApiError;
use crate::http::Seen;
use crate::limits::{Share, throttled};
use crate::state::ApiState;

/// A body must have arrived whole within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Most values one body may hold: each costs memory out of proportion to its bytes.
const VALUES_MAX: usize = 10_000;

/// Large bodies of one user that are read or worked on at once. At their largest they fill an eighth of
/// [`HELD_BYTES_MAX`].
pub(crate) const UPLOADS_MAX: usize = 2;
/// How long a further large body waits for its turn, unread.
const UPLOAD_WAIT_MAX: Duration = Duration::from_secs(10);
/// `Retry-After` for a user whose large bodies wait for each other.
const UPLOAD_RETRY: Duration = Duration::from_secs(5);

/// Larger bodies are checked on a thread of their own, and count against [`HELD_BYTES_MAX`].
const SMALL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of larger bodies that are read or worked on at once in this process. A body takes up to twice its bytes (first
/// as received and as JSON, then as JSON and as decoded values): 540 MB for all, so that with `PICTURE_MEMORY_MB` of
/// 300 the process stays below 1 GiB.
const HELD_BYTES_MAX: usize = 256 * 1024 * 1024;
static HELD: Semaphore = Semaphore::const_new(HELD_BYTES_MAX);

/// A kind of body: its schema in the document, and what it becomes once checked.
pub(crate) trait CheckedBody: Send + 'static {
    /// What an accepted body becomes.
    type Output: Send + Sync;
    /// The name of its schema.
    const NAME: &'static str;
    /// Most bytes that are read of it.
    const BYTES_MAX: usize;

    /// Registers the schemas that its own refers to, and returns its own.
    fn schema(registry: &mut Registry) -> MetaSchema;

    /// Every fault, or what the body asks for.
    fn check(body: &Value) -> Result<Self::Output, Vec<Fault>>;
}

/// A body that has passed every check of `B`.
pub(crate) struct Checked<B: CheckedBody>(pub(crate) B::Output, pub(crate) Held);

/// Room for a large body; to be dropped when what came of the body is done with.
#[derive(Default)]
pub(crate) struct Held {
    room: Option<SemaphorePermit<'static>>,
    turn: Option<Share<UserId>>,
}

impl<B: CheckedBody> Payload for Checked<B> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn check_content_type(content_type: &str) -> bool {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case(Self::CONTENT_TYPE)
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(B::NAME.to_owned())
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<B, _>(B::NAME.to_owned(), B::schema);
    }
}

impl<B: CheckedBody> ParsePayload for Checked<B> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        let (bytes, held) = read(body.take()?, claimed(request), B::BYTES_MAX, &HELD, turn(request)).await?;
        if values(&bytes) > VALUES_MAX {
            return Err(ApiError::PayloadTooLarge(format!("the body holds more than {VALUES_MAX} values")).into());
        }
        if bytes.len() <= SMALL_BYTES_MAX {
            return Ok(Self(check::<B>(bytes)?, held));
        }
        // Megabytes of base64 keep a core busy for a while, which shall not be one that serves others. The work goes on
        // if the caller goes away, and so does its claim to the room.
        let checking = tokio::task::spawn_blocking(move || (check::<B>(bytes), held));
        let (checked, held) = checking.await.map_err(ApiError::internal)?;
        Ok(Self(checked?, held))
    }
}

fn check<B: CheckedBody>(bytes: Vec<u8>) -> Result<B::Output, ApiError> {
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| not_json(&error))?;
    drop(bytes);
    B::check(&value).map_err(ApiError::InvalidRequest)
}

impl<'a, B: CheckedBody> ApiExtractor<'a> for Checked<B> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema: Self::schema_ref() }],
            required: Self::IS_REQUIRED,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        if !request.content_type().is_some_and(Self::check_content_type) {
            return Err(ApiError::UnsupportedMediaType.into());
        }
        <Self as ParsePayload>::from_request(request, body).await
    }
}

impl Held {
    /// Takes as much more room as is needed for so many bytes.
    fn grow_to(&mut self, bytes: usize, room: &'static Semaphore) -> Result<(), ApiError> {
        let so_far = self.room.as_ref().map_or(0, SemaphorePermit::num_permits);
        let more = u32::try_from(bytes.saturating_sub(so_far)).expect("bodies have megabytes, not gigabytes");
        let more = room.try_acquire_many(more).map_err(|_| ApiError::unavailable("too many large bodies at once"))?;
        match &mut self.room {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

/// The length that a request says its body has.
fn claimed(request: &Request) -> Option<usize> {
    request.header(header::CONTENT_LENGTH)?.parse().ok()
}

/// Whether a request has a body that may turn out to be large.
pub(crate) fn may_be_large(request: &Request) -> bool {
    claimed(request).is_none_or(|length| length > SMALL_BYTES_MAX)
}

/// Waits until the user may send one more large body.
async fn turn(request: &Request) -> Result<Option<Share<UserId>>, ApiError> {
    let user_id = request.data::<Seen>().and_then(Seen::user_id);
    let (Some(user_id), Some(state)) = (user_id, request.data::<ApiState>()) else { return Ok(None) };
    let turn = state.uploads.take(user_id, UPLOAD_WAIT_MAX).await;
    if turn.is_none() {
        throttled("uploads");
        return Err(ApiError::RateLimited { retry_after: UPLOAD_RETRY });
    }
    Ok(turn)
}

/// Reads a body of at most `bytes_max` bytes; a greater `claimed` length is refused before anything is read.
///
/// Memory is reserved as bytes arrive, so a large `Content-Length` alone takes nothing from others. A large body waits
/// for the user's `turn` first.
async fn read(
    body: Body,
    claimed: Option<usize>,
    bytes_max: usize,
    room: &'static Semaphore,
    turn: impl Future<Output = Result<Option<Share<UserId>>, ApiError>>,
) -> Result<(Vec<u8>, Held), ApiError> {
    let too_large = || ApiError::PayloadTooLarge(format!("the body is over {bytes_max} bytes"));
    if claimed.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let mut chunks = Box::pin(body.into_bytes_stream());
    let reading = async {
        let mut bytes = Vec::new();
        let mut held = Held::default();
        let mut turn = Some(turn);
        if claimed.is_some_and(|length| length > SMALL_BYTES_MAX)
            && let Some(turn) = turn.take()
        {
            held.turn = turn.await?;
        }
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| ApiError::Malformed("the body broke off".to_owned()))?;
            if bytes.len() + chunk.len() > bytes_max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
            if bytes.len() > SMALL_BYTES_MAX {
                if let Some(turn) = turn.take() {
                    held.turn = turn.await?;
                }
                held.grow_to(bytes.len(), room)?;
            }
        }
        Ok((bytes, held))
    };
    tokio::time::timeout(BODY_TIMEOUT, reading).await.unwrap_or(Err(ApiError::RequestTimeout(BODY_TIMEOUT)))
}

/// At least as many values as the JSON text holds: its commas and opening brackets outside strings, and one.
fn values(json: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

/// Where the text stops being JSON, without repeating any of it.
fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::Malformed(format!("the body is not valid JSON (line {}, column {})", error.line(), error.column()))
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use poem::Body;
    use tokio::sync::Semaphore;

    use shared::ids::UserId;

    use super::{SMALL_BYTES_MAX, read, values};
    use crate::error::{ApiError, Code};
    use crate::limits::Share;

    async fn no_turn() -> Result<Option<Share<UserId>>, ApiError> {
        Ok(None)
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound_and_no_further() {
        let chunked = |sizes: &'static [usize]| {
            Body::from_bytes_stream(stream::iter(sizes.iter().map(|size| Ok::<_, std::io::Error>(vec![b'x'; *size]))))
        };
        static ROOM: Semaphore = Semaphore::const_new(0);
        let (bytes, _) = read(chunked(&[4, 6]), None, 10, &ROOM, no_turn()).await.unwrap();
        assert_eq!(bytes.len(), 10, "small bodies need no room");
        for (body, claimed) in [(chunked(&[4, 7]), None), (chunked(&[1]), Some(11))] {
            let refused = read(body, claimed, 10, &ROOM, no_turn()).await.err().unwrap();
            assert_eq!(refused.code(), Code::PayloadTooLarge);
        }
    }

    #[tokio::test]
    async fn large_bodies_share_their_room_until_they_are_done_with() {
        const LARGE: usize = SMALL_BYTES_MAX * 2;
        static ROOM: Semaphore = Semaphore::const_new(LARGE * 2);
        let body = |size: usize| {
            let pieces = (0..size / 1024).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1024]));
            read(Body::from_bytes_stream(stream::iter(pieces.collect::<Vec<_>>())), Some(size), LARGE, &ROOM, no_turn())
        };
        let (one, other) = (body(LARGE).await.unwrap(), body(LARGE).await.unwrap());
        assert_eq!((one.0.len(), ROOM.available_permits()), (LARGE, 0));
        let refused = body(LARGE).await.err().unwrap();
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.retry_after().is_some());
        body(SMALL_BYTES_MAX).await.unwrap();
        drop(one);
        assert_eq!(ROOM.available_permits(), LARGE);
        body(LARGE).await.unwrap();
        drop(other);
        assert_eq!(ROOM.available_permits(), LARGE * 2, "what was refused or is done with holds nothing");
    }

    #[test]
    fn values_are_counted_outside_strings_only() {
        assert_eq!(values(br#"{"a":[1,2,{"b":"[,{\",,"}]}"#), 6);
        assert_eq!(values(b""), 1);
    }
}
