//! `/_sim`: how tests and demos in other processes script faults, play the customer and the bank, move the clock and look at
//! what was made.

use std::sync::Arc;
use std::time::Duration;

use poem::web::{Data, Json, Path, Query};
use poem::{Body, Response, Route, get, handler, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::engine::Ending;
use super::faults::PaymentsFault;
use super::shelf::Kind;
use super::{DeliveryView, Platform};
use crate::control::{read_script, refused};
use crate::http_fault::json;

/// Objects, and webhook requests, that one answer lists at most, the newest.
const LISTED_MAX: usize = 1_000;

pub(super) fn routes() -> Route {
    Route::new()
        .at("/_sim/faults", get(list_faults).post(add_faults).delete(clear_faults))
        .at("/_sim/objects", get(list_objects))
        .at("/_sim/deliveries", get(list_deliveries))
        .at("/_sim/sessions/:id/:ending", post(end_session))
        .at("/_sim/disputes/:payment_intent", post(dispute))
        .at("/_sim/disputes/:id/:decision", post(close_dispute))
        .at("/_sim/webhook", post(set_webhook))
        .at("/_sim/advance", post(advance))
}

#[handler]
async fn add_faults(platform: Data<&Arc<Platform>>, body: Body) -> Response {
    add(&platform, body).await.unwrap_or_else(|refusal| refusal)
}

async fn add(platform: &Platform, body: Body) -> Result<Response, Response> {
    let read: Result<Vec<PaymentsFault>, String> =
        read_script(body).await?.iter().map(PaymentsFault::from_json).collect();
    let faults = read.map_err(|message| refused(&message))?;
    if !platform.with(|engine| faults.into_iter().all(|fault| engine.script.add(fault))) {
        return Err(refused("too many faults"));
    }
    Ok(json(200, &json!({ "faults": platform.with(|engine| engine.script.to_json()) })))
}

#[handler]
fn list_faults(platform: Data<&Arc<Platform>>) -> Response {
    json(200, &json!({ "faults": platform.with(|engine| engine.script.to_json()) }))
}

#[handler]
fn clear_faults(platform: Data<&Arc<Platform>>) -> Response {
    platform.with(|engine| engine.script.clear());
    json(200, &json!({ "faults": [] }))
}

#[derive(Deserialize)]
struct ObjectFilter {
    /// The collection's path under `/v1`.
    of: String,
}

#[handler]
fn list_objects(platform: Data<&Arc<Platform>>, filter: Query<ObjectFilter>) -> Response {
    let path: Vec<&str> = filter.of.split('/').collect();
    let Some(kind) = Kind::at(&path) else { return refused("no such collection") };
    let (counts, objects) = platform.with(|engine| {
        let objects: Vec<Value> = engine.shelves.all(kind).rev().take(LISTED_MAX).cloned().collect();
        (engine.counts.clone(), objects)
    });
    json(200, &json!({ "counts": counts, "objects": objects }))
}

#[handler]
fn list_deliveries(platform: Data<&Arc<Platform>>) -> Response {
    let newest_first =
        platform.with(|engine| engine.deliveries.iter().rev().take(LISTED_MAX).cloned().collect::<Vec<DeliveryView>>());
    json(200, &json!({ "deliveries": newest_first }))
}

#[handler]
fn end_session(platform: Data<&Arc<Platform>>, Path((id, ending)): Path<(String, String)>) -> Response {
    let ended = platform.with(|engine| match ending.as_str() {
        "pay" => Some(engine.end_session(&id, Ending::Paid)),
        "pay-later" => Some(engine.end_session(&id, Ending::PaidLater)),
        "fail" => Some(engine.end_session(&id, Ending::Failed)),
        "abandon" => Some(engine.end_session(&id, Ending::Abandoned)),
        "settle" => Some(engine.settle_session(&id, true)),
        "bounce" => Some(engine.settle_session(&id, false)),
        _ => None,
    });
    ended.map_or_else(|| refused("no such ending"), |ended| json(200, &json!({ "ended": ended })))
}

#[handler]
fn dispute(platform: Data<&Arc<Platform>>, Path(payment_intent): Path<String>) -> Response {
    json(200, &json!({ "dispute": platform.with(|engine| engine.dispute(&payment_intent, None)) }))
}

#[handler]
fn close_dispute(platform: Data<&Arc<Platform>>, Path((id, decision)): Path<(String, String)>) -> Response {
    let is_won = match decision.as_str() {
        "won" => true,
        "lost" => false,
        _ => return refused("a dispute is won or lost"),
    };
    json(200, &json!({ "closed": platform.with(|engine| engine.close_dispute(&id, is_won)) }))
}

#[derive(Deserialize)]
struct Webhook {
    url: Option<String>,
}

#[handler]
fn set_webhook(platform: Data<&Arc<Platform>>, webhook: Json<Webhook>) -> Response {
    platform.with(|engine| engine.endpoint.url.clone_from(&webhook.url));
    json(200, &json!({ "url": webhook.url }))
}

#[derive(Deserialize)]
struct Span {
    ms: u64,
}

#[handler]
fn advance(platform: Data<&Arc<Platform>>, span: Json<Span>) -> Response {
    platform.advance(Duration::from_millis(span.ms));
    platform.with(|engine| json(200, &json!({ "now": engine.now() })))
}
