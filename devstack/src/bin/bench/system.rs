//! The system under load: the API and workers as the processes they are in production, and the simulators as one of
//! their own, on a database of their own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use devstack::bucket::BUCKET;
use devstack::postgres::Service;
use devstack::stack::{Child, local_dir};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::exchange::{Api, request};
use crate::processes::{Memory, Program, memory};
use crate::server::{Database, Server, numbered};
use crate::spend::{ENDPOINT, RATE_PER_MINUTE, RUNS_OPEN_MAX, body};
use crate::watch::Watch;

/// How long all processes together may take to be ready.
const READY_PATIENCE: Duration = Duration::from_secs(60);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const RUNPOD_KEY: &str = "rpa_simulated_key";
/// Jobs that run at a time at the simulated RunPod: never what bounds anything here.
const RUNPOD_WORKERS: u32 = 256;

/// What kind of system is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) workers: u16,
    pub(crate) webhooks: bool,
    /// Who have a token.
    pub(crate) users: u32,
    /// Most connections of the API to the database.
    pub(crate) pool: u32,
    /// How long the simulated RunPod takes for a generation.
    pub(crate) generation_time: Duration,
    pub(crate) picture_side: u32,
    /// Outputs of a request.
    pub(crate) outputs: u8,
    /// Whether users have the default limits; otherwise only their balance limits them.
    pub(crate) default_limits: bool,
}

/// Somebody with a token, and the requests she sends, written once.
pub(crate) struct User {
    pub(crate) generate: Vec<u8>,
    /// A look at the generation that has her number.
    pub(crate) status: Vec<u8>,
    pub(crate) token: String,
}

pub(crate) struct System {
    pub(crate) database: Database,
    pub(crate) api: Arc<Api>,
    pub(crate) users: Arc<Vec<User>>,
    // Stopped in this order: the processes before what they talk to.
    children: Vec<(&'static str, Child)>,
}

impl System {
    pub(crate) async fn start(server: &Server, options: Options) -> anyhow::Result<Self> {
        let database = server.database().await?;
        let logs = local_dir("bench/log")?;
        let deadline = Instant::now() + READY_PATIENCE;
        let [runpod, supabase, payments, api, api_metrics] = free_ports::<5>()?;
        let simulators = [
            ("--runpod-port", runpod.port().to_string()),
            ("--supabase-port", supabase.port().to_string()),
            ("--payments-port", payments.port().to_string()),
            ("--runpod-key", RUNPOD_KEY.to_owned()),
            ("--workers", RUNPOD_WORKERS.to_string()),
            ("--generation-ms", options.generation_time.as_millis().to_string()),
            ("--picture-side", options.picture_side.to_string()),
        ];
        let arguments: Vec<&str> = simulators.iter().flat_map(|(name, value)| [*name, value.as_str()]).collect();
        let mut child = Child::spawn(&logs, "simulators", ("simulators", &arguments), &[])?;
        child.ready(deadline, async || TcpStream::connect(payments).is_ok()).await?;
        let supabase_url = format!("http://{supabase}");
        let service_key = service_key(&supabase_url).await?;
        make_bucket(&supabase_url, &service_key).await?;
        let mut children = vec![("simulators", child)];

        let common = settings(options, runpod, &supabase_url, &service_key, api);
        let with = |service: Service, metrics: SocketAddr| {
            let mut settings = common.clone();
            settings.push(("DATABASE_URL".into(), database.service_url(service)));
            settings.push(("METRICS_BIND".into(), metrics.to_string()));
            settings
        };
        let settings = with(Service::Api, api_metrics);
        children.insert(0, ("shootx-api", Child::spawn(&logs, "api", ("shootx-api", &["serve"]), &settings)?));
        for number in 0..options.workers {
            let [metrics] = free_ports::<1>()?;
            let (name, settings) = (format!("worker-{}", number + 1), with(Service::Worker, metrics));
            let mut worker = Child::spawn(&logs, &name, ("shootx-worker", &["run"]), &settings)?;
            worker.ready(deadline, async || TcpStream::connect(metrics).is_ok()).await?;
            children.insert(0, ("shootx-worker", worker));
        }
        for (name, child) in children.iter_mut().filter(|(name, _)| *name == "shootx-api") {
            child.ready(deadline, async || TcpStream::connect(api).is_ok()).await.context(*name)?;
        }
        let users = Arc::new(sign_in(&supabase_url, options).await?);
        Ok(Self { database, api: Arc::new(Api::new(api)), users, children })
    }

    /// Looks at this system.
    pub(crate) fn watch(&self) -> Watch {
        let programs = self
            .children
            .iter()
            .filter_map(|(name, child)| Some(Program { name, pid: child.pid()?, has_children: false }));
        self.database.watch(programs)
    }

