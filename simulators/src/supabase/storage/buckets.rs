//! `/bucket`: create, read, change, empty, delete.

use poem::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Caller;
use super::error::StorageError;
use super::store::{BUCKETS_MAX, Bucket, Store};
use super::{Answer, Asked, parse};

const NAME_CHARS_MAX: usize = 100;

#[derive(Deserialize)]
struct Settings {
    id: Option<String>,
    name: Option<String>,
    public: Option<bool>,
    file_size_limit: Option<Value>,
    allowed_mime_types: Option<Vec<String>>,
}

pub(super) fn serve(store: &mut Store, asked: &Asked<'_>, path: &[&str]) -> Result<Answer, StorageError> {
    if !asked.caller.is_service() {
        // Neither buckets nor their existence are shown; making one breaks the policy.
        return match *asked.method {
            Method::POST => Err(StorageError::policy()),
            Method::GET if path.is_empty() => Ok(Answer::json(&json!([]))),
            _ => Err(StorageError::no_such_bucket()),
        };
    }
    match (asked.method, path) {
        (&Method::POST, []) => create(store, asked),
        (&Method::GET, []) => Ok(Answer::json(&store.buckets.values().map(shown).collect())),
        (&Method::GET, [id]) => Ok(Answer::json(&shown(store.bucket(id)?))),
        (&Method::PUT, [id]) => change(store, asked, id),
        (&Method::DELETE, [id]) => delete(store, id),
        (&Method::POST, [id, "empty"]) => {
            store.bucket(id)?;
            let keys: Vec<String> = store.list(id, "").map(|object| object.key.clone()).collect();
            for key in keys {
                store.delete(id, &key);
            }
            let message = "Empty bucket has been queued. Completion may take up to an hour.";
            Ok(Answer::json(&json!({ "message": message })))
        }
        _ => Ok(Answer::NoRoute),
    }
}

fn create(store: &mut Store, asked: &Asked<'_>) -> Result<Answer, StorageError> {
    let settings: Settings = parse(asked.body)?;
    let name = settings.name.clone().or_else(|| settings.id.clone());
    let name = name.ok_or_else(|| StorageError::invalid_request("body must have required property 'name'"))?;
    let id = settings.id.clone().unwrap_or_else(|| name.clone());
    if id.is_empty() || id.len() > NAME_CHARS_MAX || id.contains('/') || !super::objects::is_valid_key(&id) {
        return Err(StorageError::invalid_bucket_name());
    }
    if store.buckets.contains_key(&id) {
        return Err(StorageError::exists("BucketAlreadyExists"));
    }
    if store.buckets.len() >= BUCKETS_MAX {
        return Err(StorageError::slow_down());
    }
    let mut bucket = Bucket {
        id: id.clone(),
        public: false,
        file_size_limit: None,
        allowed_mime_types: None,
        created_at: asked.now,
    };
    bucket.apply(settings)?;
    store.buckets.insert(id.clone(), bucket);
    store.save_buckets()?;
    Ok(Answer::json(&json!({ "name": id })))
}

fn change(store: &mut Store, asked: &Asked<'_>, id: &str) -> Result<Answer, StorageError> {
    let settings: Settings = parse(asked.body)?;
    store.buckets.get_mut(id).ok_or_else(StorageError::no_such_bucket)?.apply(settings)?;
    store.save_buckets()?;
    Ok(Answer::json(&json!({ "message": "Successfully updated" })))
}

fn delete(store: &mut Store, id: &str) -> Result<Answer, StorageError> {
    store.bucket(id)?;
    if store.list(id, "").next().is_some() {
        return Err(StorageError::not_empty());
    }
    store.buckets.remove(id);
    store.save_buckets()?;
    Ok(Answer::json(&json!({ "message": "Successfully deleted" })))
}

fn shown(bucket: &Bucket) -> Value {
    json!({
        "id": bucket.id, "name": bucket.id, "owner": "", "public": bucket.public, "file_size_limit": bucket.file_size_limit,
        "allowed_mime_types": bucket.allowed_mime_types, "created_at": bucket.created_at, "updated_at": bucket.created_at,
    })
}

impl Bucket {
    fn apply(&mut self, settings: Settings) -> Result<(), StorageError> {
        self.public = settings.public.unwrap_or(self.public);
        if let Some(limit) = settings.file_size_limit {
            self.file_size_limit = bytes(&limit)?;
        }
        self.allowed_mime_types = settings.allowed_mime_types.or(self.allowed_mime_types.take());
        Ok(())
    }

    /// Whether an upload of that type is taken.
    pub(super) fn takes(&self, content_type: &str) -> bool {
        let plain = content_type.split(';').next().unwrap_or_default().trim();
        self.allowed_mime_types.as_ref().is_none_or(|allowed| {
            allowed
                .iter()
                .any(|one| one == plain || one.strip_suffix('*').is_some_and(|group| plain.starts_with(group)))
        })
    }

    /// Whether anybody may read it without a key.
    pub(super) fn may_be_read_by(&self, caller: &Caller, key: &str) -> bool {
        self.public || caller.may_see(key)
    }
}

/// Bytes, as a number or as `"20MB"`, whose units are powers of ten.
fn bytes(limit: &Value) -> Result<Option<u64>, StorageError> {
    let invalid = || StorageError::invalid_request("body/file_size_limit must be a number of bytes or like \"20MB\"");
    let Some(text) = limit.as_str() else {
        return if limit.is_null() { Ok(None) } else { limit.as_u64().map(Some).ok_or_else(invalid) };
    };
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(invalid()),
    };
    let count: u64 = digits.trim().parse().map_err(|_| invalid())?;
    count.checked_mul(unit).map(Some).ok_or_else(invalid)
}
