//! What the tests share: a client of each simulator, a place where webhooks arrive, and polling with a deadline.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use poem::listener::{Acceptor, Listener, TcpListener};
use poem::web::Data;
use poem::{EndpointExt, Route, Server, handler, http::StatusCode, post};
use serde_json::{Value, json};
use simulators::{RunPodHandle, RunPodOptions, RunPodSim, SupabaseHandle, SupabaseOptions, SupabaseSim, Time};

/// How long a test polls for what must happen soon.
const SOON: Duration = Duration::from_secs(5);
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// A client for plain HTTP; without roots to load it is made at once.
pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().tls_certs_only(std::iter::empty()).build().unwrap()
}

/// Gets a URL.
pub(crate) async fn get(url: impl AsRef<str>) -> reqwest::Result<reqwest::Response> {
    http().get(url.as_ref()).send().await
}

/// Small pictures: these tests are about behaviour, not about pixels.
pub(crate) fn options() -> RunPodOptions {
    RunPodOptions { picture_size: (48, 64), ..RunPodOptions::default() }
}

/// A simulator whose clock stands still.
pub(crate) fn by_hand() -> RunPodHandle {
    let options = RunPodOptions { time: Time::Manual, generation_time: Duration::from_secs(20), ..options() };
    RunPodSim::start(options).unwrap()
}

/// A simulator whose jobs are done at once.
pub(crate) fn at_once() -> RunPodHandle {
    RunPodSim::start(options()).unwrap()
}

/// A complete request for two pictures.
pub(crate) fn model(prompt: &str) -> Value {
    json!({"workflow_type": "model", "num_outputs": 2, "output_format": "png", "seed": 42,
        "input": {"gender": "female", "pose": "walking", "age_range": "25-35", "ethnicity": "mixed", "prompt": prompt}})
}

