//! What the tests of payments share: a shop that calls the simulator as a client of Stripe does, and a place where events arrive
//! whose signatures are checked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use chrono::{DateTime, TimeZone, Utc};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::web::Data;
use poem::{EndpointExt, Request, Route, Server, handler, http::StatusCode, post};
use reqwest::Method;
use serde_json::Value;
use simulators::{PaymentsHandle, PaymentsOptions, PaymentsSim, Time};

use crate::support::http;

/// How far a receiver lets the time of a signature differ.
const TOLERANCE_SECONDS: i64 = 300;

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// A date at noon.
pub(crate) fn noon(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, 12, 0, 0).unwrap()
}

/// A simulator whose clock stands still at this date.
pub(crate) fn standing_at(date: DateTime<Utc>) -> PaymentsHandle {
    let options = PaymentsOptions { time: Time::Manual, starts_at: Some(date), ..PaymentsOptions::default() };
    PaymentsSim::start(options).unwrap()
}

pub(crate) fn standing() -> PaymentsHandle {
    standing_at(noon(2026, 1, 31))
}

/// An answer.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) headers: reqwest::header::HeaderMap,
}

impl Answered {
    /// The body of what went well.
    #[track_caller]
    pub(crate) fn done(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    pub(crate) fn id(self) -> String {
        self.done()["id"].as_str().unwrap().to_owned()
    }

    /// Holds that it was refused so.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, param: &str) {
        let error = &self.body["error"];
        let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (self.status, text("code").as_str(), text("param").as_str()),
            (status, code, param),
            "{}",
            self.body
        );
    }
}

/// A client with the good key.
pub(crate) struct Shop {
    http: reqwest::Client,
    url: String,
    key: String,
}

pub(crate) type Form<'a> = &'a [(&'a str, &'a str)];

impl Shop {
    pub(crate) fn of(sim: &PaymentsHandle) -> Self {
        Self { http: http(), url: format!("{}/v1", sim.url()), key: sim.secret_key().to_owned() }
    }

    pub(crate) fn request(&self, method: Method, path: &str, form: Form<'_>) -> reqwest::RequestBuilder {
        let request = self.http.request(method.clone(), format!("{}/{path}", self.url)).bearer_auth(&self.key);
        if method == Method::POST { request.form(form) } else { request.query(form) }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answered {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answered { status, headers, body: serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default() }
    }

    pub(crate) async fn post(&self, path: &str, form: Form<'_>) -> Answered {
        self.send(self.request(Method::POST, path, form)).await
    }

    pub(crate) async fn get(&self, path: &str, form: Form<'_>) -> Answered {
        self.send(self.request(Method::GET, path, form)).await
    }

    /// A session for 500 credits at 20 dollars.
    pub(crate) async fn sell_credits(&self) -> String {
        self.post("checkout/sessions", &CREDITS).await.id()
    }

    /// A session for a plan that renews.
    pub(crate) async fn sell_plan(&self, interval: &str) -> String {
        let form = [
            ("mode", "subscription"),
            ("success_url", "https://shop.test/done"),
            ("line_items[0][price_data][currency]", "usd"),
            ("line_items[0][price_data][unit_amount]", "2900"),
            ("line_items[0][price_data][product_data][name]", "Plan"),
            ("line_items[0][price_data][recurring][interval]", interval),
            ("line_items[0][quantity]", "1"),
            ("subscription_data[metadata][user_id]", "u1"),
        ];
        self.post("checkout/sessions", &form).await.id()
    }

    /// A subscription that is paid for its first period.
    pub(crate) async fn subscribe(&self, sim: &PaymentsHandle, interval: &str) -> String {
        let session = self.sell_plan(interval).await;
        assert!(sim.pay(&session));
        sim.object(&session).unwrap()["subscription"].as_str().unwrap().to_owned()
    }
}

pub(crate) const CREDITS: [(&str, &str); 9] = [
    ("mode", "payment"),
    ("success_url", "https://shop.test/done?session={CHECKOUT_SESSION_ID}"),
    ("cancel_url", "https://shop.test/back"),
    ("client_reference_id", "u1"),
    ("metadata[pack]", "credits_500"),
    ("line_items[0][price_data][currency]", "usd"),
    ("line_items[0][price_data][unit_amount]", "2000"),
    ("line_items[0][price_data][product_data][name]", "500 <credits>"),
    ("line_items[0][quantity]", "1"),
];

/// An event that arrived.
#[derive(Clone)]
pub(crate) struct Arrived {
    pub(crate) event: Value,
    /// How many of its signatures are good under the first secret, and how old they are.
    pub(crate) good_signatures: usize,
    pub(crate) signatures: usize,
    pub(crate) signed_at: i64,
}

impl Arrived {
    pub(crate) fn category(&self) -> String {
        self.event["type"].as_str().unwrap().to_owned()
    }

    pub(crate) fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        (now.timestamp() - self.signed_at).abs() <= TOLERANCE_SECONDS
    }
}

#[derive(Clone)]
struct Shared {
    secret: String,
    answer: Arc<Mutex<StatusCode>>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

/// The shop's webhook.
pub(crate) struct Webhook(Shared);

#[handler]
fn receive(request: &Request, body: String, shared: Data<&Shared>) -> StatusCode {
    let header = request.header("stripe-signature").unwrap();
    let time = header.strip_prefix("t=").and_then(|rest| rest.split(',').next()).unwrap();
    let given: Vec<&str> = header.split(',').filter_map(|part| part.strip_prefix("v1=")).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, shared.secret.as_bytes());
    let signed = hmac::sign(&key, format!("{time}.{body}").as_bytes());
    let good = signed.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    shared.arrived.lock().unwrap().push(Arrived {
        event: serde_json::from_str(&body).unwrap(),
        good_signatures: given.iter().filter(|signature| **signature == good).count(),
        signatures: given.len(),
        signed_at: time.parse().unwrap(),
    });
    *shared.answer.lock().unwrap()
}

impl Webhook {
    /// Starts it, and tells the simulator where it is.
    pub(crate) async fn start(sim: &PaymentsHandle) -> Self {
        let shared = Shared {
            secret: sim.webhook_secrets()[0].clone(),
            answer: Arc::new(Mutex::new(StatusCode::OK)),
            arrived: Arc::default(),
        };
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let address = acceptor.local_addr().remove(0).as_socket_addr().copied().unwrap();
        let routes = Route::new().at("/hook", post(receive)).data(shared.clone());
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
        sim.set_webhook_url(format!("http://{address}/hook"));
        Self(shared)
    }

    pub(crate) fn answer_with(&self, status: StatusCode) {
        *self.0.answer.lock().unwrap() = status;
    }

    /// All that arrived, once nothing more is on its way.
    pub(crate) async fn arrived(&self, sim: &PaymentsHandle) -> Vec<Arrived> {
        assert!(sim.delivered().await, "webhooks are not sent in time");
        self.0.arrived.lock().unwrap().clone()
    }

    pub(crate) async fn types(&self, sim: &PaymentsHandle) -> Vec<String> {
        self.arrived(sim).await.iter().map(Arrived::category).collect()
    }
}
