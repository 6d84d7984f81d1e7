//! The contract held against the service itself: `make test-live`. Spends real GPU time.

use std::collections::BTreeMap;
use std::env;

use shared::config::RunPodSettings;
use shared::runpod::RunPod;

use super::contract::{self, Target};

/// A setting that these tests cannot do without.
fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn client(key: String) -> RunPod {
    let api_url = env::var("RUNPOD_API_URL").unwrap_or_else(|_| "https://api.runpod.ai/v2".to_owned());
    let hosts = env::var("OUTPUT_HOSTS").unwrap_or_default();
    let settings = RunPodSettings {
        api_url: api_url.parse().expect("RUNPOD_API_URL is a URL"),
        api_key: key.into(),
        endpoint_default: setting("COMFYUI_ENDPOINT_ID"),
        endpoints: BTreeMap::new(),
        dialects: BTreeMap::new(),
        cold_start: std::time::Duration::ZERO,
        output_hosts: hosts.split(',').map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()).collect(),
    };
    RunPod::new(&settings).expect("sound settings")
}

#[tokio::test]
async fn live_the_service_keeps_the_contract() {
    let target = Target {
        runpod: client(setting("RUNPOD_API_KEY")),
        stranger: client("rpa_wrong".to_owned()),
        endpoint: setting("COMFYUI_ENDPOINT_ID"),
    };
    contract::a_wrong_key_is_unavailable_with_an_alarm(&target).await;
    contract::a_wrong_endpoint_is_unavailable_with_an_alarm(&target).await;
    contract::a_job_that_never_was_is_not_found(&target).await;
    contract::a_cancelled_job_is_cancelled_or_was_quicker(&target).await;
    contract::a_job_ends_in_as_many_pictures_as_were_asked_for(&target).await;
}
