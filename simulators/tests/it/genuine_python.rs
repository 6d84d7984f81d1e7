//! RunPod's own Python package on both sides of the simulator: its worker loop with a handler of ours, and its client. These tests
//! wait for real processes, so they poll with a deadline. They are skipped where the package cannot be had.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulators::runpod::JobFault;
use simulators::{RunPodFault, RunPodHandle, RunPodOptions, RunPodSim};

use crate::installed::{installed, say_skipped};
use crate::support::{Client, options};

/// How long a step of another process is waited for. It takes a second or two on a machine that has nothing else to do.
const STEP_MAX: Duration = Duration::from_secs(60);
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Beyond what is given for a result.
const TOO_MANY_BYTES: usize = 11 * 1024 * 1024;

fn python_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("genuine/python")
}

/// The Python that has RunPod's package, installed by whoever asks first; why there is none, where there is none.
fn python() -> &'static Result<PathBuf, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PYTHON.get_or_init(|| {
        installed("python-env", &[python_dir().as_os_str()]).map(|folder| Path::new(&folder).join("bin/python"))
    })
}

/// Says why a test is skipped, if it is.
fn is_skipped(test: &str) -> bool {
    python().as_ref().inspect_err(|reason| say_skipped(test, reason)).is_err()
}

/// A program of ours in Python, and all it starts. It is killed when this is dropped, and ends by itself when this process does.
struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    fn start(name: &str, script: &str, arguments: &[&str], settings: &[(&str, String)]) -> Self {
        let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let log = scratch.join(format!("genuine-{name}-{}.log", std::process::id()));
        let file = File::create(&log).unwrap();
        let child = std::os::unix::process::CommandExt::process_group(
            Command::new(python().as_ref().unwrap())
                .arg(python_dir().join(script))
                .args(arguments)
                .envs(settings.iter().map(|(name, value)| (name, value.as_str())))
                // Nothing of the user's own configuration, and nothing written beside the sources.
                .env("HOME", &scratch)
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .env("PYTHONUNBUFFERED", "1")
                .env("RUNPOD_LOG_LEVEL", "INFO")
                .envs(["NO_PROXY", "no_proxy"].map(|name| (name, "127.0.0.1")))
                .stdin(Stdio::piped())
                .stdout(file.try_clone().unwrap())
                .stderr(file),
            0,
        )
        .spawn()
        .unwrap();
        Self { child, log }
    }

    /// A worker of endpoint `ep1`, with the environment of a RunPod pod.
    fn worker(sim: &RunPodHandle, pod: &str, handler: &str) -> Self {
        let base = format!("{}/ep1", sim.api_url());
        let settings = [
            ("RUNPOD_WEBHOOK_GET_JOB", format!("{base}/job-take/$ID?gpu=NVIDIA+A40")),
            ("RUNPOD_WEBHOOK_POST_OUTPUT", format!("{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=NVIDIA+A40")),
            ("RUNPOD_WEBHOOK_POST_STREAM", format!("{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=NVIDIA+A40")),
            ("RUNPOD_WEBHOOK_PING", format!("{base}/ping/$RUNPOD_POD_ID?gpu=NVIDIA+A40")),
            ("RUNPOD_PING_INTERVAL", "1000".to_owned()),
            ("RUNPOD_AI_API_KEY", sim.worker_key().to_owned()),
            ("RUNPOD_POD_ID", pod.to_owned()),
            ("RUNPOD_ENDPOINT_ID", "ep1".to_owned()),
            ("RUNPOD_SKIP_AUTO_SYSTEM_CHECKS", "true".to_owned()),
            ("RUNPOD_SKIP_GPU_CHECK", "true".to_owned()),
            ("HANDLER", handler.to_owned()),
        ];
        Self::start(pod, "handler.py", &[], &settings)
    }

    fn client(name: &str, sim: &RunPodHandle, arguments: &[&str]) -> Self {
        let settings = [("RUNPOD_ENDPOINT_BASE_URL", sim.api_url()), ("RUNPOD_API_KEY", sim.api_key().to_owned())];
        Self::start(name, "client.py", arguments, &settings)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for its end, which must be a good one; what it printed.
    async fn succeed(mut self) -> String {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < STEP_MAX, "it does not end:\n{}", self.log());
            tokio::time::sleep(LOOK_PAUSE).await;
        };
        assert!(status.success(), "{status}:\n{}", self.log());
        self.log()
    }
}

