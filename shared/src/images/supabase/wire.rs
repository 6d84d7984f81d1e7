//! What Supabase Storage says in JSON, and what we make of it.
//!
//! Nearly every error arrives as HTTP 400; the meaning is in the body: `code`, else `statusCode` (a string, or a
//! number on unknown routes), else, when the body is no help, the HTTP status.

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::metered::Outcome;
use super::super::{Listed, Listing, StoreError};

#[derive(Serialize)]
pub(super) struct NewBucket<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) public: bool,
    pub(super) file_size_limit: usize,
}

#[derive(Serialize)]
pub(super) struct BucketSettings {
    pub(super) public: bool,
}

#[derive(Serialize)]
pub(super) struct DeleteMany<'a> {
    pub(super) prefixes: &'a [String],
}

#[derive(Serialize)]
pub(super) struct SignMany<'a> {
    #[serde(rename = "expiresIn")]
    pub(super) expires_in: u64,
    pub(super) paths: &'a [String],
}

/// One item of the answer to [`SignMany`].
#[derive(Deserialize)]
pub(super) struct Signed {
    pub(super) path: String,
    /// Relative, and not percent-encoded; absent for an object that does not exist.
    #[serde(rename = "signedURL")]
    pub(super) signed_url: Option<String>,
}

impl Signed {
    /// The token of the link. A path may itself hold `?`, so the last `?token=` counts.
    pub(super) fn token(&self) -> Option<&str> {
        self.signed_url.as_deref()?.rsplit_once("?token=").map(|(_, token)| token)
    }
}

#[derive(Serialize)]
pub(super) struct ListMany<'a> {
    pub(super) prefix: &'a str,
    pub(super) limit: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<&'a str>,
    pub(super) with_delimiter: bool,
}

/// The answer to [`ListMany`].
#[derive(Deserialize)]
pub(super) struct ListedPage {
    #[serde(rename = "hasNext")]
    has_next: bool,
    #[serde(rename = "nextCursor")]
    next_cursor: Option<String>,
    objects: Vec<ListedObject>,
}

#[derive(Deserialize)]
struct ListedObject {
    /// The whole path.
    name: String,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    metadata: Option<ListedMetadata>,
}

#[derive(Deserialize)]
struct ListedMetadata {
    size: Option<i64>,
}

impl ListedPage {
    /// The page, if it holds nothing but what was asked for: what is listed may be deleted.
    pub(super) fn below(self, prefix: &str) -> Result<Listing, StoreError> {
        if self.has_next && self.next_cursor.is_none() {
            return Err(StoreError::rejected("a page that is not the last, and names no next one"));
        }
        let mut objects = Vec::with_capacity(self.objects.len());
        for object in self.objects {
            if !object.name.starts_with(prefix) {
                return Err(StoreError::rejected("a page of objects that were not asked for"));
            }
            // An object without a time is taken for new: nothing is removed that may be.
            let written_at = object.updated_at.max(object.created_at).unwrap_or(DateTime::<Utc>::MAX_UTC);
            let size_bytes = object.metadata.and_then(|metadata| metadata.size).unwrap_or(0);
            objects.push(Listed { path: object.name, size_bytes, written_at });
        }
        Ok(Listing { objects, next: self.next_cursor.filter(|_| self.has_next) })
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    code: Option<String>,
    #[serde(rename = "statusCode")]
    status_code: Option<Number>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Plain(u16),
}

/// Why one call failed; a [`StoreError`] once nobody needs to tell [`Failure::Exists`] apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No such object, or none that our key may see.
    Missing,
    /// The bucket or object is there already.
    Exists,
    /// The answer is longer than is read.
    TooLong,
    /// The bucket takes no object of this size.
    TooLarge,
    /// Our key is refused, or there is no such bucket.
    Denied(String),
    /// Asking again may help.
    Busy(String),
    /// Asking again gives the same answer.
    Final(String),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Missing => Self::NotFound,
            Failure::Exists => Self::rejected("already exists"),
            Failure::TooLong | Failure::TooLarge => Self::TooLarge,
            Failure::Denied(reason) => Self::misconfigured(reason),
            Failure::Busy(reason) => Self::unavailable(reason),
            Failure::Final(reason) => Self::rejected(reason),
        }
    }
}

impl Outcome for Failure {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Missing => "not_found",
            Self::Exists => "exists",
            Self::TooLong | Self::TooLarge => "too_large",
            Self::Denied(_) => "misconfigured",
            Self::Busy(_) => "unavailable",
            Self::Final(_) => "rejected",
        }
    }
}

/// Reads an answer that is not a success.
pub(super) fn failure(status: StatusCode, body: &[u8]) -> Failure {
    let error: Option<ErrorBody> = serde_json::from_slice(body).ok();
    let code = error.as_ref().and_then(|error| error.code.as_deref());
    if let Some(failure) = code.and_then(by_code) {
        return failure;
    }
    let inner = error.as_ref().and_then(|error| match error.status_code.as_ref()? {
        Number::Text(text) => text.parse().ok(),
        Number::Plain(number) => Some(*number),
    });
    let reason = match code.filter(|code| is_plain(code)) {
        Some(code) => format!("{code} (HTTP {})", status.as_u16()),
        None => format!("HTTP {}", inner.unwrap_or(status.as_u16())),
    };
    by_status(inner.unwrap_or(status.as_u16()), reason)
}

