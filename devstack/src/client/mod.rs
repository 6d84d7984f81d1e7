//! A user's view of the system: Supabase for sign-up and uploads, then the API over HTTP. The demo and the tests act
//! through it.

mod auth;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

pub use auth::{Auth, SignedIn};

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause between two looks at a generation that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A client that waits for no answer longer than [`ANSWER_TIMEOUT`].
pub(crate) fn http() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().timeout(ANSWER_TIMEOUT).no_proxy().build()?)
}

/// One answer of the API, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    /// The body as JSON, or as a string where it is none.
    pub body: Value,
}

impl Answer {
    /// A header's text; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The `generation_id` of the body.
    ///
    /// # Panics
    /// When there is none: the answer was not what the test is about.
    pub fn generation_id(&self) -> Uuid {
        let id = self.body["generation_id"].as_str().and_then(|text| text.parse().ok());
        id.unwrap_or_else(|| panic!("no generation_id in {self:?}"))
    }

    /// The same answer, if it has this status.
    ///
    /// # Panics
    /// When it has another, quoting the answer.
    #[must_use]
    pub fn expecting(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }
}

/// Calls the API with one user's token, or with none.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

impl Client {
    /// A client of the API at `base`.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(base: Url, token: Option<String>) -> anyhow::Result<Self> {
        Ok(Self { http: http()?, base, token })
    }

    /// A request to `path` with the token, to be changed before it is sent.
    ///
    /// # Panics
    /// When `path` is no path.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, self.base.join(path).expect("paths of this API are well-formed"));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends `request` and reads the answer whole, whatever its status.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        let answer = request.send().await.context("the API cannot be reached")?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, headers, body })
    }

    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(self.request(Method::GET, path)).await
    }

    /// `POST /api/v1/generate`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn generate(&self, body: &Value) -> anyhow::Result<Answer> {
        self.post("/api/v1/generate", body, None).await
    }

    /// `POST /api/v1/generate` under an idempotency key.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn generate_once(&self, key: &str, body: &Value) -> anyhow::Result<Answer> {
        self.post("/api/v1/generate", body, Some(key)).await
    }

    /// `POST /api/v1/quotes`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn quote(&self, body: &Value) -> anyhow::Result<Answer> {
        self.send(self.request(Method::POST, "/api/v1/quotes").json(body)).await
    }

    /// `GET /api/v1/status/{generation_id}`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn status(&self, generation_id: Uuid) -> anyhow::Result<Answer> {
        self.get(&format!("/api/v1/status/{generation_id}")).await
    }

    /// `POST /api/v1/generations/{generation_id}/cancel`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn cancel(&self, generation_id: Uuid) -> anyhow::Result<Answer> {
        let path = format!("/api/v1/generations/{generation_id}/cancel");
        self.send(self.request(Method::POST, &path)).await
    }

    /// `DELETE /api/v1/generations/{generation_id}`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn delete(&self, generation_id: Uuid) -> anyhow::Result<Answer> {
        self.send(self.request(Method::DELETE, &format!("/api/v1/generations/{generation_id}"))).await
    }

    /// `GET /api/v1/workflows`: what is on offer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn workflows(&self) -> anyhow::Result<Answer> {
        self.get("/api/v1/workflows").await
    }

    /// `POST` to `path` with a body, under an idempotency key or none.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> anyhow::Result<Answer> {
        let request = self.request(Method::POST, path).json(body);
        let request = if let Some(key) = key { request.header("Idempotency-Key", key) } else { request };
        self.send(request).await
    }

    /// `POST /api/v1/credits/purchase`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn buy(&self, pack_id: &str) -> anyhow::Result<Answer> {
        self.post("/api/v1/credits/purchase", &json!({ "pack_id": pack_id }), None).await
    }

    /// `POST /api/v1/subscriptions`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn subscribe(&self, plan_id: Uuid) -> anyhow::Result<Answer> {
        self.post("/api/v1/subscriptions", &json!({ "plan_id": plan_id }), None).await
    }

    /// The balance that `GET /api/v1/credits` tells.
    ///
    /// # Errors
    /// When there is no answer, or another than 200.
    pub async fn balance(&self) -> anyhow::Result<i64> {
        let answer = self.get("/api/v1/credits").await?;
        answer.body["balance"].as_i64().with_context(|| format!("no balance in {answer:?}"))
    }

    /// Looks at a generation until it is final, telling each look to `seen`; waits where it is told to.
    ///
    /// # Errors
    /// When a look fails, or it is not final within `patience`.
    pub async fn wait(
        &self,
        generation_id: Uuid,
        patience: Duration,
        mut seen: impl FnMut(&Value),
    ) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let answer = self.status(generation_id).await?;
            if answer.status == StatusCode::TOO_MANY_REQUESTS && begun.elapsed() < patience {
                // We look more often than a front end would, to show how long things take.
                tokio::time::sleep(answer.header("retry-after").parse().map_or(LOOK_EVERY, Duration::from_secs)).await;
                continue;
            }
            ensure!(answer.status == StatusCode::OK, "the status was answered with {}: {}", answer.status, answer.body);
            seen(&answer.body);
            if answer.body["status"] != "processing" {
                return Ok(answer.body);
            }
            ensure!(begun.elapsed() < patience, "still not final after {} s: {}", patience.as_secs(), answer.body);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Downloads what a link leads to, without the token: links sign themselves.
    ///
    /// # Errors
    /// When the link does not lead to anything.
    pub async fn download(&self, link: &str) -> anyhow::Result<Vec<u8>> {
        let answer =
            self.http.get(link).send().await?.error_for_status().context("a link to a picture leads nowhere")?;
        Ok(answer.bytes().await?.to_vec())
    }
}
