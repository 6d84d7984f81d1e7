//! Whether a graph may run: every input of every node that an output depends on, as ComfyUI looks at them, and in its words.

use serde_json::Value;

use super::coerce::{coerce, kind_name, options_text};
use super::disk::{Disk, annotated_path};
use super::fault::{Fault, NodeErrors, broken_bound};
use super::graph::{Graph, link};
use super::nodes::{Input, Takes};
use super::python::{Exception, repr, repr_text, text};

/// Choices that a message lists at most.
const LISTED_MAX: usize = 20;
/// How deep a graph may be. Python's recursion ends here or before, and so does that of a graph with a cycle.
const DEPTH_MAX: usize = 250;

/// Looks at every node that an output depends on, and converts its inputs in place. What comes back are the outputs that may run,
/// or, if none may, what is wrong.
pub(super) fn validate(graph: &mut Graph, disk: &Disk) -> Result<Vec<usize>, Vec<NodeErrors>> {
    let outputs = graph.outputs();
    let mut validator = Validator { verdicts: vec![None; graph.nodes.len()], order: Vec::new(), graph, disk };
    let mut good = Vec::new();
    let mut errors: Vec<NodeErrors> = Vec::new();
    for output in outputs {
        let fine = validator.check(output, 0).unwrap_or_else(|exception| {
            let fault =
                Fault::of_exception("exception_during_validation", "Exception when validating node", &exception);
            validator.set(output, false, vec![fault]);
            false
        });
        if fine {
            good.push(output);
        } else {
            validator.note(&mut errors, output);
        }
    }
    if good.is_empty() { Err(errors) } else { Ok(good) }
}

#[derive(Clone, Debug)]
struct Verdict {
    fine: bool,
    faults: Vec<Fault>,
}

struct Validator<'a> {
    graph: &'a mut Graph,
    disk: &'a Disk,
    verdicts: Vec<Option<Verdict>>,
    /// The nodes in the order they were judged.
    order: Vec<usize>,
}

