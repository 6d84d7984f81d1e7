//! `/_sim`: how tests and demos in other processes script faults, rotate keys, move the clock and look at what is stored.

use std::sync::Arc;
use std::time::Duration;

use poem::web::{Data, Json};
use poem::{Body, Response, Route, get, handler, post};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Project, SupabaseFault};
use crate::control::{read_script, refused};
use crate::http_fault::json;
use crate::net::lock;

/// Objects one answer lists at most.
const OBJECTS_LISTED_MAX: usize = 1_000;

pub(super) fn routes() -> Route {
    Route::new()
        .at("/_sim/faults", get(list_faults).post(add_faults).delete(clear_faults))
        .at("/_sim/objects", get(list_objects))
        .at("/_sim/keys", get(keys))
        .at("/_sim/rotate", post(rotate))
        .at("/_sim/token", post(token))
        .at("/_sim/advance", post(advance))
}

#[handler]
async fn add_faults(project: Data<&Arc<Project>>, body: Body) -> Response {
    add(&project, body).await.unwrap_or_else(|refusal| refusal)
}

async fn add(project: &Project, body: Body) -> Result<Response, Response> {
    let read: Result<Vec<SupabaseFault>, String> =
        read_script(body).await?.iter().map(SupabaseFault::from_json).collect();
    let faults = read.map_err(|message| refused(&message))?;
    let mut script = lock(&project.script);
    if !faults.into_iter().all(|fault| script.add(fault)) {
        return Err(refused("too many faults"));
    }
    Ok(json(200, &json!({ "faults": script.to_json() })))
}

#[handler]
fn list_faults(project: Data<&Arc<Project>>) -> Response {
    json(200, &json!({ "faults": lock(&project.script).to_json() }))
}

#[handler]
fn clear_faults(project: Data<&Arc<Project>>) -> Response {
    lock(&project.script).clear();
    json(200, &json!({ "faults": [] }))
}

#[handler]
fn list_objects(project: Data<&Arc<Project>>) -> Response {
    let mut objects = project.files.view();
    let count = objects.len();
    objects.truncate(OBJECTS_LISTED_MAX);
    json(200, &json!({ "requests": *lock(&project.requests), "count": count, "objects": objects }))
}

/// The project's keys, which a dashboard would show.
#[handler]
fn keys(project: Data<&Arc<Project>>) -> Response {
    json(
        200,
        &json!({
            "anon_key": project.anon_key, "service_key": project.service_key, "secret_key": project.options.secret_key,
            "publishable_key": project.options.publishable_key, "jwt_secret": project.options.jwt_secret,
            "issuer": project.issuer(),
        }),
    )
}

#[handler]
fn rotate(project: Data<&Arc<Project>>) -> Response {
    project.keys.rotate();
    json(200, &project.keys.jwks())
}

#[derive(Deserialize)]
struct Claims {
    /// The user whose token it is; other claims are laid over hers.
    user_id: Option<Uuid>,
    #[serde(default)]
    claims: serde_json::Map<String, serde_json::Value>,
}

/// Signs a token for anybody.
#[handler]
fn token(project: Data<&Arc<Project>>, asked: Json<Claims>) -> Response {
    let mut claims = project.good_claims(asked.user_id.unwrap_or_else(Uuid::new_v4));
    for (name, value) in &asked.claims {
        claims[name] = value.clone();
    }
    json(200, &json!({ "access_token": project.keys.sign(&claims) }))
}

#[derive(Deserialize)]
struct Span {
    ms: u64,
}

#[handler]
fn advance(project: Data<&Arc<Project>>, span: Json<Span>) -> Response {
    project.clock.advance(Duration::from_millis(span.ms));
    json(200, &json!({ "now": project.clock.date() }))
}