fn by_code(code: &str) -> Option<Failure> {
    Some(match code {
        "NoSuchKey" => Failure::Missing,
        "KeyAlreadyExists" | "BucketAlreadyExists" | "ResourceAlreadyExists" => Failure::Exists,
        "SlowDown" | "DatabaseTimeout" | "LockTimeout" | "ResourceLocked" | "InternalError" | "DatabaseError" => {
            Failure::Busy(code.to_owned())
        }
        "EntityTooLarge" => Failure::TooLarge,
        "AccessDenied" | "NoSuchBucket" | "InvalidBucketName" | "InvalidJWT" | "InvalidSignature" => {
            Failure::Denied(code.to_owned())
        }
        "InvalidMimeType" | "InvalidKey" | "InvalidRequest" | "InvalidUploadSignature" => {
            Failure::Final(code.to_owned())
        }
        _ => return None,
    })
}

/// An unknown route (404 without a known code) is a wrong URL, not a missing object.
fn by_status(status: u16, reason: String) -> Failure {
    match status {
        401 | 403 | 404 => Failure::Denied(reason),
        409 => Failure::Exists,
        413 => Failure::TooLarge,
        408 | 423 | 429 | 500.. => Failure::Busy(reason),
        _ => Failure::Final(reason),
    }
}

/// Codes go into logs: only what looks like one may.
fn is_plain(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Failure {
        failure(StatusCode::from_u16(status).expect("a status"), body.as_bytes())
    }

    #[test]
    fn the_code_decides_before_any_status() {
        let missing = r#"{"statusCode":"404","error":"not_found","message":"Object not found","code":"NoSuchKey"}"#;
        assert_eq!(read(400, missing), Failure::Missing);
        let exists = r#"{"statusCode":"409","error":"Duplicate","message":"x","code":"KeyAlreadyExists"}"#;
        assert_eq!(read(400, exists), Failure::Exists);
        let database = r#"{"statusCode":"500","error":"DatabaseError","message":"x","code":"DatabaseError"}"#;
        assert_eq!(read(500, database), Failure::Busy("DatabaseError".into()));
        let timeout = r#"{"statusCode":"544","error":"x","message":"x","code":"DatabaseTimeout"}"#;
        assert_eq!(read(400, timeout), Failure::Busy("DatabaseTimeout".into()));
        let denied = r#"{"statusCode":"403","error":"Unauthorized","message":"x","code":"AccessDenied"}"#;
        assert_eq!(read(400, denied), Failure::Denied("AccessDenied".into()));
        let large = r#"{"statusCode":"413","error":"Payload too large","message":"x","code":"EntityTooLarge"}"#;
        assert_eq!(read(400, large), Failure::TooLarge);
        let slow = r#"{"error":"too_many_connections","code":"SlowDown"}"#;
        assert_eq!(read(429, slow), Failure::Busy("SlowDown".into()));
    }

    #[test]
    fn without_a_known_code_the_inner_status_decides() {
        assert_eq!(read(400, r#"{"statusCode":"503"}"#), Failure::Busy("HTTP 503".into()));
        assert_eq!(read(400, r#"{"statusCode":"544","code":"Fresh"}"#), Failure::Busy("Fresh (HTTP 400)".into()));
        assert_eq!(read(400, r#"{"statusCode":"409"}"#), Failure::Exists);
        let route = r#"{"message":"Route GET:/x not found","error":"Not Found","statusCode":404}"#;
        assert_eq!(read(404, route), Failure::Denied("HTTP 404".into()));
        assert_eq!(read(400, r#"{"statusCode":"413"}"#), Failure::TooLarge);
    }

    #[test]
    fn without_a_readable_body_the_http_status_decides() {
        assert_eq!(read(502, "<html>bad gateway</html>"), Failure::Busy("HTTP 502".into()));
        assert_eq!(read(401, ""), Failure::Denied("HTTP 401".into()));
        assert_eq!(read(413, "<html>too large</html>"), Failure::TooLarge);
        assert_eq!(read(429, ""), Failure::Busy("HTTP 429".into()));
        assert_eq!(read(400, "[]"), Failure::Final("HTTP 400".into()));
        assert_eq!(read(302, ""), Failure::Final("HTTP 302".into()));
        assert_eq!(read(400, r#"{"statusCode":"many"}"#), Failure::Final("HTTP 400".into()));
    }

    #[test]
    fn a_code_that_is_no_word_is_not_repeated() {
        assert_eq!(read(400, r#"{"code":"a secret, perhaps"}"#), Failure::Final("HTTP 400".into()));
    }

    #[test]
    fn a_page_holds_only_what_was_asked_for() {
        let page = |body: &str| serde_json::from_str::<ListedPage>(body).expect("a page").below("u/");
        let listed = page(
            r#"{"hasNext":true,"nextCursor":"c","folders":[],"objects":[{"key":"1.png","name":"u/1.png","id":"i",
                "created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-02T00:00:00Z","metadata":{"size":5}}]}"#,
        );
        let listed = listed.expect("ours");
        assert_eq!((listed.objects[0].path.as_str(), listed.objects[0].size_bytes), ("u/1.png", 5));
        assert_eq!(listed.objects[0].written_at.to_rfc3339(), "2026-01-02T00:00:00+00:00");
        assert_eq!(listed.next.as_deref(), Some("c"));
        let timeless = page(r#"{"hasNext":false,"objects":[{"name":"u/1.png"}]}"#).expect("ours");
        assert_eq!((timeless.objects[0].written_at, timeless.next), (DateTime::<Utc>::MAX_UTC, None));
        assert!(page(r#"{"hasNext":false,"objects":[{"name":"v/1.png"}]}"#).is_err());
        assert!(page(r#"{"hasNext":true,"objects":[]}"#).is_err());
    }

    #[test]
    fn the_token_is_found_behind_odd_names() {
        let signed = |url: &str| Signed { path: String::new(), signed_url: Some(url.into()) };
        assert_eq!(signed("/object/sign/b/a?b.png?token=x.y.z").token(), Some("x.y.z"));
        assert_eq!(signed("/object/sign/b/a.png").token(), None);
    }
}