impl Drop for Program {
    /// Kills the whole group at once, as the end of a container does; the worker's pings come from a process of their own.
    fn drop(&mut self) {
        let _ =
            Command::new("sh").args(["-c", &format!("kill -9 -{}", self.child.id())]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

fn attached() -> RunPodHandle {
    RunPodSim::start(RunPodOptions { attached: vec!["ep1".to_owned()], ..options() }).unwrap()
}

async fn run(client: &Client, input: Value) -> String {
    client.run(&json!({ "input": input })).await
}

/// Looks at a job until it is as wanted.
async fn until(client: &Client, id: &str, worker: &Program, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let job = client.status(id).await;
        if wanted(&job) {
            return job;
        }
        assert!(start.elapsed() < STEP_MAX, "not in time, the job is {job}; its worker said:\n{}", worker.log());
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

async fn until_ended(client: &Client, id: &str, worker: &Program) -> Value {
    until(client, id, worker, |job| job["status"] == "COMPLETED" || job["status"] == "FAILED").await
}

#[tokio::test]
async fn a_genuine_worker_works_is_watched_and_is_stopped() {
    if is_skipped("a_genuine_worker_works_is_watched_and_is_stopped") {
        return;
    }
    let sim = attached();
    let (client, worker) = (Client::of(&sim), Program::worker(&sim, "pod-a", ""));

    let id = run(&client, json!({"progress": ["1/2"], "sleep_s": 600})).await;
    let job = until(&client, &id, &worker, |job| job["output"] == "1/2").await;
    assert_eq!((&job["status"], &job["workerId"]), (&json!("IN_PROGRESS"), &json!("pod-a")));
    let pinged =
        |pod: &simulators::runpod::PodView| pod.version.as_deref() == Some("1.12.0") && pod.jobs == [id.as_str()];
    until(&client, &id, &worker, |_| sim.pods().iter().any(pinged)).await;
    client.post(&format!("cancel/{id}")).await;

    // It would sleep on for ten minutes if it had not been stopped.
    let next = run(&client, json!({"return": {"answer": 42}})).await;
    let job = until_ended(&client, &next, &worker).await;
    assert_eq!((&job["status"], &job["output"]), (&json!("COMPLETED"), &json!({"answer": 42})));
    assert_eq!(client.status(&id).await["status"], "CANCELLED");
}

#[tokio::test]
async fn every_end_of_a_genuine_workers_job_shows_as_on_the_platform() {
    if is_skipped("every_end_of_a_genuine_workers_job_shows_as_on_the_platform") {
        return;
    }
    let sim = attached();
    let (client, worker) = (Client::of(&sim), Program::worker(&sim, "pod-b", ""));
    let end = async |input: Value| until_ended(&client, &run(&client, input).await, &worker).await;

    let job = end(json!({"raise": "no such garment"})).await;
    let error: Value = serde_json::from_str(job["error"].as_str().unwrap()).unwrap();
    assert_eq!((&job["status"], &error["error_type"]), (&json!("FAILED"), &json!("<class 'ValueError'>")));
    assert_eq!((&error["error_message"], &error["worker_id"]), (&json!("no such garment"), &json!("pod-b")));
    assert!(error["error_traceback"].as_str().unwrap().starts_with("Traceback"));

    let job = end(json!({"return": {"error": "Job processing failed", "details": ["x"]}})).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("FAILED"), &json!("Job processing failed")));
    assert_eq!(job["output"], json!({"details": ["x"]}));

    for lost in [json!({"return": {"error": {"code": 1}}}), json!({"bytes": TOO_MANY_BYTES})] {
        let job = end(lost).await;
        assert_eq!((&job["status"], job.get("output")), (&json!("COMPLETED"), None));
    }

    let late = json!({"return": "done", "late_progress": "9/10", "late_s": 1});
    let ignored = run(&client, late.clone()).await;
    until(&client, &ignored, &worker, |_| sim.counts().progress_late == 1).await;
    assert_eq!(client.status(&ignored).await["output"], "done");
    sim.script(JobFault::LateProgressWins);
    let stuck = run(&client, late).await;
    let job = until(&client, &stuck, &worker, |_| sim.counts().progress_late == 2).await;
    let job = if job["output"] == "9/10" { job } else { client.status(&stuck).await };
    assert_eq!((&job["status"], &job["output"]), (&json!("IN_PROGRESS"), &json!("9/10")));
}

#[tokio::test]
async fn the_job_of_a_killed_worker_is_done_by_another() {
    if is_skipped("the_job_of_a_killed_worker_is_done_by_another") {
        return;
    }
    let sim = attached();
    let client = Client::of(&sim);
    let mut workers = ["pod-c", "pod-d"].map(|pod| Some(Program::worker(&sim, pod, "")));
    let slept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("genuine-slept-{}", std::process::id()));
    let _ = std::fs::remove_file(&slept);
    let id = run(&client, json!({"sleep_s": 600, "sleep_once": slept, "return": "done"})).await;
    let sleeps = |_: &Value| slept.exists();
    let job = until(&client, &id, workers[0].as_ref().unwrap(), sleeps).await;
    assert_eq!(job["status"], "IN_PROGRESS");
    let first = usize::from(sim.job(&id).unwrap().pod.unwrap() == "pod-d");
    drop(workers[first].take());

    sim.advance(RunPodOptions::default().silence);
    let second = workers[1 - first].as_ref().unwrap();
    let job = until_ended(&client, &id, second).await;
    assert_eq!((&job["status"], &job["output"], &job["retries"]), (&json!("COMPLETED"), &json!("done"), &json!(1)));
    assert_eq!(job["workerId"], ["pod-d", "pod-c"][first]);
    std::fs::remove_file(&slept).unwrap();
}

#[tokio::test]
async fn runpods_own_client_finds_everything_as_it_expects() {
    if is_skipped("runpods_own_client_finds_everything_as_it_expects") {
        return;
    }
    let drawing = RunPodOptions { workers: 1, generation_time: Duration::from_millis(100), ..options() };
    let sim = RunPodSim::start(drawing).unwrap();
    sim.script(RunPodFault::new(JobFault::Fails { error: json!("no"), output: None }).prompt_contains("fails"));
    sim.script(RunPodFault::new(JobFault::NeverFinishes).prompt_contains("never ends"));
    let streaming = attached();
    let worker = Program::worker(&streaming, "pod-e", "stream");
    let calls = Program::client("calls", &sim, &["ep1"]);
    let chunks = Program::client("chunks", &streaming, &["ep1", "stream"]);
    for client in [calls, chunks] {
        let printed = client.succeed().await;
        assert!(printed.lines().last().unwrap().contains(r#""ok": "all""#), "{printed}\n{}", worker.log());
    }
}
