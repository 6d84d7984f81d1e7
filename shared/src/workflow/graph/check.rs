//! What is wrong with a template: found at start and by tests, so that no request meets it. Pure.

use std::collections::BTreeSet;

use super::binding::{Binding, Source};
use super::class::{self, Class, Wire};
use super::template::{Input, Node, Nodes, Template};

/// Inputs that must never keep what stands in a template: file names, prefixes, and what makes a run repeatable.
const SERVER_SET_INPUTS: &[&str] = &["image", "filename_prefix", "seed", "noise_seed"];

/// The one class whose pictures worker-comfyui returns.
const SAVE_CLASS: &str = "SaveImage";

/// Everything that is wrong with a template; nothing, if it can be used.
pub(super) fn breaches(template: &Template) -> Vec<String> {
    let nodes = match template.nodes() {
        Ok(nodes) => nodes,
        Err(breach) => return vec![breach.to_owned()],
    };
    let mut found: Vec<_> = nodes.iter().flat_map(|(id, node)| node_breaches(nodes, *id, node)).collect();
    found.extend(template.bindings().filter_map(|binding| binding_breach(nodes, binding)));
    found.extend(doubly_bound(template));
    found.extend(nodes.iter().flat_map(|(id, node)| unbound(template, *id, node)));
    let saves = nodes.values().filter(|node| node.class == SAVE_CLASS).count();
    if saves != 1 {
        found.push(format!("has {saves} {SAVE_CLASS} nodes, but is the graph of one output"));
    }
    if has_cycle(nodes) {
        found.push("has nodes that wait for each other".to_owned());
    }
    found
}

/// A class that is not listed, inputs that it does not have or lacks, links that lead nowhere.
fn node_breaches(nodes: &Nodes, id: u32, node: &Node) -> Vec<String> {
    let Some(class) = class::find(&node.class) else {
        return vec![format!("node {id}: {} is not on the list of node classes", node.class)];
    };
    let lacks = class.inputs.iter().filter(|field| !field.is_optional && !node.inputs.contains_key(field.name));
    let lacks = lacks.map(|field| format!("node {id}: lacks the input {}", field.name));
    let wrong = node.inputs.iter().filter_map(|(name, input)| {
        input_breach(nodes, class, name, input).map(|breach| format!("node {id}: {name} {breach}"))
    });
    lacks.chain(wrong).collect()
}

fn input_breach(nodes: &Nodes, class: &Class, name: &str, input: &Input) -> Option<String> {
    let Some(field) = class.field(name) else { return Some(format!("is no input of {}", class.name)) };
    match (field.wire, input) {
        (None, Input::Scalar(_)) => None,
        (None, Input::Link { .. }) => Some("is a link, but takes a scalar".to_owned()),
        (Some(_), Input::Scalar(_)) => Some("is a scalar, but takes a link".to_owned()),
        (Some(wire), Input::Link { node, slot }) => match nodes.get(node) {
            None => Some(format!("is linked to node {node}, which does not exist")),
            Some(other) => wire_breach(wire, other, *slot).map(|breach| format!("is linked to node {node}, {breach}")),
        },
    }
}

fn wire_breach(wanted: Wire, from: &Node, slot: u64) -> Option<String> {
    // A class that is not on the list is a breach of its own.
    let class = class::find(&from.class)?;
    match class.output(slot) {
        Some(carried) if carried == wanted => None,
        Some(carried) => Some(format!("whose slot {slot} carries {carried:?} instead of {wanted:?}")),
        None => Some(format!("which has no slot {slot}")),
    }
}

fn binding_breach(nodes: &Nodes, binding: &Binding) -> Option<String> {
    let Binding { node: id, class, input, accepts, .. } = binding;
    let breach = match nodes.get(id) {
        None => "the node does not exist".to_owned(),
        Some(node) if node.class != *class => format!("the node is a {}, not a {class}", node.class),
        Some(node) => match node.inputs.get(*input) {
            None => "the node has no such input".to_owned(),
            Some(Input::Link { .. }) => "the input is a link".to_owned(),
            Some(Input::Scalar(value)) if accepts.check(value).as_ref() == Some(value) => return None,
            Some(Input::Scalar(value)) => format!("the template says {value}, which the binding does not accept"),
        },
    };
    Some(format!("binding of {input} of node {id}: {breach}"))
}

fn doubly_bound(template: &Template) -> impl Iterator<Item = String> + use<> {
    let mut seen = BTreeSet::new();
    let again = template.bindings().filter(move |binding| !seen.insert((binding.node, binding.input)));
    again.map(|binding| format!("binding of {} of node {}: is there twice", binding.input, binding.node))
}

/// Inputs that the server must set, and does not.
fn unbound(template: &Template, id: u32, node: &Node) -> Vec<String> {
    let must = node
        .inputs
        .iter()
        .filter(|(name, input)| SERVER_SET_INPUTS.contains(&name.as_str()) && matches!(input, Input::Scalar(_)));
    let is_set =
        |name: &str| template.bindings_of(id).any(|binding| binding.input == name && fits(name, binding.source));
    must.filter(|(name, _)| !is_set(name))
        .map(|(name, _)| format!("node {id}: {name} is not set by the server"))
        .collect()
}

/// Whether an input that only the server may set is set to what it is for.
fn fits(input: &str, source: Source) -> bool {
    match source {
        Source::Picture(_) => input == "image",
        Source::Prefix => input == "filename_prefix",
        Source::Seed => input == "seed" || input == "noise_seed",
        Source::Parameter(_) | Source::Computed(_) | Source::Variant(_) => false,
    }
}

/// Takes away the nodes that wait for none of the others until there are no more such nodes.
fn has_cycle(nodes: &Nodes) -> bool {
    let mut left: BTreeSet<_> = nodes.keys().copied().collect();
    // Every round takes a node away, or is the last.
    for _ in 0..nodes.len() {
        let waits = |id: &u32| {
            let inputs = nodes[id].inputs.values();
            inputs.into_iter().any(|input| matches!(input, Input::Link { node, .. } if left.contains(node)))
        };
        left = left.iter().copied().filter(waits).collect();
    }
    !left.is_empty()
}

#[cfg(test)]
mod tests;
