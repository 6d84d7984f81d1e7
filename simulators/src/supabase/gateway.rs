//! The gateway before Supabase's services: which key a request carries, and what it makes of it.

use poem::http::header;
use poem::{Request, Response};
use serde_json::json;

use super::Project;
use crate::http_fault::json;

/// What a request may act as, before its token is looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A JWT, whoever's.
    Token(String),
    /// `sb_secret_…`.
    Secret,
    /// `sb_publishable_…`.
    Publishable,
    /// Nothing that counts.
    None,
}

/// A refusal of the gateway itself: its message.
#[derive(Debug)]
pub(super) struct Refusal(&'static str);

impl Refusal {
    pub(super) fn into_response(self) -> Response {
        json(401, &json!({ "message": self.0 }))
    }
}

/// Reads `apikey` and `Authorization`.
///
/// # Errors
///
/// A key of the new form that is wrong, in Authorization without being the apikey, or sent by a browser.
pub(super) fn key(project: &Project, request: &Request) -> Result<Key, Refusal> {
    let apikey = request.header("apikey").unwrap_or_default();
    let bearer = request.header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    match bearer {
        Some(bearer) if bearer.starts_with("sb_") && bearer != apikey => return Err(Refusal("Invalid API key")),
        Some(bearer) if !bearer.starts_with("sb_") => return Ok(Key::Token(bearer.to_owned())),
        _ => {}
    }
    let browser = request.header(header::USER_AGENT).is_some_and(|agent| agent.starts_with("Mozilla/"));
    match apikey {
        secret if secret == project.options.secret_key && browser => {
            Err(Refusal("Forbidden use of secret API key in browser"))
        }
        secret if secret == project.options.secret_key => Ok(Key::Secret),
        publishable if publishable == project.options.publishable_key => Ok(Key::Publishable),
        other if other.starts_with("sb_") => Err(Refusal("Invalid API key")),
        // A legacy key counts only as Authorization.
        _ => Ok(Key::None),
    }
}

/// Refuses requests of auth without one of the project's API keys.
pub(super) fn check_api_key(project: &Project, request: &Request) -> Result<(), Refusal> {
    let known = |key: &str| {
        [&project.anon_key, &project.service_key, &project.options.secret_key, &project.options.publishable_key]
            .into_iter()
            .any(|known| known == key)
    };
    match request.header("apikey") {
        None => Err(Refusal("No API key found in request")),
        Some(key) if known(key) => Ok(()),
        Some(_) => Err(Refusal("Invalid authentication credentials")),
    }
}
