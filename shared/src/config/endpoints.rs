//! RunPod's settings: where it is, and which endpoint runs which workflow.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Process, Reader, RunPodSettings, rules};
use crate::workflow::{CATALOGUE, Dialect, WorkflowType};

const ENDPOINT_ID: &str = "an endpoint id: 1 to 64 letters, digits, '-', '_'";
/// Half of the time that a generation may wait in the queue, so that a job stopped during a cold start can be retried.
const COLD_START_SECONDS_MAX: u64 = 300;
const COLD_START: &str = "a number from 0 to 300";
const OUTPUT_HOSTS: &str = "host names separated by commas; a leading dot admits subdomains";

/// Only the worker talks to RunPod, so only the worker is given the key.
pub(super) fn runpod(reader: &mut Reader<'_>) -> RunPodSettings {
    let api_key = if reader.process() == Process::Worker {
        reader.required("RUNPOD_API_KEY")
    } else {
        reader.optional("RUNPOD_API_KEY")
    };
    let endpoint = reader.required("COMFYUI_ENDPOINT_ID");
    RunPodSettings {
        api_url: reader.parsed("RUNPOD_API_URL", rules::SECURE, rules::RUNPOD_API_URL, rules::secure),
        api_key: api_key.unwrap_or_default().into(),
        endpoint_default: endpoint
            .and_then(|id| reader.checked("COMFYUI_ENDPOINT_ID", ENDPOINT_ID, rules::endpoint_id(&id)))
            .unwrap_or_default(),
        endpoints: endpoints(reader),
        dialects: dialects(reader),
        cold_start: Duration::from_secs(
            reader.parsed("COLD_START_SECONDS", COLD_START, "120", |text| {
                rules::between(text, 0, COLD_START_SECONDS_MAX)
            }),
        ),
        output_hosts: reader.parsed("OUTPUT_HOSTS", OUTPUT_HOSTS, "", rules::hosts),
    }
}

/// `COMFYUI_ENDPOINT_ID_MODEL` and so on, one for each workflow of the catalogue.
fn endpoints(reader: &mut Reader<'_>) -> BTreeMap<WorkflowType, String> {
    overrides(reader, "COMFYUI_ENDPOINT_ID", |_| ENDPOINT_ID, |_, id| rules::endpoint_id(id))
}

/// `COMFYUI_DIALECT_RESIZE` and so on, one for each workflow of the catalogue.
fn dialects(reader: &mut Reader<'_>) -> BTreeMap<WorkflowType, Dialect> {
    let wanted = |workflow: WorkflowType| {
        if workflow.has_graph() { "product or worker-comfyui" } else { "product: there is no graph for it" }
    };
    let spoken = |workflow: WorkflowType, text: &str| text.parse().ok().filter(|dialect| workflow.speaks(*dialect));
    overrides(reader, "COMFYUI_DIALECT", wanted, spoken)
}

/// What `{prefix}_{WORKFLOW}` says of each workflow that it is set for.
fn overrides<T>(
    reader: &mut Reader<'_>,
    prefix: &str,
    wanted: impl Fn(WorkflowType) -> &'static str,
    parse: impl Fn(WorkflowType, &str) -> Option<T>,
) -> BTreeMap<WorkflowType, T> {
    let mut found = BTreeMap::new();
    for workflow in CATALOGUE.iter().map(|workflow| workflow.kind) {
        let name = format!("{prefix}_{}", workflow.as_str().to_ascii_uppercase());
        let value = reader.optional(&name);
        if let Some(value) = value.and_then(|text| reader.checked(&name, wanted(workflow), parse(workflow, &text))) {
            found.insert(workflow, value);
        }
    }
    found
}

impl RunPodSettings {
    /// The endpoint that runs this workflow.
    #[must_use]
    pub fn endpoint(&self, workflow: WorkflowType) -> &str {
        self.endpoints.get(&workflow).unwrap_or(&self.endpoint_default)
    }

    /// What that endpoint speaks.
    #[must_use]
    pub fn dialect(&self, workflow: WorkflowType) -> Dialect {
        self.dialects.get(&workflow).copied().unwrap_or(workflow.workflow().dialect)
    }
}
