//! Refusals in Stripe's form: `{"error": {"type", "code"?, "message", "param"?}}`.

use poem::Response;
use serde_json::{Value, json};

use super::shelf::Kind;
use crate::http_fault;

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    category: &'static str,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
}

impl Refusal {
    /// A request that can never succeed as it is.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { status: 400, category: "invalid_request_error", code: None, message: message.into(), param: None }
    }

    #[must_use]
    pub(super) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    #[must_use]
    pub(super) fn param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    fn status(self, status: u16, category: &'static str) -> Self {
        Self { status, category, ..self }
    }

    pub(super) fn parameter_missing(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    pub(super) fn parameter_unknown(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}")).code("parameter_unknown").param(param)
    }

    /// An id in the path, or named by a parameter, that stands for nothing.
    pub(super) fn no_such(kind: Kind, id: &str, param: &str) -> Self {
        let missing = Self::invalid(format!("No such {}: '{id}'", kind.name())).code("resource_missing").param(param);
        // Only the path makes it a 404; a parameter is merely wrong.
        if param == "id" { missing.status(404, "invalid_request_error") } else { missing }
    }

    pub(super) fn no_route(method: &str, path: &str) -> Self {
        Self::invalid(format!("Unrecognized request URL ({method}: {path}).")).status(404, "invalid_request_error")
    }

    pub(super) fn no_key() -> Self {
        let message = "You did not provide an API key. You need to provide your API key in the Authorization header, \
            using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').";
        Self::invalid(message).status(401, "invalid_request_error")
    }

    /// The key is told back with its middle hidden.
    pub(super) fn wrong_key(key: &str) -> Self {
        let start: String = key.chars().take(8).collect();
        Self::invalid(format!("Invalid API Key provided: {start}****")).status(401, "invalid_request_error")
    }

    pub(super) fn too_many_requests() -> Self {
        let message = "Request rate limit exceeded. Learn more about rate limits in the API documentation.";
        Self::invalid(message).code("rate_limit").status(429, "invalid_request_error")
    }

    pub(super) fn lock_timeout() -> Self {
        let message = "This object cannot be accessed right now because another API request is currently accessing it.";
        Self::invalid(message).code("lock_timeout").status(429, "invalid_request_error")
    }

    pub(super) fn broken() -> Self {
        Self::invalid("An unknown error occurred").status(500, "api_error")
    }

    pub(super) fn key_in_use() -> Self {
        let message = "There is currently another in-progress request using this Idempotent Key.";
        Self::invalid(message).code("idempotency_key_in_use").status(409, "idempotency_error")
    }

    pub(super) fn key_reused(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. \
             Try using a key other than '{key}' if you meant to execute a different request."
        );
        Self::invalid(message).status(400, "idempotency_error")
    }

    pub(super) fn to_json(&self) -> Value {
        let mut error = json!({"type": self.category, "message": self.message});
        if let Some(code) = self.code {
            error["code"] = code.into();
        }
        if let Some(param) = &self.param {
            error["param"] = param.as_str().into();
        }
        json!({ "error": error })
    }

    pub(super) fn into_response(self) -> Response {
        http_fault::json(self.status, &self.to_json())
    }
}
