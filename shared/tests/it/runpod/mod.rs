//! The contract with RunPod, held against the simulator here and against the service itself by hand.
//!
//! `contract` is what any RunPod must do; `faults` scripts what only a simulator does on demand. With the feature `live`
//! and `RUNPOD_API_KEY`, `COMFYUI_ENDPOINT_ID` and `OUTPUT_HOSTS` set, `contract` runs against an account; it spends
//! three GPU jobs at most.

mod contract;
mod endings;
mod faults;
#[cfg(feature = "live")]
mod live;
mod simulated;
mod traced;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use shared::config::RunPodSettings;
use shared::runpod::{RunPod, Submission};
use shared::workflow::{OutputFormat, product_input};
use simulators::{RunPodHandle, RunPodOptions, RunPodSim};

/// The endpoint that the simulator knows.
const ENDPOINT: &str = "endpoint-1";

/// A simulator that completes jobs at once, with small pictures.
fn simulator() -> RunPodHandle {
    let options = RunPodOptions { endpoints: vec![ENDPOINT.to_owned()], picture_size: (64, 48), ..Default::default() };
    RunPodSim::start(options).expect("a free port")
}

/// A client of the simulator, with this key.
fn client(simulator: &RunPodHandle, key: &str) -> RunPod {
    let settings = RunPodSettings {
        api_url: simulator.api_url().parse().expect("a URL"),
        api_key: key.to_owned().into(),
        endpoint_default: ENDPOINT.to_owned(),
        endpoints: BTreeMap::new(),
        dialects: BTreeMap::new(),
        cold_start: Duration::ZERO,
        output_hosts: vec!["127.0.0.1".to_owned()],
    };
    RunPod::new(&settings).expect("sound settings")
}

/// Two pictures of a model.
fn submission(seed: i64) -> Submission {
    let parameters = json!({
        "gender": "female", "pose": "standing", "age_range": "25-35", "ethnicity": "mixed",
        "background": "natural", "prompt": "a red coat in the rain",
    });
    Submission {
        input: product_input("model", &parameters, 2, OutputFormat::Png, seed),
        webhook: None,
        execution_timeout: Duration::from_secs(45),
        ttl: Duration::from_mins(15),
    }
}