impl Validator<'_> {
    fn set(&mut self, at: usize, fine: bool, faults: Vec<Fault>) {
        if self.verdicts[at].is_none() {
            self.order.push(at);
        }
        self.verdicts[at] = Some(Verdict { fine, faults });
    }

    /// Notes each node that has faults of its own as one that spoils `output`.
    fn note(&self, errors: &mut Vec<NodeErrors>, output: usize) {
        let output = &self.graph.nodes[output].id;
        for at in &self.order {
            let Some(verdict) = self.verdicts[*at].as_ref().filter(|verdict| !verdict.fine) else { continue };
            if verdict.faults.is_empty() {
                continue;
            }
            let placed = &self.graph.nodes[*at];
            match errors.iter_mut().find(|noted| noted.id == placed.id) {
                Some(noted) => noted.dependent_outputs.push(output.clone()),
                None => errors.push(NodeErrors {
                    id: placed.id.clone(),
                    class_type: placed.node.class_type,
                    faults: verdict.faults.clone(),
                    dependent_outputs: vec![output.clone()],
                }),
            }
        }
    }

    fn check(&mut self, at: usize, depth: usize) -> Result<bool, Exception> {
        if let Some(verdict) = &self.verdicts[at] {
            return Ok(verdict.fine);
        }
        if depth > DEPTH_MAX {
            return Err(Exception::new("RecursionError", "maximum recursion depth exceeded"));
        }
        let node = self.graph.nodes[at].node;
        if self.graph.nodes[at].inputs.is_none() {
            return Err(Exception::new("KeyError", "'inputs'"));
        }
        let mut faults = Vec::new();
        let mut fine = true;
        for input in node.inputs {
            let value = self.graph.nodes[at].inputs.as_ref().and_then(|inputs| inputs.get(input.name)).cloned();
            match value {
                None if input.is_required => faults.push(Fault::new(
                    "required_input_missing",
                    "Required input is missing",
                    input.name,
                    format!("{{'input_name': {}}}", repr_text(input.name)),
                )),
                None => {}
                Some(Value::Array(items)) => match self.check_link(input, &Value::Array(items), depth)? {
                    Ok(linked) => fine &= linked,
                    Err(fault) => faults.push(fault),
                },
                Some(value) => match self.check_value(input, value) {
                    Ok(value) => {
                        let inputs = self.graph.nodes[at].inputs.as_mut().expect("it was there a moment ago");
                        inputs.insert(input.name.to_owned(), value);
                    }
                    Err(fault) => faults.push(fault),
                },
            }
        }
        fine &= faults.is_empty();
        self.set(at, fine, faults);
        Ok(fine)
    }

    /// Whether what is linked is fine, or what is wrong with the link.
    fn check_link(&mut self, input: &Input, value: &Value, depth: usize) -> Result<Result<bool, Fault>, Exception> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        if items.len() != 2 {
            let message = "Bad linked input, must be a length-2 list of [node_id, slot_index]".to_owned();
            return Ok(Err(Fault::of_value("bad_linked_input", message, input.name.to_owned(), input, value)));
        }
        let linked = items[0].as_str().and_then(|id| self.graph.position(id));
        let linked = linked.ok_or_else(|| Exception::new("KeyError", repr(&items[0])))?;
        let Some((_, slot)) = link(value) else {
            return Err(Exception::new("TypeError", "tuple indices must be integers or slices, not other things"));
        };
        let Some(received) = self.graph.nodes[linked].node.outputs.get(slot) else {
            return Err(Exception::new("IndexError", "tuple index out of range"));
        };
        let wanted = kind_name(&input.takes);
        if *received != wanted {
            let details = format!("{}, received_type({received}) mismatch input_type({wanted})", input.name);
            let message = "Return type mismatch between linked nodes".to_owned();
            return Ok(Err(Fault::of_value("return_type_mismatch", message, details, input, value)));
        }
        Ok(Ok(self.check(linked, depth + 1).unwrap_or_else(|exception| {
            let message = "Exception when validating inner node";
            self.set(
                linked,
                false,
                vec![Fault::of_exception("exception_during_inner_validation", message, &exception)],
            );
            false
        })))
    }

    /// The value as the node will see it, or what is wrong with it.
    fn check_value(&self, input: &Input, value: Value) -> Result<Value, Fault> {
        let value = match &value {
            Value::Object(fields) => fields.get("__value__").cloned().unwrap_or(value),
            _ => value,
        };
        let value = coerce(&value, &input.takes).map_err(|exception| {
            let message = format!("Failed to convert an input value to a {} value", kind_name(&input.takes));
            let details = format!("{}, {}, {}", input.name, text(&value), exception.message);
            Fault::of_value("invalid_input_type", message, details, input, &value)
        })?;
        let name = input.name.to_owned();
        if let Some((kind, message)) = broken_bound(&input.takes, &value) {
            return Err(Fault::of_value(kind, message, name, input, &value));
        }
        match input.takes {
            Takes::Choice(options) if !value.as_str().is_some_and(|value| options.contains(&value)) => {
                let list = if options.len() > LISTED_MAX {
                    format!("(list of length {})", options.len())
                } else {
                    options_text(options)
                };
                let details = format!("{name}: '{}' not in {list}", text(&value));
                Err(Fault::of_value("value_not_in_list", "Value not in list".to_owned(), details, input, &value))
            }
            Takes::File if !value.as_str().is_some_and(|file| self.disk.has(&annotated_path(file))) => {
                let details = format!("{name} - Invalid image file: {}", text(&value));
                let extra = format!("{{'input_name': {}}}", repr_text(input.name));
                Err(Fault::new("custom_validation_failed", "Custom validation failed for node", details, extra))
            }
            _ => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The faults of a graph without a good output, a line each.
    fn faults(workflow: &Value) -> Vec<String> {
        let mut graph = Graph::read(workflow).expect("a graph");
        let errors = validate(&mut graph, &Disk::default()).expect_err("nothing of it is valid");
        errors
            .iter()
            .flat_map(|node| node.faults.iter().map(|fault| format!("{} {}: {}", node.id, fault.kind, fault.details)))
            .collect()
    }

    fn scaled(changes: &Value) -> Value {
        let mut inputs =
            json!({"image": ["1", 0], "upscale_method": "lanczos", "width": 8, "height": 8, "crop": "center"});
        for (name, value) in changes.as_object().expect("an object") {
            inputs[name] = value.clone();
        }
        json!({
            "1": {"class_type": "EmptyImage", "inputs": {"width": 4, "height": 4, "batch_size": 1, "color": 0}},
            "2": {"class_type": "ImageScale", "inputs": inputs},
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "a"}},
        })
    }

    #[test]
    fn each_fault_has_its_type_and_details() {
        for (changes, expected) in [
            (json!({"width": -1}), "2 value_smaller_than_min: width"),
            (json!({"width": 16_385}), "2 value_bigger_than_max: width"),
            (
                json!({"width": "wide"}),
                "2 invalid_input_type: width, wide, invalid literal for int() with base 10: 'wide'",
            ),
            (json!({"crop": "left"}), "2 value_not_in_list: crop: 'left' not in ['disabled', 'center']"),
            (json!({"image": ["1", 0, 0]}), "2 bad_linked_input: image"),
            (
                json!({"width": ["1", 0]}),
                "2 return_type_mismatch: width, received_type(IMAGE) mismatch input_type(INT)",
            ),
            (json!({"image": ["9", 0]}), "2 exception_during_inner_validation: '9'"),
            (json!({"image": ["1", 1]}), "2 exception_during_inner_validation: tuple index out of range"),
        ] {
            assert_eq!(faults(&scaled(&changes)), [expected]);
        }
    }

    #[test]
    fn an_input_that_is_missing_or_a_file_that_is_not_there_is_told() {
        let workflow = json!({
            "1": {"class_type": "LoadImage", "inputs": {"image": "secret.png"}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
        });
        assert_eq!(
            faults(&workflow),
            [
                "1 custom_validation_failed: image - Invalid image file: secret.png",
                "2 required_input_missing: filename_prefix",
            ]
        );
    }

    #[test]
    fn a_cycle_is_invalid_and_leaves_no_fault_behind() {
        // As in ComfyUI: what the innermost look noted is overwritten by those around it.
        let workflow = json!({
            "1": {"class_type": "ImageInvert", "inputs": {"image": ["2", 0]}},
            "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
            "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "a"}},
        });
        assert!(faults(&workflow).is_empty());
    }

    #[test]
    fn values_are_converted_where_they_stand() {
        let mut graph = Graph::read(&scaled(&json!({"width": 7.9, "height": "5"}))).expect("a graph");
        assert_eq!(validate(&mut graph, &Disk::default()).expect("valid"), [2]);
        let inputs = graph.nodes[1].inputs.as_ref().expect("it has some");
        assert_eq!((&inputs["width"], &inputs["height"]), (&json!(7), &json!(5)));
    }

    #[test]
    fn one_bad_output_does_not_keep_another_from_running() {
        let mut workflow = scaled(&json!({}));
        workflow["4"] = json!({"class_type": "SaveImage", "inputs": {"filename_prefix": "b"}});
        let mut graph = Graph::read(&workflow).expect("a graph");
        assert_eq!(validate(&mut graph, &Disk::default()).expect("one is good"), [2]);
    }
}
