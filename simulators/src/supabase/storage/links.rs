//! Signed links: for reading, one or many, and for uploading.

use poem::Response;
use poem::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::Caller;
use super::error::StorageError;
use super::store::Store;
use super::{Answer, Asked, objects, parse};
use crate::supabase::Project;

/// Paths that one request signs.
const PATHS_MAX: usize = 1_000;
/// Life of an upload link, seconds.
const UPLOAD_LINK_SECONDS: i64 = 60;

#[derive(Deserialize)]
struct Sign {
    #[serde(rename = "expiresIn")]
    expires_in: Option<Value>,
    paths: Option<Vec<String>>,
}

impl Sign {
    /// Seconds; a number in a string is one too.
    fn seconds(&self) -> Result<i64, StorageError> {
        let given = self.expires_in.as_ref();
        let given =
            given.ok_or_else(|| StorageError::invalid_request("body must have required property 'expiresIn'"))?;
        let seconds = given.as_i64().or_else(|| given.as_str()?.parse().ok());
        let seconds = seconds.ok_or_else(|| StorageError::invalid_request("body/expiresIn must be integer"))?;
        if seconds < 1 {
            return Err(StorageError::invalid_request("body/expiresIn must be >= 1"));
        }
        Ok(seconds)
    }
}

/// A relative link, not percent-encoded.
fn link(project: &Project, bucket: &str, key: &str, seconds: i64) -> String {
    let now = project.clock.unix();
    let claims = json!({"url": format!("{bucket}/{key}"), "scope": "download", "iat": now, "exp": now + seconds});
    format!("/object/sign/{bucket}/{key}?token={}", project.keys.sign_with_secret(&claims))
}

pub(super) fn sign_one(
    project: &Project,
    store: &Store,
    asked: &Asked<'_>,
    bucket: &str,
    key: &str,
) -> Result<Answer, StorageError> {
    let seconds = parse::<Sign>(asked.body)?.seconds()?;
    objects::visible(store, asked.caller, bucket, key)?;
    Ok(Answer::json(&json!({ "signedURL": link(project, bucket, key, seconds) })))
}

pub(super) fn sign_many(
    project: &Project,
    store: &Store,
    asked: &Asked<'_>,
    bucket: &str,
) -> Result<Answer, StorageError> {
    let sign: Sign = parse(asked.body)?;
    let seconds = sign.seconds()?;
    let paths = sign.paths.unwrap_or_default();
    if paths.is_empty() {
        return Err(StorageError::invalid_request("body/paths must NOT have fewer than 1 items"));
    }
    if paths.len() > PATHS_MAX {
        return Err(StorageError::invalid_request(format!("body/paths must NOT have more than {PATHS_MAX} items")));
    }
    let one = |path: &String| match objects::visible(store, asked.caller, bucket, path) {
        Ok(_) => json!({"error": null, "path": path, "signedURL": link(project, bucket, path, seconds)}),
        Err(_) => {
            let error = "Either the object does not exist or you do not have access to it";
            json!({"error": error, "path": path, "signedURL": null})
        }
    };
    Ok(Answer::json(&paths.iter().map(one).collect()))
}

/// The query of a link.
#[derive(Default, Deserialize)]
pub(super) struct LinkQuery {
    pub(super) token: Option<String>,
    pub(super) download: Option<String>,
}

/// Checks that a token is one of ours, alive, and of this object; its claims.
fn check(project: &Project, query: &LinkQuery, bucket: &str, key: &str) -> Result<Value, StorageError> {
    let token = query.token.as_deref();
    let token =
        token.ok_or_else(|| StorageError::invalid_request("querystring must have required property 'token'"))?;
    let claims = project.keys.verify(token, project.clock.unix()).map_err(StorageError::bad_link)?;
    if claims["url"] != format!("{bucket}/{key}") {
        return Err(StorageError::wrong_link());
    }
    Ok(claims)
}

/// Reads by link. It names a path, not a version, and nobody's rights are looked at again.
pub(super) fn read(
    project: &Project,
    store: &Store,
    headers: &HeaderMap,
    query: &LinkQuery,
    (bucket, key): (&str, &str),
) -> Result<Response, StorageError> {
    let expires = check(project, query, bucket, key)?["exp"].as_i64().unwrap_or_default();
    let object = objects::visible(store, &Caller::Service, bucket, key)?;
    let expires = chrono::DateTime::from_timestamp(expires, 0).unwrap_or_default();
    let expires = expires.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    objects::send_by_link(store, object, headers, &expires, query.download.as_deref())
}

pub(super) fn sign_upload(
    project: &Project,
    store: &Store,
    asked: &Asked<'_>,
    bucket: &str,
    key: &str,
) -> Result<Answer, StorageError> {
    store.bucket(bucket)?;
    let upsert = objects::is_upsert(asked.headers);
    if !asked.caller.may_insert(key) || (upsert && !asked.caller.may_change()) {
        return Err(StorageError::policy());
    }
    let now = project.clock.unix();
    let claims = json!({
        "url": format!("{bucket}/{key}"), "owner": asked.caller.owner(), "upsert": upsert, "iat": now,
        "exp": now + UPLOAD_LINK_SECONDS,
    });
    let token = project.keys.sign_with_secret(&claims);
    Ok(Answer::json(&json!({"url": format!("/object/upload/sign/{bucket}/{key}?token={token}"), "token": token})))
}

/// Uploads by link: once, as nothing is replaced unless the link was signed for that.
pub(super) fn upload(
    project: &Project,
    store: &mut Store,
    asked: &Asked<'_>,
    query: &LinkQuery,
    (bucket, key): (&str, &str),
) -> Result<Answer, StorageError> {
    let claims = check(project, query, bucket, key)?;
    let asked = Asked { caller: &Caller::Service, ..*asked };
    objects::upload(store, &asked, bucket, key, claims["upsert"] == true)?;
    Ok(Answer::json(&json!({ "Key": format!("{bucket}/{key}") })))
}
