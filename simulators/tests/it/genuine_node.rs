//! Supabase's and RunPod's own JavaScript clients against the simulators: programs of `genuine/node`, which say in one line of JSON for
//! each check how it went. They are skipped where there is no Node or no npm registry.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use simulators::runpod::JobFault;
use simulators::{RunPodFault, RunPodOptions, RunPodSim, SupabaseHandle};

use crate::installed::{installed, say_skipped};
use crate::support::{Worker, options, project};

/// How long a program may run. It takes a second or two.
const PROGRAM_MAX: Duration = Duration::from_secs(60);
/// How long the worker's question for a job is held open.
const POLL_WAIT: Duration = Duration::from_millis(200);
/// Beyond the shortest wait that RunPod's client asks for.
const SLOW_MS: u64 = 1_300;
/// Questions for a job, answered or not, before a worker gives up.
const POLLS_MAX: u32 = 1_000;

/// Where the programs lie beside their modules, made by whoever asks first; why there is none, where there is none.
fn programs() -> &'static Result<PathBuf, String> {
    static PROGRAMS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("genuine-node");
        installed("node-env", &[sources.join("genuine/node").as_os_str(), work.as_os_str()]).map(|_| work)
    })
}

/// Runs a program to its end; the names of its checks, all of which must have gone well. None where it is skipped.
async fn run(program: &str, settings: &[(&str, String)]) -> Option<Vec<String>> {
    // The first to ask waits for npm.
    let folder = match tokio::task::spawn_blocking(programs).await.unwrap() {
        Ok(folder) => folder,
        Err(reason) => {
            say_skipped(&format!("{program} of genuine/node"), reason);
            return None;
        }
    };
    let mut command = tokio::process::Command::new("node");
    command.arg(program).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    // A proxy of the machine leads nowhere from here.
    command.envs(["NO_PROXY", "no_proxy"].map(|name| (name, "127.0.0.1")));
    command.envs(settings.iter().map(|(name, value)| (name, value.as_str())));
    let output = tokio::time::timeout(PROGRAM_MAX, command.output()).await.expect("the program does not end").unwrap();
    Some(passed(program, &output))
}

fn passed(program: &str, output: &Output) -> Vec<String> {
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // A client may print lines of its own between ours.
    let lines = said.lines().filter_map(|line| serde_json::from_str::<BTreeMap<String, Value>>(line).ok());
    let (good, bad): (Vec<_>, Vec<_>) =
        lines.filter(|line| line.contains_key("check")).partition(|line| line["ok"] == true);
    let bad: Vec<String> = bad.iter().map(|line| format!("{}: {}", line["check"], line["error"])).collect();
    assert!(bad.is_empty() && output.status.success(), "{program}:\n{}\n{complaint}", bad.join("\n"));
    good.iter().map(|line| line["check"].as_str().unwrap().to_owned()).collect()
}

fn keys(sim: &SupabaseHandle, key: &str, service_key: &str) -> [(&'static str, String); 3] {
    [("SUPABASE_URL", sim.url()), ("SUPABASE_KEY", key.to_owned()), ("SUPABASE_SERVICE_KEY", service_key.to_owned())]
}

#[tokio::test]
async fn supabase_js_signs_in_and_keeps_files_with_the_new_keys() {
    let sim = project();
    let Some(checks) = run("supabase.mjs", &keys(&sim, sim.publishable_key(), sim.secret_key())).await else { return };
    assert!(checks.len() >= 30, "{checks:?}");
    assert_eq!(sim.objects().iter().filter(|object| object.key.contains("/inputs/")).count(), 1);
}

#[tokio::test]
async fn supabase_js_signs_in_and_keeps_files_with_the_legacy_keys() {
    let sim = project();
    run("supabase.mjs", &keys(&sim, sim.anon_key(), sim.service_key())).await;
}

#[tokio::test]
async fn runpods_client_runs_jobs_and_is_refused_as_by_the_platform() {
    let [product, worked, idle] = ["product", "ep1", "idle"].map(str::to_owned);
    let attached = vec![worked.clone(), idle.clone()];
    let endpoints = vec![product, worked, idle];
    let sim = RunPodSim::start(RunPodOptions { endpoints, attached, poll_wait: POLL_WAIT, ..options() }).unwrap();
    sim.script(RunPodFault::new(JobFault::GenerationTime { ms: SLOW_MS }).prompt_contains("slow").always());
    let fails = JobFault::Fails { error: json!("the worker's own words"), output: None };
    sim.script(RunPodFault::new(fails).prompt_contains("broken").always());
    let worker = tokio::spawn(stream_words(Worker::of(&sim, "pod1")));

    let settings = [("RUNPOD_API_URL", sim.api_url()), ("RUNPOD_API_KEY", sim.api_key().to_owned())];
    let checks = run("runpod.mjs", &settings).await;
    worker.abort();
    assert!(checks.is_none_or(|checks| checks.len() >= 9));
}

/// A worker that streams the words of its input, one by one, and returns them all.
async fn stream_words(worker: Worker) {
    for _ in 0..POLLS_MAX {
        let (status, job) = worker.take().await;
        if status != 200 {
            continue;
        }
        let id = job["id"].as_str().unwrap();
        let words = &job["input"]["words"];
        for word in words.as_array().unwrap() {
            assert_eq!(worker.post("job-stream", id, &json!({ "output": word })).await, 200);
        }
        assert_eq!(worker.done(id, &json!({ "output": words })).await, 200);
    }
}
