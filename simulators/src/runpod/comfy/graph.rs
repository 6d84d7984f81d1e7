//! A workflow in API format as nodes by their ids, and what ComfyUI refuses before it looks at any input.

use serde_json::{Map, Value};

use super::nodes::{self, Node};

/// Nodes of one graph at most. ComfyUI has no such bound; its recursion ends about here.
const NODES_MAX: usize = 500;

/// A node of a graph.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) id: String,
    pub(super) node: &'static Node,
    /// None where the graph gives it no `inputs`.
    pub(super) inputs: Option<Map<String, Value>>,
}

/// A graph whose classes exist and which has an output, in the order of its ids.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Placed>,
}

/// Why ComfyUI's `/prompt` will not take a graph at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// 500: it is no graph.
    ServerError,
    /// 400.
    Invalid { kind: &'static str, message: String, details: String },
}

impl Graph {
    /// # Errors
    ///
    /// What `/prompt` answers.
    pub(super) fn read(workflow: &Value) -> Result<Self, Rejection> {
        let Value::Object(fields) = workflow else { return Err(Rejection::ServerError) };
        // Python cannot look for a property in a number, and the format of the user interface has some at the top.
        let is_scalar = |value: &Value| matches!(value, Value::Null | Value::Bool(_) | Value::Number(_));
        if fields.values().any(is_scalar) || fields.len() > NODES_MAX {
            return Err(Rejection::ServerError);
        }
        let mut nodes = fields.iter().map(|(id, value)| read_node(id, value)).collect::<Result<Vec<_>, _>>()?;
        nodes.sort_by_cached_key(|placed| (placed.id.parse::<u64>().unwrap_or(u64::MAX), placed.id.clone()));
        if !nodes.iter().any(|placed| placed.node.is_output) {
            let message = "Prompt has no outputs".to_owned();
            return Err(Rejection::Invalid { kind: "prompt_no_outputs", message, details: String::new() });
        }
        Ok(Self { nodes })
    }

    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.nodes.iter().position(|placed| placed.id == id)
    }

    /// Where the output nodes stand.
    pub(super) fn outputs(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|at| self.nodes[*at].node.is_output).collect()
    }
}

fn read_node(id: &str, value: &Value) -> Result<Placed, Rejection> {
    let invalid =
        |message: String| Rejection::Invalid { kind: "invalid_prompt", message, details: format!("Node ID '#{id}'") };
    let Some(class_type) = value.get("class_type") else {
        return Err(invalid("Cannot execute because a node is missing the class_type property.".to_owned()));
    };
    let name = super::python::text(class_type);
    let Some(node) = class_type.as_str().and_then(nodes::find) else {
        return Err(invalid(format!("Cannot execute because node {name} does not exist.")));
    };
    let inputs = value.get("inputs").and_then(Value::as_object).cloned();
    Ok(Placed { id: id.to_owned(), node, inputs })
}

/// The node and the slot that an input is linked to; none if it is a value.
pub(super) fn link(value: &Value) -> Option<(&str, usize)> {
    let [node, slot] = value.as_array()?.as_slice() else { return None };
    Some((node.as_str()?, usize::try_from(slot.as_u64()?).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_stand_in_the_order_of_their_ids() {
        let save = json!({"class_type": "SaveImage", "inputs": {}});
        let graph = Graph::read(&json!({"10": save, "x": save, "2": save})).expect("a graph");
        assert_eq!(graph.nodes.iter().map(|placed| placed.id.as_str()).collect::<Vec<_>>(), ["2", "10", "x"]);
    }

    #[test]
    fn what_is_no_graph_is_a_server_error() {
        let of_interface = json!({"last_node_id": 9, "nodes": [], "links": [], "version": 0.4});
        for workflow in [json!("text"), json!([1]), json!(3), of_interface] {
            assert_eq!(Graph::read(&workflow).expect_err("no graph"), Rejection::ServerError);
        }
    }

    #[test]
    fn a_class_must_be_named_and_exist_and_something_must_come_out() {
        for (workflow, expected) in [
            (json!({"1": {"inputs": {}}}), "Cannot execute because a node is missing the class_type property."),
            (json!({"1": {"class_type": "NoSuch"}}), "Cannot execute because node NoSuch does not exist."),
            (json!({"1": {"class_type": "EmptyImage"}}), "Prompt has no outputs"),
            (json!({}), "Prompt has no outputs"),
        ] {
            match Graph::read(&workflow) {
                Err(Rejection::Invalid { message, .. }) => assert_eq!(message, expected),
                other => panic!("{other:?}"),
            }
        }
    }
}