    /// The memory of each process but the simulators.
    pub(crate) fn memory(&self) -> Vec<(String, Memory)> {
        let ours = self.children.iter().filter(|(name, _)| *name != "simulators");
        ours.filter_map(|(name, child)| Some(((*name).to_owned(), memory(child.pid()?)?))).collect()
    }

    /// Ends all processes in order; the books must balance.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.api.hang_up();
        let (simulators, ours): (Vec<_>, Vec<_>) =
            self.children.iter_mut().partition(|(name, _)| *name == "simulators");
        futures::future::join_all(ours.into_iter().map(|(_, child)| child.stop())).await;
        futures::future::join_all(simulators.into_iter().map(|(_, child)| child.stop())).await;
        self.database.close().await
    }
}

/// The settings of both services. What is not among them comes from our own environment, which should say nothing.
fn settings(
    options: Options,
    runpod: SocketAddr,
    supabase_url: &str,
    service_key: &str,
    api: SocketAddr,
) -> Vec<(String, String)> {
    let settings = [
        ("API_BIND", api.to_string()),
        ("PUBLIC_URL", format!("http://{api}")),
        ("DATABASE_POOL_MAX", options.pool.to_string()),
        ("WEBHOOK_SECRET", Uuid::new_v4().to_string()),
        ("WEBHOOKS", if options.webhooks { "on" } else { "off" }.to_owned()),
        ("SUPABASE_URL", supabase_url.to_owned()),
        ("SUPABASE_SERVICE_KEY", service_key.to_owned()),
        ("RUNPOD_API_URL", format!("http://{runpod}/v2")),
        ("RUNPOD_API_KEY", RUNPOD_KEY.to_owned()),
        ("COMFYUI_ENDPOINT_ID", ENDPOINT.to_owned()),
        ("OUTPUT_HOSTS", "127.0.0.1".to_owned()),
        ("STRIPE_SECRET_KEY", String::new()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", String::new()),
        ("LOG_FORMAT", "json".to_owned()),
        ("RUST_LOG", "info,sqlx=warn,hyper=warn,reqwest=warn".to_owned()),
    ];
    let raised = [
        ("GENERATE_RATE_PER_MINUTE", RATE_PER_MINUTE.to_string()),
        ("GENERATIONS_OPEN_MAX", RUNS_OPEN_MAX.to_string()),
        ("QUEUE_MAX", "1000000".to_owned()),
        ("USER_RATE_PER_SECOND", "100000".to_owned()),
        ("ADDRESS_RATE_PER_SECOND", "100000".to_owned()),
    ];
    let raised = raised.into_iter().filter(|_| !options.default_limits);
    settings.into_iter().chain(raised).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A token for each, from the simulated project's own key; who has signed up is a matter of the database.
async fn sign_in(supabase_url: &str, options: Options) -> anyhow::Result<Vec<User>> {
    let http = http()?;
    let body = body(options.outputs).to_string();
    let mut users = Vec::new();
    for number in 1..=options.users {
        let asked = json!({ "user_id": numbered(number) });
        let answer: Value = http.post(format!("{supabase_url}/_sim/token")).json(&asked).send().await?.json().await?;
        let token = answer["access_token"].as_str().with_context(|| format!("no token in {answer}"))?.to_owned();
        users.push(User {
            generate: request("POST", "/api/v1/generate", &token, Some(&body)),
            status: request("GET", &format!("/api/v1/status/{}", numbered(number)), &token, None),
            token,
        });
    }
    Ok(users)
}

async fn make_bucket(supabase_url: &str, service_key: &str) -> anyhow::Result<()> {
    let request = http()?.post(format!("{supabase_url}/storage/v1/bucket")).bearer_auth(service_key);
    let answer = request.json(&json!({"id": BUCKET, "name": BUCKET, "public": false})).send().await?;
    ensure!(answer.status().is_success(), "the bucket cannot be made: {}", answer.text().await?);
    Ok(())
}

/// The simulated project's key, which a dashboard would show.
async fn service_key(supabase_url: &str) -> anyhow::Result<String> {
    let answer: Value = http()?.get(format!("{supabase_url}/_sim/keys")).send().await?.json().await?;
    Ok(answer["service_key"].as_str().context("the simulators told no key")?.to_owned())
}

fn http() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().timeout(CALL_TIMEOUT).no_proxy().build()?)
}

/// All are held until the last is chosen, so that none is chosen twice.
fn free_ports<const COUNT: usize>() -> anyhow::Result<[SocketAddr; COUNT]> {
    let held = (0..COUNT).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<Vec<_>, _>>()?;
    let addresses = held.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    addresses.try_into().map_err(|_| anyhow::anyhow!("as many ports as were asked for"))
}
