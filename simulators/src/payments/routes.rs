//! `/v1`: who asks, under which idempotency key and version, and what for.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method};
use poem::web::{Data, Path, RemoteAddr};
use poem::{Body, EndpointExt, Request, Response, Route, handler};
use serde_json::{Value, json as value};

use super::engine::{Engine, no_cause};
use super::faults::{ApiFault, PaymentsEffect};
use super::form::{Fields, parse};
use super::refusal::Refusal;
use super::shape::Shape;
use super::shelf::{Kind, new_id};
use super::{Platform, control, page};
use crate::fault::{Call, Operation};
use crate::http_fault::{Bodies, HttpFault, exchange, json};

/// Body of a request.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The least status of answers that an idempotency key does not keep, unless they are errors of the server.
const REFUSED: u16 = 400;
const BROKEN: u16 = 500;

const BODIES: Bodies = Bodies {
    too_many_requests: || Refusal::too_many_requests().into_response(),
    unauthorized: || Refusal::wrong_key("sk_test_").into_response(),
    not_found: || Refusal::no_route("GET", "/v1").into_response(),
};

pub(super) fn routes(platform: &Arc<Platform>) -> impl poem::IntoEndpoint<Endpoint: 'static> + Send + 'static {
    Route::new()
        .at("/v1/*path", serve)
        .nest_no_strip("/c/pay", page::routes())
        .nest_no_strip("/_sim", control::routes())
        .data(Arc::clone(platform))
}

/// One request, read.
struct Asked<'a> {
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    form: String,
}

impl Asked<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn operation(&self) -> Operation {
        let path: Vec<&str> = self.path.split('/').collect();
        match (self.method, path.as_slice()) {
            (&Method::POST, ["customers"]) => Operation::CreateCustomer,
            (&Method::POST, ["customers", _]) => Operation::UpdateCustomer,
            (&Method::POST, ["checkout", "sessions", _, "expire"]) => Operation::ExpireSession,
            (&Method::POST, ["checkout", ..]) => Operation::CreateSession,
            (&Method::POST, ["refunds"]) => Operation::CreateRefund,
            (&Method::POST, _) => Operation::UpdateSubscription,
            (&Method::DELETE, _) => Operation::CancelSubscription,
            (_, path) if Kind::at(path).is_some() => Operation::ListObjects,
            _ => Operation::Retrieve,
        }
    }

    /// What two requests with one idempotency key must have in common.
    fn identity(&self) -> String {
        format!("{} {}?{}", self.method, self.path, self.form)
    }

    /// The key of the request: as a bearer token, or as the user of basic authentication.
    fn check_key(&self, wanted: &str) -> Result<(), Refusal> {
        let header = self.header("authorization").ok_or_else(Refusal::no_key)?;
        let key = match header.split_once(' ') {
            Some(("Bearer", key)) => key.trim().to_owned(),
            Some(("Basic", encoded)) => {
                let decoded = STANDARD.decode(encoded.trim()).map_err(|_| Refusal::no_key())?;
                let pair = String::from_utf8_lossy(&decoded).into_owned();
                pair.split_once(':').map_or(pair.clone(), |(key, _)| key.to_owned())
            }
            _ => return Err(Refusal::no_key()),
        };
        if key == wanted { Ok(()) } else { Err(Refusal::wrong_key(&key)) }
    }
}

#[handler]
async fn serve(
    platform: Data<&Arc<Platform>>,
    request: &Request,
    peer: &RemoteAddr,
    Path(path): Path<String>,
    body: Body,
) -> Response {
    let mut asked = Asked { method: request.method(), path: &path, headers: request.headers(), form: String::new() };
    let (http, api) = platform.take_faults(&asked);
    let platform = Arc::clone(&platform);
    exchange(&http, &platform.line, peer, &BODIES, async {
        let body = body.into_bytes_limit(BODY_BYTES_MAX).await.unwrap_or_default();
        let is_json = asked.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        if is_json && !body.is_empty() {
            let message = "Invalid request (check that your POST content type is application/x-www-form-urlencoded).";
            return Refusal::invalid(message).into_response();
        }
        asked.form = if asked.method == Method::POST {
            String::from_utf8_lossy(&body).into_owned()
        } else {
            request.uri().query().unwrap_or_default().to_owned()
        };
        platform.with(|engine| answer(engine, &asked, &platform.options.secret_key, api.as_ref()))
    })
    .await
}

impl Platform {
    /// Counts a request and takes its faults.
    fn take_faults(&self, asked: &Asked<'_>) -> (Vec<HttpFault>, Option<ApiFault>) {
        let operation = asked.operation();
        let call = Call { operation, subject: asked.path, input: None };
        let taken = self.with(|engine| {
            *engine.counts.requests.entry(operation).or_default() += 1;
            engine.script.take(&call, |effect| matches!(effect, PaymentsEffect::Http(_) | PaymentsEffect::Api(_)))
        });
        let (mut http, mut api) = (Vec::new(), None);
        for effect in taken {
            match effect {
                PaymentsEffect::Http(fault) => http.push(fault),
                PaymentsEffect::Api(fault) => api = Some(fault),
                PaymentsEffect::Event(_) | PaymentsEffect::Decline(_) => {}
            }
        }
        (http, api)
    }
}

