//! One object: upload, download, info, move, copy, delete.

use poem::http::{HeaderMap, StatusCode, header};
use poem::{Body, Response};
use serde::Deserialize;
use serde_json::json;

use super::access::Caller;
use super::error::StorageError;
use super::store::{Object, Store, Upload};
use super::{Answer, Asked, parse};
use crate::supabase::auth::SetHeader;

const KEY_BYTES_MAX: usize = 1_024;
/// Keys that one delete takes.
const DELETE_KEYS_MAX: usize = 1_000;

/// Letters, digits and a few signs; no unicode, no `..`.
pub(super) fn is_valid_key(key: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_/!.*'() &$=@;:+,?-".contains(letter);
    !key.is_empty()
        && key.len() <= KEY_BYTES_MAX
        && key.chars().all(allowed)
        && !key.split('/').any(|part| part == "..")
}

/// Whether an object that is there is to be replaced.
pub(super) fn is_upsert(headers: &HeaderMap) -> bool {
    headers.get("x-upsert").is_some_and(|value| value == "true")
}

/// Puts an object. `PUT` replaces; `POST` only with `x-upsert: true`.
pub(super) fn upload(
    store: &mut Store,
    asked: &Asked<'_>,
    bucket: &str,
    key: &str,
    upsert: bool,
) -> Result<Answer, StorageError> {
    let settings = store.bucket(bucket)?.clone();
    if !is_valid_key(key) {
        return Err(StorageError::invalid_key(key));
    }
    let received = asked.body;
    if !settings.takes(&received.content_type) {
        return Err(StorageError::invalid_mime_type(&received.content_type));
    }
    let size = u64::try_from(received.bytes.len()).unwrap_or(u64::MAX);
    if settings.file_size_limit.is_some_and(|limit| size > limit) {
        return Err(StorageError::too_large());
    }
    if !asked.caller.may_insert(key) || (upsert && !asked.caller.may_change()) {
        return Err(StorageError::policy());
    }
    if store.find(bucket, key).is_some() && !upsert {
        return Err(StorageError::exists("KeyAlreadyExists"));
    }
    let upload = Upload {
        owner: asked.caller.owner().map(str::to_owned),
        content_type: received.content_type.clone(),
        cache_control: received.cache_control.clone(),
        metadata: received.metadata.clone(),
        bytes: received.bytes.clone(),
    };
    let object = store.put(bucket, key, upload, asked.now)?;
    Ok(Answer::json(&json!({ "Key": format!("{bucket}/{key}"), "Id": object.id })))
}

/// The object if the caller may see it; who may not is told that there is none.
pub(super) fn visible<'a>(
    store: &'a Store,
    caller: &Caller,
    bucket: &str,
    key: &str,
) -> Result<&'a Object, StorageError> {
    let settings = store.bucket(bucket).map_err(|_| StorageError::no_such_key())?;
    let object = store.find(bucket, key).filter(|_| settings.may_be_read_by(caller, key));
    object.ok_or_else(StorageError::no_such_key)
}

/// Answers with an object's bytes: whole, a range, or 304.
pub(super) fn send(store: &Store, object: &Object, headers: &HeaderMap, head: bool) -> Result<Response, StorageError> {
    let matches = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == object.etag.as_bytes());
    if matches {
        return Ok(StatusCode::NOT_MODIFIED.into());
    }
    let bytes = store.read(object)?;
    let modified = object.updated_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let answer = Response::builder()
        .header(header::CONTENT_TYPE, object.content_type.as_str())
        .header(header::CACHE_CONTROL, object.cache_control.as_str())
        .header(header::ETAG, object.etag.as_str())
        .header(header::LAST_MODIFIED, modified)
        .header(header::ACCEPT_RANGES, "bytes")
        .header("x-robots-tag", "none");
    if head {
        return Ok(answer.header(header::CONTENT_LENGTH, bytes.len()).body(Body::empty()));
    }
    let range =
        headers.get(header::RANGE).and_then(|range| range.to_str().ok()).and_then(|range| slice(range, bytes.len()));
    let Some((from, to)) = range else { return Ok(answer.body(bytes)) };
    let shown = format!("bytes {from}-{}/{}", to - 1, bytes.len());
    Ok(answer.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, shown).body(bytes.slice(from..to)))
}