/// A client of the RunPod simulator.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Client {
    pub(crate) fn of(sim: &RunPodHandle) -> Self {
        Self { http: http(), url: format!("{}/ep1", sim.api_url()), key: sim.api_key().to_owned() }
    }

    pub(crate) async fn send(&self, path: &str, body: Option<&Value>) -> reqwest::Result<(u16, Value)> {
        let url = format!("{}/{path}", self.url);
        let request = match body {
            Some(body) => self.http.post(url).json(body),
            None => self.http.get(url),
        };
        let answer = request.bearer_auth(&self.key).timeout(SOON).send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    pub(crate) async fn run(&self, body: &Value) -> String {
        let (status, answer) = self.send("run", Some(body)).await.unwrap();
        assert_eq!((status, &answer["status"]), (200, &json!("IN_QUEUE")), "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn run_model(&self) -> String {
        self.run(&json!({"input": model("a red coat")})).await
    }

    pub(crate) async fn status(&self, id: &str) -> Value {
        let (status, answer) = self.send(&format!("status/{id}"), None).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) async fn status_code(&self, id: &str) -> u16 {
        self.send(&format!("status/{id}"), None).await.unwrap().0
    }

    pub(crate) async fn post(&self, path: &str) -> (u16, Value) {
        self.send(path, Some(&json!({}))).await.unwrap()
    }
}

/// A worker of endpoint `ep1`, as RunPod's SDK speaks: the key bare, and JSON that is called a form.
pub(crate) struct Worker {
    http: reqwest::Client,
    url: String,
    key: String,
    pod: String,
}

impl Worker {
    pub(crate) fn of(sim: &RunPodHandle, pod: &str) -> Self {
        let (url, key) = (format!("{}/ep1", sim.api_url()), sim.worker_key().to_owned());
        Self { http: http(), url, key, pod: pod.to_owned() }
    }

    /// Calls `/{operation}/{pod}`.
    pub(crate) async fn get(&self, operation: &str, query: &str) -> (u16, Value) {
        let url = format!("{}/{operation}/{}?{query}", self.url, self.pod);
        let answer = self.http.get(url).header("authorization", &self.key).timeout(SOON).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    pub(crate) async fn take(&self) -> (u16, Value) {
        self.get("job-take", "gpu=NVIDIA+A40&job_in_progress=0").await
    }

    /// Calls `/{operation}/{pod}/{job}`.
    pub(crate) async fn post(&self, operation: &str, job: &str, body: &Value) -> u16 {
        let url = format!("{}/{operation}/{}/{job}?gpu=NVIDIA+A40&isStream=false", self.url, self.pod);
        let request = self.http.post(url).header("authorization", &self.key).timeout(SOON);
        let form = request.header("content-type", "application/x-www-form-urlencoded").body(body.to_string());
        form.send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn done(&self, job: &str, body: &Value) -> u16 {
        self.post("job-done", job, body).await
    }
}

/// A server that keeps the webhooks it gets.
pub(crate) struct Receiver {
    pub(crate) url: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

#[handler]
fn receive(
    body: poem::web::Json<Value>,
    answer: Data<&StatusCode>,
    bodies: Data<&Arc<Mutex<Vec<Value>>>>,
) -> StatusCode {
    bodies.lock().unwrap().push(body.0);
    **answer
}

impl Receiver {
    /// Answers every webhook with this status.
    pub(crate) async fn start(answer: StatusCode) -> Self {
        let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
        let address = acceptor.local_addr().remove(0).as_socket_addr().copied().unwrap();
        let routes = Route::new().at("/hook", post(receive)).data(Arc::clone(&bodies)).data(answer);
        tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
        Self { url: format!("http://{address}/hook?token=t"), bodies }
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }
}

/// Looks until it holds; panics after a few seconds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < SOON, "not in time: {what}");
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// A project with everything in memory.
pub(crate) fn project() -> SupabaseHandle {
    SupabaseSim::start(SupabaseOptions::default()).unwrap()
}

/// An answer of storage.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// A client of the storage simulator.
pub(crate) struct Files {
    http: reqwest::Client,
    url: String,
    token: String,
    apikey: String,
}

impl Files {
    /// With the service key.
    pub(crate) fn of(sim: &SupabaseHandle) -> Self {
        Self::with_token(sim, sim.service_key().to_owned())
    }

    pub(crate) fn with_token(sim: &SupabaseHandle, token: String) -> Self {
        let url = format!("{}/storage/v1", sim.url());
        Self { http: http(), url, token, apikey: sim.anon_key().to_owned() }
    }

    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}/{path}", self.url)).timeout(SOON);
        request.bearer_auth(&self.token).header("apikey", &self.apikey)
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answered {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        Answered { status, body: serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default() }
    }

    pub(crate) async fn json(&self, method: reqwest::Method, path: &str, body: &Value) -> Answered {
        self.send(self.request(method, path).json(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(self.request(reqwest::Method::GET, path)).await
    }

    /// Uploads as a PNG.
    pub(crate) async fn upload(&self, path: &str, bytes: &[u8]) -> Answered {
        let request = self.request(reqwest::Method::POST, &format!("object/{path}"));
        self.send(request.header("content-type", "image/png").body(bytes.to_vec())).await
    }
}

/// A project with the private bucket `pictures`: PNG only, a mebibyte at most.
pub(crate) async fn with_bucket() -> SupabaseHandle {
    let sim = project();
    let bucket = json!({"id": "pictures", "name": "pictures", "public": false, "file_size_limit": 1_048_576, "allowed_mime_types": ["image/png"]});
    let made = Files::of(&sim).json(reqwest::Method::POST, "bucket", &bucket).await;
    assert_eq!((made.status, made.body), (200, json!({"name": "pictures"})));
    sim
}

/// Holds that storage refused with this HTTP status, and this status and code in the body.
#[track_caller]
pub(crate) fn refused(answer: &Answered, http: u16, status: &str, code: &str) {
    assert_eq!((answer.status, &answer.body["statusCode"], &answer.body["code"]), (http, &json!(status), &json!(code)));
}