fn answer(engine: &mut Engine, asked: &Asked<'_>, secret_key: &str, fault: Option<&ApiFault>) -> Response {
    let request_id = new_id("req_");
    if let Err(refusal) = asked.check_key(secret_key) {
        return with_headers(refusal.into_response(), asked, &[("request-id", &request_id)]);
    }
    let key = asked.header("idempotency-key").filter(|_| asked.method == Method::POST);
    let now = engine.now();
    if let Some(key) = key {
        match engine.keys.find(key, &asked.identity(), now) {
            Ok(None) => {}
            Ok(Some(kept)) => {
                engine.counts.replayed += 1;
                let replayed = [
                    ("request-id", request_id.as_str()),
                    ("original-request", &kept.request_id),
                    ("idempotent-replayed", "true"),
                ];
                return with_headers(json(kept.status, &kept.body), asked, &replayed);
            }
            Err(refusal) => return with_headers(refusal.into_response(), asked, &[("request-id", &request_id)]),
        }
    }
    engine.cause = value!({"id": request_id, "idempotency_key": key});
    let done = match fault {
        Some(ApiFault::ApiError) => Err(Refusal::broken()),
        Some(ApiFault::LockTimeout) => Err(Refusal::lock_timeout()),
        Some(ApiFault::KeyInUse) => Err(Refusal::key_in_use()),
        None => perform(engine, asked),
    };
    engine.cause = no_cause();
    let (status, body) = done.map_or_else(|refusal| (refusal.status, refusal.to_json()), |body| (200, body));
    if let Some(key) = key
        && !(REFUSED..BROKEN).contains(&status)
    {
        engine.keys.keep(key, asked.identity(), &request_id, (status, body.clone()), now);
    }
    with_headers(json(status, &body), asked, &[("request-id", &request_id)])
}

/// Adds these headers and those that repeat the request's.
fn with_headers(mut answer: Response, asked: &Asked<'_>, headers: &[(&'static str, &str)]) -> Response {
    let repeated = ["stripe-version", "idempotency-key"];
    let repeated = repeated.iter().filter_map(|name| Some((*name, asked.header(name)?)));
    for (name, value) in headers.iter().copied().chain(repeated) {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    answer
}

fn perform(engine: &mut Engine, asked: &Asked<'_>) -> Result<Value, Refusal> {
    let form = parse(&asked.form)?;
    let fields = Fields::of(&form);
    let value = call(engine, asked, &fields)?;
    let version = engine.version(asked.header("stripe-version"));
    let expand = fields.texts("expand");
    Shape { version: &version, expand: &expand }.apply(value, &engine.shelves)
}

fn call(engine: &mut Engine, asked: &Asked<'_>, fields: &Fields<'_>) -> Result<Value, Refusal> {
    let path: Vec<&str> = asked.path.split('/').collect();
    match (asked.method, path.as_slice()) {
        (&Method::POST, ["customers"]) => engine.create_customer(fields),
        (&Method::POST, ["customers", id]) => engine.update_customer(id, fields),
        (&Method::POST, ["customers", id, "balance_transactions"]) => engine.adjust_balance(id, fields),
        (&Method::POST, ["invoices", id, "pay"]) => engine.pay_now(id, fields),
        (&Method::POST, ["checkout", "sessions"]) => engine.create_session(fields),
        (&Method::POST, ["checkout", "sessions", id, "expire"]) => {
            fields.only(&[])?;
            engine.expire_session(id)
        }
        (&Method::POST, ["subscriptions", id]) => engine.update_subscription(id, fields),
        (&Method::DELETE, ["subscriptions", id]) => engine.cancel_subscription(id, fields),
        (&Method::POST, ["refunds"]) => engine.create_refund(fields),
        (&Method::GET, path) => read(engine, path, fields).unwrap_or_else(|| Err(no_route(asked))),
        _ => Err(no_route(asked)),
    }
}

/// A list or one object; none when the path is of neither.
fn read(engine: &Engine, path: &[&str], fields: &Fields<'_>) -> Option<Result<Value, Refusal>> {
    if let Some(kind) = Kind::at(path) {
        return Some(engine.list(kind, fields));
    }
    let (id, collection) = path.split_last()?;
    let kind = Kind::at(collection)?;
    Some(fields.only(&[]).and_then(|()| engine.shelves.get(kind, id, "id").cloned()))
}

fn no_route(asked: &Asked<'_>) -> Refusal {
    Refusal::no_route(asked.method.as_str(), &format!("/v1/{}", asked.path))
}
