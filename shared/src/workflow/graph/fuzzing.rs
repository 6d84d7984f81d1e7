//! Bodies of customers, as any bytes, on their way to a graph. Pure.

use serde_json::{Map, Value};

use super::{GraphError, GraphPicture, GraphRequest, build};
use crate::workflow::{FAULTS_MAX, OUTPUTS_MAX, Request, SEED_MAX};

/// The only words of a customer that have a say: two choose among ours, the third is a number in disguise.
const CHOICES: [&str; 3] = ["fill_mode", "blend_mode", "target_color"];

/// Whether it became a graph.
///
/// # Panics
/// When any other word of a body changes anything in its graph, or a link of the graph leads nowhere.
pub fn target(bytes: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else { return false };
    let request = match Request::parse(&body) {
        Ok(request) => request,
        Err(faults) => {
            assert!((1..=FAULTS_MAX).contains(&faults.len()));
            return false;
        }
    };
    assert!((1..=OUTPUTS_MAX).contains(&request.outputs_asked));
    if !request.workflow.kind.has_graph() {
        return false;
    }
    let mut silent = request.parameters.clone();
    silent.retain(|name, value| CHOICES.contains(&name.as_str()) || without_words(value));
    let graph = graph_of(&request, &request.parameters);
    assert_eq!(graph, graph_of(&request, &silent), "words of a customer changed the graph");
    graph.is_ok_and(|graph| {
        assert_links_lead_to_nodes(&graph);
        true
    })
}

fn graph_of(request: &Request, parameters: &Map<String, Value>) -> Result<Value, GraphError> {
    let pictures = request.pictures.iter().map(|picture| GraphPicture {
        parameter: &picture.name,
        name: "a.png",
        width: 97,
        height: 61,
        original: (97, 61),
    });
    build(&GraphRequest {
        workflow: request.workflow.kind,
        parameters,
        pictures: &pictures.collect::<Vec<_>>(),
        outputs: request.outputs_asked,
        seed: SEED_MAX,
        prefix: "ours",
    })
}

/// Takes every word out of a value; false where nothing is left.
fn without_words(value: &mut Value) -> bool {
    match value {
        Value::String(_) => return false,
        Value::Array(items) => items.retain_mut(without_words),
        Value::Object(fields) => fields.retain(|_, value| without_words(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    true
}

fn assert_links_lead_to_nodes(graph: &Value) {
    let nodes = graph.as_object().expect("an object of nodes");
    for input in nodes.values().filter_map(|node| node["inputs"].as_object()).flat_map(Map::values) {
        if let Some(link) = input.as_array() {
            assert!(link[0].as_str().is_some_and(|id| nodes.contains_key(id)), "{link:?} leads nowhere");
        }
    }
}
