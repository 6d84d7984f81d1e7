//! RunPod's settings: where it is, and which endpoint runs which workflow.

use std::collections::BTreeMap;

use super::{Process, Reader, RunPodSettings, rules};
use crate::workflow::CATALOGUE;

const ENDPOINT_ID: &str = "an endpoint id: 1 to 64 letters, digits, '-', '_'";
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
        endpoints: overrides(reader),
        output_hosts: reader.parsed("OUTPUT_HOSTS", OUTPUT_HOSTS, "", rules::hosts),
    }
}

/// `COMFYUI_ENDPOINT_ID_MODEL` and so on, one for each workflow of the catalogue.
fn overrides(reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    let mut endpoints = BTreeMap::new();
    for workflow in CATALOGUE {
        let workflow = workflow.kind.as_str();
        let name = format!("COMFYUI_ENDPOINT_ID_{}", workflow.to_ascii_uppercase());
        let value = reader.optional(&name);
        if let Some(id) = value.and_then(|id| reader.checked(&name, ENDPOINT_ID, rules::endpoint_id(&id))) {
            endpoints.insert(workflow.to_owned(), id);
        }
    }
    endpoints
}
