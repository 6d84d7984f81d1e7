//! Storage's errors: HTTP 400 whatever they mean, the truth in the body. Two are different: 500, and a true 429.

use poem::Response;
use serde_json::json;

use crate::http_fault::json;
use crate::supabase::faults::StorageFault;
use crate::supabase::tokens::TokenError;

/// One error, as its body tells it.
#[derive(Debug)]
pub(super) struct StorageError {
    pub(super) status: u16,
    pub(super) error: String,
    pub(super) message: String,
    pub(super) code: String,
}

impl StorageError {
    fn new(status: u16, error: &str, message: impl Into<String>, code: &str) -> Self {
        Self { status, error: error.to_owned(), message: message.into(), code: code.to_owned() }
    }

    pub(super) fn no_such_bucket() -> Self {
        Self::new(404, "Bucket not found", "Bucket not found", "NoSuchBucket")
    }

    /// Also the answer to who may not see the object.
    pub(super) fn no_such_key() -> Self {
        Self::new(404, "not_found", "Object not found", "NoSuchKey")
    }

    pub(super) fn exists(code: &str) -> Self {
        Self::new(409, "Duplicate", "The resource already exists", code)
    }

    pub(super) fn not_empty() -> Self {
        Self::new(409, "ResourceNotEmpty", "The bucket you tried to delete is not empty", "ResourceNotEmpty")
    }

    pub(super) fn invalid_bucket_name() -> Self {
        Self::new(400, "InvalidBucketName", "Bucket name invalid", "InvalidBucketName")
    }

    pub(super) fn invalid_key(key: &str) -> Self {
        Self::new(400, "InvalidKey", format!("Invalid key: {key}"), "InvalidKey")
    }

    pub(super) fn invalid_mime_type(mime: &str) -> Self {
        Self::new(415, "invalid_mime_type", format!("mime type {mime} is not supported"), "InvalidMimeType")
    }

    pub(super) fn too_large() -> Self {
        Self::new(413, "Payload too large", "The object exceeded the maximum allowed size", "EntityTooLarge")
    }

    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(400, "Error", message, "InvalidRequest")
    }

    /// A form without a file, or none that can be read.
    pub(super) fn no_content() -> Self {
        Self::invalid_request("No content provided")
    }

    pub(super) fn denied(message: &str) -> Self {
        Self::new(403, "Unauthorized", message, "AccessDenied")
    }

    pub(super) fn policy() -> Self {
        Self::denied("new row violates row-level security policy")
    }

    pub(super) fn unknown_role() -> Self {
        Self::new(500, "DatabaseError", "database error, code: 22023", "DatabaseError")
    }

    pub(super) fn wrong_link() -> Self {
        Self::new(400, "InvalidSignature", "Invalid signature", "InvalidSignature")
    }

    pub(super) fn bad_link(error: TokenError) -> Self {
        Self::new(400, "InvalidJWT", error.message(), "InvalidJWT")
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "internal", message, "InternalError")
    }

    pub(super) fn slow_down() -> Self {
        Self::new(429, "too_many_connections", "Too many connections issued to the database", "SlowDown")
    }

    pub(super) fn into_response(self) -> Response {
        let http = match self.code.as_str() {
            "SlowDown" => 429,
            _ if self.status == 500 => 500,
            _ => 400,
        };
        let body = json!({"statusCode": self.status.to_string(), "error": self.error, "message": self.message, "code": self.code});
        json(http, &body)
    }
}

impl From<TokenError> for StorageError {
    fn from(error: TokenError) -> Self {
        Self::denied(error.message())
    }
}

impl From<&StorageFault> for StorageError {
    fn from(fault: &StorageFault) -> Self {
        match fault {
            StorageFault::SlowDown => Self::slow_down(),
            StorageFault::InternalError => Self::internal("Internal Server Error"),
            StorageFault::DatabaseTimeout => {
                Self::new(544, "database_timeout", "The connection to the database timed out", "DatabaseTimeout")
            }
            StorageFault::ResourceLocked => {
                Self::new(423, "resource_locked", "The resource is locked", "ResourceLocked")
            }
            StorageFault::AccessDenied => Self::policy(),
            StorageFault::StorageError { status, code } => Self::new(*status, code, "a scripted error", code),
        }
    }
}
