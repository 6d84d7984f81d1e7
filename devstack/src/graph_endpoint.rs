//! The second endpoint of the simulated RunPod account: a plain ComfyUI, for the workflows that have a graph.

use shared::workflow::{CATALOGUE, Dialect};

/// Its id.
pub const GRAPH_ENDPOINT: &str = "comfyui";

/// What both processes are told so that every workflow with a graph runs there.
pub(crate) fn settings() -> Vec<(String, String)> {
    let names = CATALOGUE.iter().map(|workflow| workflow.kind).filter(|kind| kind.speaks(Dialect::WorkerComfyui));
    names
        .flat_map(|kind| {
            let name = kind.as_str().to_ascii_uppercase();
            [
                (format!("COMFYUI_DIALECT_{name}"), Dialect::WorkerComfyui.as_str().to_owned()),
                (format!("COMFYUI_ENDPOINT_ID_{name}"), GRAPH_ENDPOINT.to_owned()),
            ]
        })
        .collect()
}
