//! Supabase Auth: sign-up, sign-in, refresh, the user, sign-out, and the keys that verify its tokens.

pub(crate) mod users;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use poem::http::{Method, header};
use poem::web::{Data, Path, Query, RemoteAddr};
use poem::{Body, Request, Response, handler};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use self::users::{User, Users, UsersError, new_hash};
use super::Project;
use super::gateway::{self, Key};
use crate::fault::Operation;
use crate::http_fault::{Bodies, exchange, json, text};
use crate::net::lock;

/// Body of a request.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Live refresh tokens; with more, all are dropped, and clients sign in again.
const REFRESH_TOKENS_MAX: usize = 100_000;
const PASSWORD_CHARS_MIN: usize = 6;

pub(super) const BODIES: Bodies = Bodies {
    too_many_requests: || Refusal::new(429, "over_request_rate_limit", "Request rate limit reached").into_response(),
    unauthorized: || json(401, &json!({"message": "Invalid authentication credentials"})),
    not_found: || text(404, "404 page not found"),
};

/// Sessions by refresh token.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, (Uuid, Uuid)>>);

/// A refusal of auth, as its body tells it.
struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn into_response(self) -> Response {
        json(self.status, &json!({"code": self.status, "error_code": self.code, "msg": self.message}))
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

#[derive(Deserialize)]
pub(super) struct Grant {
    grant_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Credentials {
    email: Option<String>,
    password: Option<String>,
    data: Option<Value>,
    refresh_token: Option<String>,
}

#[handler]
pub(super) async fn serve(
    project: Data<&Arc<Project>>,
    request: &Request,
    peer: &RemoteAddr,
    Path(path): Path<String>,
    grant: Query<Grant>,
    body: Body,
) -> Response {
    let operation = match (request.method(), path.as_str()) {
        (&Method::POST, "signup") => Operation::Signup,
        (&Method::POST, "token") => Operation::Token,
        (&Method::POST, "logout") => Operation::Logout,
        (&Method::GET, "user") => Operation::User,
        (&Method::GET, ".well-known/jwks.json") => Operation::Jwks,
        _ => return (BODIES.not_found)(),
    };
    let Ok(bytes) = body.into_bytes_limit(BODY_BYTES_MAX).await else { return text(413, "body too large") };
    let credentials: Credentials = serde_json::from_slice(&bytes).unwrap_or_default();
    let subject = credentials.email.as_deref().unwrap_or_default();
    let (faults, _) = project.take_faults(operation, subject);
    exchange(&faults, &project.line, peer, &BODIES, async {
        if operation == Operation::Jwks {
            let answer = json(200, &project.keys.jwks());
            return answer.set_header(header::CACHE_CONTROL, "public, max-age=600");
        }
        if let Err(refusal) = gateway::check_api_key(&project, request) {
            return refusal.into_response();
        }
        let done = match operation {
            Operation::Signup => project.sign_up(credentials).await,
            Operation::Token => project.sign_in(grant.grant_type.as_deref().unwrap_or_default(), credentials).await,
            Operation::User => project.who(request).await.map(|user| json(200, &user.to_json())),
            _ => project.sign_out(request),
        };
        done.unwrap_or_else(Refusal::into_response)
    })
    .await
}

/// Sets a header on an answer.
pub(super) trait SetHeader {
    fn set_header(self, name: header::HeaderName, value: &str) -> Self;
}

impl SetHeader for Response {
    fn set_header(mut self, name: header::HeaderName, value: &str) -> Self {
        if let Ok(value) = value.parse() {
            self.headers_mut().insert(name, value);
        }
        self
    }
}

impl Project {
    async fn sign_up(&self, credentials: Credentials) -> Result<Response, Refusal> {
        let is_anonymous = credentials.email.is_none() && credentials.password.is_none();
        let email = credentials.email.map(|email| email.trim().to_lowercase());
        if !is_anonymous {
            if !email.as_deref().is_some_and(|email| email.contains('@')) {
                return Err(Refusal::new(400, "validation_failed", "Unable to validate email address: invalid format"));
            }
            if credentials.password.as_deref().unwrap_or_default().chars().count() < PASSWORD_CHARS_MIN {
                return Err(Refusal::new(422, "weak_password", "Password should be at least 6 characters."));
            }
        }
        let user = User {
            id: Uuid::new_v4(),
            email,
            password: credentials.password.as_deref().map(new_hash),
            metadata: credentials.data.unwrap_or_else(|| json!({})),
            is_anonymous,
            created_at: self.clock.date(),
        };
        self.users.insert(user.clone()).await?;
        Ok(self.session(&user, Uuid::new_v4()))
    }

    async fn sign_in(&self, grant: &str, credentials: Credentials) -> Result<Response, Refusal> {
        match grant {
            "password" => {
                let email = credentials.email.unwrap_or_default().trim().to_lowercase();
                let user = self.users.find_by_email(&email).await?;
                let user = user.filter(|user| user.has_password(credentials.password.as_deref().unwrap_or_default()));
                let user = user.ok_or_else(|| Refusal::new(400, "invalid_credentials", "Invalid login credentials"))?;
                Ok(self.session(&user, Uuid::new_v4()))
            }
            "refresh_token" => {
                let unknown =
                    || Refusal::new(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found");
                let token = credentials.refresh_token.unwrap_or_default();
                // Single use: the answer carries the next one.
                let (user_id, session) = lock(&self.sessions.0).remove(&token).ok_or_else(unknown)?;
                let user = self.users.find(user_id).await?.ok_or_else(unknown)?;
                Ok(self.session(&user, session))
            }
            _ => Err(Refusal::new(400, "validation_failed", "unsupported_grant_type")),
        }
    }

    fn session(&self, user: &User, session: Uuid) -> Response {
        let (now, lifetime) = (self.clock.unix(), self.token_lifetime());
        let refresh = Uuid::new_v4().simple().to_string();
        let mut sessions = lock(&self.sessions.0);
        if sessions.len() >= REFRESH_TOKENS_MAX {
            sessions.clear();
        }
        sessions.insert(refresh.clone(), (user.id, session));
        json(
            200,
            &json!({
                "access_token": self.keys.sign(&user.claims(&self.issuer(), session, now, lifetime)),
                "token_type": "bearer", "expires_in": lifetime, "expires_at": now + lifetime,
                "refresh_token": refresh, "user": user.to_json(),
            }),
        )
    }

    async fn who(&self, request: &Request) -> Result<User, Refusal> {
        let claims = self.bearer_claims(request)?;
        let id = claims["sub"].as_str().and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| Refusal::new(403, "bad_jwt", "invalid claim: missing sub claim"))?;
        let user = self.users.find(id).await?;
        user.ok_or_else(|| Refusal::new(403, "user_not_found", "User from sub claim in JWT does not exist"))
    }

    fn sign_out(&self, request: &Request) -> Result<Response, Refusal> {
        let claims = self.bearer_claims(request)?;
        let session = claims["session_id"].as_str().and_then(|id| id.parse::<Uuid>().ok());
        lock(&self.sessions.0).retain(|_, (_, other)| Some(*other) != session);
        Ok(poem::http::StatusCode::NO_CONTENT.into())
    }

    fn bearer_claims(&self, request: &Request) -> Result<Value, Refusal> {
        let missing = || Refusal::new(401, "no_authorization", "This endpoint requires a Bearer token");
        let Key::Token(token) = gateway::key(self, request).unwrap_or(Key::None) else { return Err(missing()) };
        let bad = |reason: &str| {
            Refusal::new(403, "bad_jwt", format!("invalid JWT: unable to parse or verify signature, {reason}"))
        };
        self.keys.verify(&token, self.clock.unix()).map_err(|error| bad(error.message()))
    }
}

/// Opens the users' table, or memory.
pub(super) fn users(database_url: Option<&str>) -> std::io::Result<Users> {
    Users::new(database_url).map_err(std::io::Error::other)
}
