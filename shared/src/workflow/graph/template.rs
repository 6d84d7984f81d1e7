//! A template: the graph of one output as API-format JSON, with the bindings that may change it. Pure.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::binding::Binding;

/// The greatest id of a node in a template. Those of the outputs' own nodes are made by adding hundreds.
pub(super) const NODE_ID_MAX: u32 = 99;

/// The graph of one output, and what may be set in it.
pub(super) struct Template {
    /// The name of its file, without `.json`.
    pub(super) name: &'static str,
    json: &'static str,
    /// What may be set, in parts, so that templates can share some.
    bindings: &'static [&'static [Binding]],
    parsed: OnceLock<Result<Nodes, String>>,
}

/// The nodes of a template by their ids.
pub(super) type Nodes = BTreeMap<u32, Node>;

/// One node, read from API-format JSON. Titles (`_meta`) are not kept: nothing reads them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) class: String,
    pub(super) inputs: BTreeMap<String, Input>,
}

/// What an input of a node is given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    /// An output slot of another node.
    Link {
        /// The other node.
        node: u32,
        /// Which of its outputs, from 0.
        slot: u64,
    },
    /// A number, a word or a flag.
    Scalar(Value),
}

impl Template {
    pub(super) const fn new(name: &'static str, json: &'static str, bindings: &'static [&'static [Binding]]) -> Self {
        Self { name, json, bindings, parsed: OnceLock::new() }
    }

    /// Its nodes, parsed once, or what is wrong with its JSON.
    pub(super) fn nodes(&self) -> Result<&Nodes, &str> {
        self.parsed.get_or_init(|| parse(self.json)).as_ref().map_err(String::as_str)
    }

    /// What may be set in it.
    pub(super) fn bindings(&self) -> impl Iterator<Item = &'static Binding> + use<> {
        self.bindings.iter().copied().flatten()
    }

    /// The bindings of one node.
    pub(super) fn bindings_of(&self, node: u32) -> impl Iterator<Item = &'static Binding> + use<> {
        self.bindings().filter(move |binding| binding.node == node)
    }
}

/// Reads API-format JSON. What an editor saves (`nodes`, `links`) is another format and refused.
fn parse(json: &str) -> Result<Nodes, String> {
    let nodes: Map<String, Value> = serde_json::from_str(json).map_err(|error| format!("is not an object: {error}"))?;
    nodes.iter().map(|(id, node)| Ok((node_id(id)?, read_node(id, node)?))).collect()
}

/// Whole numbers without a sign or leading zeros, so that no two ids become one.
fn node_id(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(id) if (1..=NODE_ID_MAX).contains(&id) && id.to_string() == text => Ok(id),
        _ => Err(format!("node {text:?}: its id is not a whole number from 1 to {NODE_ID_MAX}")),
    }
}

fn read_node(id: &str, node: &Value) -> Result<Node, String> {
    let class = node.get("class_type").and_then(Value::as_str);
    let inputs = node.get("inputs").and_then(Value::as_object);
    let (Some(class), Some(inputs)) = (class, inputs) else {
        return Err(format!("node {id}: has no class_type and inputs"));
    };
    let inputs = inputs.iter().map(|(name, value)| Ok((name.clone(), read_input(id, name, value)?)));
    Ok(Node { class: class.to_owned(), inputs: inputs.collect::<Result<_, String>>()? })
}

/// ComfyUI takes every list for a link, so any other list is refused here.
fn read_input(id: &str, name: &str, value: &Value) -> Result<Input, String> {
    match value {
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(node), slot] => {
                let slot = slot.as_u64().ok_or(format!("node {id}: the slot that {name} is linked to is no number"))?;
                Ok(Input::Link { node: node_id(node)?, slot })
            }
            _ => Err(format!("node {id}: {name} is a list, but no link")),
        },
        Value::Object(_) | Value::Null => Err(format!("node {id}: {name} is neither a link nor a scalar")),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Input::Scalar(value.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Input, parse};

    #[test]
    fn links_and_scalars_are_told_apart() {
        let nodes =
            parse(r#"{"3": {"class_type": "A", "inputs": {"a": ["2", 1], "b": 0.5}, "_meta": {"title": "t"}}}"#)
                .expect("a graph");
        assert_eq!(nodes[&3].class, "A");
        assert_eq!(nodes[&3].inputs["a"], Input::Link { node: 2, slot: 1 });
        assert_eq!(nodes[&3].inputs["b"], Input::Scalar(json!(0.5)));
    }

    #[test]
    fn what_is_no_api_format_is_refused_and_says_where() {
        let node = |id: &str, input: &str| format!(r#"{{"{id}": {{"class_type": "A", "inputs": {{"a": {input}}}}}}}"#);
        let table = [
            ("{".to_owned(), "is not an object"),
            ("[]".to_owned(), "is not an object"),
            (r#"{"nodes": []}"#.to_owned(), "node \"nodes\": its id"),
            (r#"{"1": {"inputs": {}}}"#.to_owned(), "node 1: has no class_type"),
            (r#"{"1": {"class_type": "A"}}"#.to_owned(), "node 1: has no class_type"),
            (node("0", "1"), "its id is not a whole number"),
            (node("01", "1"), "its id is not a whole number"),
            (node("+1", "1"), "its id is not a whole number"),
            (node("100", "1"), "its id is not a whole number"),
            (node("1", "[2, 0]"), "node 1: a is a list, but no link"),
            (node("1", "[\"2\"]"), "node 1: a is a list, but no link"),
            (node("1", "[\"2\", \"0\"]"), "node 1: the slot that a is linked to is no number"),
            (node("1", "[\"x\", 0]"), "node \"x\": its id"),
            (node("1", "{\"__value__\": [1]}"), "node 1: a is neither a link nor a scalar"),
            (node("1", "null"), "node 1: a is neither a link nor a scalar"),
        ];
        for (text, expected) in table {
            let breach = parse(&text).expect_err(&text);
            assert!(breach.contains(expected), "{text}: {breach}");
        }
    }
}
