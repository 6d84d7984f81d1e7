//! Making a graph of a template: the branch of one output, once for each output. Pure.
//!
//! Nodes on which no output has a say (pictures that are loaded, what is worked out of them) stand in the graph once and
//! keep their ids; all others stand there once for each output, under an id of its own. Only scalars that are bound are
//! set, on a copy; classes, links and the inputs' names come from the template alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::binding::{Binding, Scalar, Source, is_prefix};
use super::template::{Input, NODE_ID_MAX, Node, Nodes, Template};
use super::{GraphError, GraphRequest};
use crate::workflow::{OUTPUTS_MAX, SEED_MAX};

/// The step from one output's seed to the next: odd, so that no two outputs of a run share a seed, and large, so that
/// the second output of a run is not the first of the run whose seed is one higher.
const SEED_STEP: i64 = 0x1E37_79B9_7F4A_7C15 & SEED_MAX;

/// A template that was chosen for a request, and the values that were worked out for it.
pub(super) struct Plan {
    pub(super) template: &'static Template,
    pub(super) computed: Vec<(&'static str, Scalar)>,
}

/// One output of a request.
#[derive(Clone, Copy)]
struct Output {
    /// Its number, from 1.
    number: u8,
    seed: i64,
}

/// The graph of all outputs of a request.
pub(super) fn instantiate(plan: &Plan, request: &GraphRequest<'_>) -> Result<Value, GraphError> {
    if !(1..=OUTPUTS_MAX).contains(&request.outputs) {
        return Err(GraphError::Outputs(request.outputs));
    }
    if !(0..=SEED_MAX).contains(&request.seed) {
        return Err(GraphError::Seed(request.seed));
    }
    if !is_prefix(request.prefix) {
        return Err(GraphError::Prefix);
    }
    let template = plan.template;
    let nodes = template.nodes().map_err(|_| GraphError::Template(template.name))?;
    let own = nodes_of_outputs(template, nodes);
    // For what is shared any output will do: nothing of it is set there.
    let shared = Output { number: 1, seed: request.seed };
    let mut graph = Map::new();
    for (id, node) in nodes.iter().filter(|(id, _)| !own.contains(id)) {
        graph.insert(id.to_string(), instance(*id, node, plan, request, shared, |id| id)?);
    }
    for number in 1..=request.outputs {
        let output = Output { number, seed: seed_of(request.seed, number) };
        let renamed = |id: u32| if own.contains(&id) { u32::from(number) * (NODE_ID_MAX + 1) + id } else { id };
        for id in &own {
            graph.insert(renamed(*id).to_string(), instance(*id, &nodes[id], plan, request, output, renamed)?);
        }
    }
    Ok(Value::Object(graph))
}

/// Which output of its request a file is, by the name that ComfyUI gave it: `{prefix}-{n}_00001_.png`.
///
/// Outputs come back in the order in which they were run, which nobody promises, and without those that failed.
#[must_use]
pub fn output_number(file_name: &str) -> Option<u8> {
    let (stem, counter) = file_name.strip_suffix("_.png")?.rsplit_once('_')?;
    let (_, number) = stem.rsplit_once('-')?;
    let is_counter = !counter.is_empty() && counter.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|number| is_counter && (1..=OUTPUTS_MAX).contains(number))
}

/// The seed of an output: the run's own for the first, so that what is recorded repeats it.
pub(super) fn seed_of(seed: i64, number: u8) -> i64 {
    let steps = i64::from(number) - 1;
    seed.wrapping_add(SEED_STEP.wrapping_mul(steps)) & SEED_MAX
}

/// The nodes that differ from output to output: those with such a binding, and all that wait for one of them.
fn nodes_of_outputs(template: &Template, nodes: &Nodes) -> BTreeSet<u32> {
    let is_bound = |id: &u32| template.bindings_of(*id).any(|binding| binding.source.is_per_output());
    let mut own: BTreeSet<u32> = nodes.keys().copied().filter(is_bound).collect();
    // Every round adds a node, or changes nothing.
    for _ in 0..nodes.len() {
        let waits = |node: &Node| {
            node.inputs.values().any(|input| matches!(input, Input::Link { node, .. } if own.contains(node)))
        };
        let more: Vec<u32> = nodes.iter().filter(|(_, node)| waits(node)).map(|(id, _)| *id).collect();
        own.extend(more);
    }
    own
}

/// A copy of a node for one output, with its bindings set.
fn instance(
    id: u32,
    node: &Node,
    plan: &Plan,
    request: &GraphRequest<'_>,
    output: Output,
    renamed: impl Fn(u32) -> u32,
) -> Result<Value, GraphError> {
    let mut inputs = Map::new();
    for (name, input) in &node.inputs {
        let value = match input {
            Input::Link { node, slot } => json!([renamed(*node).to_string(), slot]),
            Input::Scalar(value) => value.clone(),
        };
        inputs.insert(name.clone(), value);
    }
    for binding in plan.template.bindings_of(id) {
        if let Some(value) = value_of(binding, plan, request, output)? {
            inputs.insert(binding.input.to_owned(), value);
        }
    }
    Ok(json!({ "class_type": node.class, "inputs": inputs }))
}

/// What a binding sets, or `None` where the template's own value stays.
fn value_of(
    binding: &Binding,
    plan: &Plan,
    request: &GraphRequest<'_>,
    output: Output,
) -> Result<Option<Value>, GraphError> {
    let checked = |value: &Value| binding.accepts.check(value);
    match binding.source {
        Source::Picture(parameter) => {
            let picture = request.picture(parameter)?;
            checked(&Value::from(picture.name)).ok_or(GraphError::Picture(parameter)).map(Some)
        }
        Source::Parameter(parameter) => match request.parameters.get(parameter) {
            Some(value) => checked(value).ok_or(GraphError::Parameter(parameter)).map(Some),
            None => Ok(None),
        },
        Source::Computed(name) => {
            let found = plan.computed.iter().find(|(computed, _)| *computed == name);
            found.and_then(|(_, scalar)| checked(&scalar.to_value())).ok_or(GraphError::Computed(name)).map(Some)
        }
        Source::Variant(variants) => Ok(Some(Value::from(variants[usize::from(output.number - 1)]))),
        Source::Seed => Ok(Some(Value::from(output.seed))),
        // `output_number` reads it back.
        Source::Prefix => Ok(Some(Value::from(format!("{}-{}", request.prefix, output.number)))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{SEED_STEP, seed_of};
    use crate::workflow::{OUTPUTS_MAX, SEED_MAX};

    #[test]
    fn the_first_output_has_the_seed_of_the_run() {
        for seed in [0, 1, SEED_MAX] {
            assert_eq!(seed_of(seed, 1), seed);
        }
        assert_eq!(SEED_STEP % 2, 1);
    }

    proptest! {
        #[test]
        fn the_seeds_of_a_run_are_in_range_and_all_different(seed in any::<i64>()) {
            let seed = seed & SEED_MAX;
            let mut seeds: Vec<_> = (1..=OUTPUTS_MAX).map(|number| seed_of(seed, number)).collect();
            assert!(seeds.iter().all(|seed| (0..=SEED_MAX).contains(seed)));
            seeds.sort_unstable();
            seeds.dedup();
            assert_eq!(seeds.len(), usize::from(OUTPUTS_MAX));
        }
    }
}
