//! Refusals of auth: their codes, in the two forms that clients may ask for.

use poem::Response;
use poem::http::HeaderName;
use serde_json::json;

use super::SetHeader;
use super::users::UsersError;
use crate::http_fault::json;

/// Asks for the newer form by its date, which the answer then repeats.
pub(in crate::supabase) const API_VERSION: &str = "x-supabase-api-version";
const CODES_AS_TEXT: &str = "2024-01-01";

/// A refusal, as its body tells it.
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
    /// What a password lacks.
    reasons: &'static [&'static str],
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), reasons: &[] }
    }

    pub(super) fn weak_password(chars_min: usize) -> Self {
        let message = format!("Password should be at least {chars_min} characters.");
        Self { reasons: &["length"], ..Self::new(422, "weak_password", message) }
    }

    /// In the form of the version that was asked for; versions are dates, so text compares them.
    pub(super) fn into_response(self, version: Option<&str>) -> Response {
        let is_new = version.is_some_and(|version| version >= CODES_AS_TEXT);
        let mut body = if is_new {
            json!({"code": self.code, "message": self.message})
        } else {
            json!({"code": self.status, "error_code": self.code, "msg": self.message})
        };
        if !self.reasons.is_empty() {
            body["weak_password"] = json!({"reasons": self.reasons});
        }
        let answer = json(self.status, &body);
        if is_new { answer.set_header(HeaderName::from_static(API_VERSION), CODES_AS_TEXT) } else { answer }
    }
}

impl From<UsersError> for Refusal {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::Exists => Self::new(422, "user_already_exists", "User already registered"),
            UsersError::Full => Self::new(429, "over_request_rate_limit", "Too many users in this simulator"),
            UsersError::Database(error) => {
                tracing::warn!(%error, "auth simulator: the database refused a user");
                Self::new(500, "unexpected_failure", "Database error saving new user")
            }
        }
    }
}