/// Reads `bytes=a-b`, `bytes=a-` or `bytes=-n` as a half-open range; none when it does not fit.
fn slice(range: &str, size: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from, to) {
        ("", last) => (size.saturating_sub(last.parse().ok()?), size),
        (from, "") => (from.parse().ok()?, size),
        (from, to) => (from.parse().ok()?, to.parse::<usize>().ok()?.saturating_add(1).min(size)),
    };
    (from < to).then_some((from, to))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transfer {
    bucket_id: String,
    source_key: String,
    destination_key: String,
    destination_bucket: Option<String>,
}

/// `move` and `copy`.
pub(super) fn transfer(store: &mut Store, asked: &Asked<'_>, keep: bool) -> Result<Answer, StorageError> {
    let Transfer { bucket_id, source_key, destination_key, destination_bucket } = parse(asked.body)?;
    let destination = destination_bucket.unwrap_or_else(|| bucket_id.clone());
    store.bucket(&destination)?;
    let source = visible(store, asked.caller, &bucket_id, &source_key)?.clone();
    if !is_valid_key(&destination_key) {
        return Err(StorageError::invalid_key(&destination_key));
    }
    if !asked.caller.may_insert(&destination_key) || (!keep && !asked.caller.may_change()) {
        return Err(StorageError::policy());
    }
    if store.find(&destination, &destination_key).is_some() {
        return Err(StorageError::exists("KeyAlreadyExists"));
    }
    let upload = Upload {
        owner: source.owner.clone(),
        content_type: source.content_type.clone(),
        cache_control: source.cache_control.clone(),
        metadata: source.metadata.clone(),
        bytes: store.read(&source)?,
    };
    let copy = store.put(&destination, &destination_key, upload, asked.now)?;
    let mut answer = copy.row();
    if keep {
        answer["Key"] = json!(format!("{destination}/{destination_key}"));
        answer["Id"] = json!(copy.id);
        return Ok(Answer::json(&answer));
    }
    store.delete(&bucket_id, &source_key);
    Ok(Answer::json(&json!({ "message": "Successfully moved" })))
}

pub(super) fn delete_one(
    store: &mut Store,
    asked: &Asked<'_>,
    bucket: &str,
    key: &str,
) -> Result<Answer, StorageError> {
    visible(store, asked.caller, bucket, key)?;
    if !asked.caller.may_change() {
        return Err(StorageError::no_such_key());
    }
    store.delete(bucket, key);
    Ok(Answer::json(&json!({ "message": "Successfully deleted" })))
}

#[derive(Deserialize)]
struct Prefixes {
    prefixes: Vec<String>,
}

/// Deletes full keys; what is missing or not the caller's is silently absent from the answer.
pub(super) fn delete_many(store: &mut Store, asked: &Asked<'_>, bucket: &str) -> Result<Answer, StorageError> {
    let Prefixes { prefixes } = parse(asked.body)?;
    if prefixes.is_empty() {
        return Err(StorageError::invalid_request("body/prefixes must NOT have fewer than 1 items"));
    }
    if prefixes.len() > DELETE_KEYS_MAX {
        return Err(StorageError::invalid_request(format!(
            "body/prefixes must NOT have more than {DELETE_KEYS_MAX} items"
        )));
    }
    let may = asked.caller.may_change();
    let deleted = prefixes.iter().filter(|_| may).filter_map(|key| store.delete(bucket, key));
    Ok(Answer::json(&deleted.map(|object| object.row()).collect()))
}

/// An object by its link: no cache header, and the end of the link.
pub(super) fn send_by_link(
    store: &Store,
    object: &Object,
    headers: &HeaderMap,
    expires: &str,
    download: Option<&str>,
) -> Result<Response, StorageError> {
    let mut answer = send(store, object, headers, false)?.set_header(header::EXPIRES, expires);
    answer.headers_mut().remove(header::CACHE_CONTROL);
    Ok(match download {
        None => answer,
        Some("") => answer.set_header(header::CONTENT_DISPOSITION, "attachment;"),
        Some(name) => {
            let value = format!("attachment; filename={name}; filename*=UTF-8''{name}");
            answer.set_header(header::CONTENT_DISPOSITION, &value)
        }
    })
}
