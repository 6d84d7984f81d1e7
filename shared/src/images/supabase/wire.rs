//! What Supabase Storage says in JSON, and what we make of it.
//!
//! Nearly every error arrives as HTTP 400; the meaning is in the body: `code`, else `statusCode` (a string, or a
//! number on unknown routes), else, when the body is no help, the HTTP status.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::super::StoreError;
use super::super::metered::Outcome;

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
            Failure::TooLong => Self::TooLarge,
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
            Self::TooLong => "too_large",
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
        "AccessDenied"
        | "NoSuchBucket"
        | "InvalidBucketName"
        | "InvalidMimeType"
        | "EntityTooLarge"
        | "InvalidKey"
        | "InvalidRequest"
        | "InvalidJWT"
        | "InvalidSignature"
        | "InvalidUploadSignature" => Failure::Final(code.to_owned()),
        _ => return None,
    })
}

/// An unknown route (404 without a known code) is our mistake or a wrong URL, not a missing object.
fn by_status(status: u16, reason: String) -> Failure {
    match status {
        409 => Failure::Exists,
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
        assert_eq!(read(400, denied), Failure::Final("AccessDenied".into()));
        let slow = r#"{"error":"too_many_connections","code":"SlowDown"}"#;
        assert_eq!(read(429, slow), Failure::Busy("SlowDown".into()));
    }

    #[test]
    fn without_a_known_code_the_inner_status_decides() {
        assert_eq!(read(400, r#"{"statusCode":"503"}"#), Failure::Busy("HTTP 503".into()));
        assert_eq!(read(400, r#"{"statusCode":"544","code":"Fresh"}"#), Failure::Busy("Fresh (HTTP 400)".into()));
        assert_eq!(read(400, r#"{"statusCode":"409"}"#), Failure::Exists);
        let route = r#"{"message":"Route GET:/x not found","error":"Not Found","statusCode":404}"#;
        assert_eq!(read(404, route), Failure::Final("HTTP 404".into()));
    }

    #[test]
    fn without_a_readable_body_the_http_status_decides() {
        assert_eq!(read(502, "<html>bad gateway</html>"), Failure::Busy("HTTP 502".into()));
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
    fn the_token_is_found_behind_odd_names() {
        let signed = |url: &str| Signed { path: String::new(), signed_url: Some(url.into()) };
        assert_eq!(signed("/object/sign/b/a?b.png?token=x.y.z").token(), Some("x.y.z"));
        assert_eq!(signed("/object/sign/b/a.png").token(), None);
    }
}
