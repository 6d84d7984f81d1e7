//! Supabase Auth: sign-up, sign-in, refresh, the user, sign-out, and the keys that verify its tokens.

mod refusal;
mod sessions;
pub(crate) mod users;

use std::sync::Arc;

use poem::http::{Method, header};
use poem::web::{Data, Path, Query, RemoteAddr};
use poem::{Body, Request, Response, handler};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) use self::refusal::API_VERSION;
use self::refusal::Refusal;
pub(super) use self::sessions::Sessions;
use self::sessions::{Refused, Scope};
use self::users::{User, Users, new_hash};
use super::Project;
use super::gateway::{self, Key};
use crate::fault::Operation;
use crate::http_fault::{Bodies, exchange, json, text};

/// Body of a request.
const BODY_BYTES_MAX: usize = 64 * 1024;
const PASSWORD_CHARS_MIN: usize = 6;

pub(super) const BODIES: Bodies = Bodies {
    too_many_requests: || {
        Refusal::new(429, "over_request_rate_limit", "Request rate limit reached").into_response(None)
    },
    unauthorized: || json(401, &json!({"message": "Invalid authentication credentials"})),
    not_found: || text(404, "404 page not found"),
};

#[derive(Deserialize)]
pub(super) struct Grant {
    grant_type: Option<String>,
    /// Of a sign-out.
    scope: Option<String>,
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
        (&Method::GET | &Method::PUT, "user") => Operation::User,
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
            Operation::User if *request.method() == Method::PUT => project.change_user(request, credentials).await,
            Operation::User => project.who(request).await.map(|user| json(200, &user.to_json())),
            _ => project.sign_out(request, grant.scope.as_deref()),
        };
        done.unwrap_or_else(|refusal| refusal.into_response(request.header(API_VERSION)))
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
            check_password(credentials.password.as_deref().unwrap_or_default())?;
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
        Ok(self.session(&user))
    }

    async fn sign_in(&self, grant: &str, credentials: Credentials) -> Result<Response, Refusal> {
        match grant {
            "password" => {
                let email = credentials.email.unwrap_or_default().trim().to_lowercase();
                let user = self.users.find_by_email(&email).await?;
                let user = user.filter(|user| user.has_password(credentials.password.as_deref().unwrap_or_default()));
                let user = user.ok_or_else(|| Refusal::new(400, "invalid_credentials", "Invalid login credentials"))?;
                Ok(self.session(&user))
            }
            "refresh_token" => {
                let unknown =
                    || Refusal::new(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found");
                let token = credentials.refresh_token.unwrap_or_default();
                let continued = self.sessions.refresh(&token, self.clock.unix()).map_err(|refused| match refused {
                    Refused::Unknown => unknown(),
                    Refused::Used => {
                        Refusal::new(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
                    }
                })?;
                let user = self.users.find(continued.user).await?.ok_or_else(unknown)?;
                Ok(self.answer(&user, continued.session, &continued.refresh_token))
            }
            _ => Err(Refusal::new(400, "validation_failed", "unsupported_grant_type")),
        }
    }

    /// Begins a session.
    fn session(&self, user: &User) -> Response {
        let session = Uuid::new_v4();
        self.answer(user, session, &self.sessions.begin(user.id, session))
    }

    fn answer(&self, user: &User, session: Uuid, refresh_token: &str) -> Response {
        let (now, lifetime) = (self.clock.unix(), self.token_lifetime());
        json(
            200,
            &json!({
                "access_token": self.keys.sign(&user.claims(&self.issuer(), session, now, lifetime)),
                "token_type": "bearer", "expires_in": lifetime, "expires_at": now + lifetime,
                "refresh_token": refresh_token, "user": user.to_json(),
            }),
        )
    }

    /// Changes metadata and password; a new address would have to be confirmed, and there is no mail here.
    async fn change_user(&self, request: &Request, changes: Credentials) -> Result<Response, Refusal> {
        let mut user = self.who(request).await?;
        if changes.email.is_some() {
            return Err(Refusal::new(400, "email_provider_disabled", "This simulator changes no e-mail addresses"));
        }
        if let Some(password) = changes.password.as_deref() {
            check_password(password)?;
            if user.has_password(password) {
                let message = "New password should be different from the old password.";
                return Err(Refusal::new(422, "same_password", message));
            }
            user.password = Some(new_hash(password));
        }
        if let (Some(Value::Object(changes)), Some(metadata)) = (changes.data, user.metadata.as_object_mut()) {
            metadata.extend(changes);
        }
        self.users.update(&user).await?;
        Ok(json(200, &user.to_json()))
    }

    async fn who(&self, request: &Request) -> Result<User, Refusal> {
        let (id, _) = self.bearer(request)?;
        let user = self.users.find(id).await?;
        user.ok_or_else(|| Refusal::new(403, "user_not_found", "User from sub claim in JWT does not exist"))
    }

    fn sign_out(&self, request: &Request, scope: Option<&str>) -> Result<Response, Refusal> {
        let (user, session) = self.bearer(request)?;
        let scope = Scope::parse(scope);
        let scope = scope.ok_or_else(|| Refusal::new(400, "validation_failed", "Unsupported logout scope"))?;
        self.sessions.end(user, session, scope);
        Ok(poem::http::StatusCode::NO_CONTENT.into())
    }

    /// Whose token it is, and of which session. A session that nobody began here counts as alive: tests sign tokens, too.
    fn bearer(&self, request: &Request) -> Result<(Uuid, Uuid), Refusal> {
        let claims = self.bearer_claims(request)?;
        let id = |name: &str| claims[name].as_str().and_then(|id| id.parse::<Uuid>().ok());
        let user = id("sub").ok_or_else(|| Refusal::new(403, "bad_jwt", "invalid claim: missing sub claim"))?;
        let session = id("session_id").unwrap_or_default();
        if self.sessions.has_ended(session) {
            let message = "Session from session_id claim in JWT does not exist";
            return Err(Refusal::new(403, "session_not_found", message));
        }
        Ok((user, session))
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

fn check_password(password: &str) -> Result<(), Refusal> {
    if password.chars().count() < PASSWORD_CHARS_MIN { Err(Refusal::weak_password(PASSWORD_CHARS_MIN)) } else { Ok(()) }
}

/// Opens the users' table, or memory.
pub(super) fn users(database_url: Option<&str>) -> std::io::Result<Users> {
    Users::new(database_url).map_err(std::io::Error::other)
}
