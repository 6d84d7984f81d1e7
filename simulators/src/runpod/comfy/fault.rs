//! What is wrong with a node, in ComfyUI's words, and as Python writes them.

use serde_json::Value;

use super::coerce::kind_name;
use super::nodes::{Input, Takes};
use super::python::{Exception, repr, repr_text};

/// One thing that is wrong with a node.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: &'static str,
    message: String,
    pub(super) details: String,
    extra: String,
}

impl Fault {
    pub(super) fn new(
        kind: &'static str,
        message: impl Into<String>,
        details: impl Into<String>,
        extra: String,
    ) -> Self {
        Self { kind, message: message.into(), details: details.into(), extra }
    }

    pub(super) fn of_value(kind: &'static str, message: String, details: String, input: &Input, value: &Value) -> Self {
        let extra = format!(
            "{{'input_name': {}, 'input_config': [{}, {}], 'received_value': {}}}",
            repr_text(input.name),
            config(&input.takes),
            bounds(&input.takes),
            repr(value)
        );
        Self::new(kind, message, details, extra)
    }

    pub(super) fn of_exception(kind: &'static str, message: &str, exception: &Exception) -> Self {
        let extra = format!("{{'exception_type': {}, 'traceback': []}}", repr_text(exception.kind));
        Self::new(kind, message, exception.message.as_str(), extra)
    }

    fn repr(&self) -> String {
        format!(
            "{{'type': {}, 'message': {}, 'details': {}, 'extra_info': {}}}",
            repr_text(self.kind),
            repr_text(&self.message),
            repr_text(&self.details),
            self.extra
        )
    }
}

fn config(takes: &Takes) -> String {
    match takes {
        Takes::Choice(_) => kind_name(takes),
        other => repr_text(&kind_name(other)),
    }
}

fn bounds(takes: &Takes) -> String {
    match takes {
        Takes::Int { min, max } => format!("{{'min': {min}, 'max': {max}}}"),
        Takes::Float { min, max } => format!("{{'min': {min:?}, 'max': {max:?}}}"),
        _ => "{}".to_owned(),
    }
}

/// What is wrong with one node, and which outputs that spoils.
#[derive(Clone, Debug)]
pub(super) struct NodeErrors {
    pub(super) id: String,
    pub(super) class_type: &'static str,
    pub(super) faults: Vec<Fault>,
    pub(super) dependent_outputs: Vec<String>,
}

impl NodeErrors {
    /// The lines that worker-comfyui makes of them.
    pub(super) fn lines(&self) -> Vec<String> {
        let id = &self.id;
        let faults: Vec<String> = self.faults.iter().map(Fault::repr).collect();
        let outputs: Vec<String> = self.dependent_outputs.iter().map(|output| repr_text(output)).collect();
        vec![
            format!("Node {id} (errors): [{}]", faults.join(", ")),
            format!("Node {id} (dependent_outputs): [{}]", outputs.join(", ")),
            format!("Node {id} (class_type): {}", self.class_type),
        ]
    }
}

/// The type and message of a bound that a converted value does not keep.
pub(super) fn broken_bound(takes: &Takes, value: &Value) -> Option<(&'static str, String)> {
    let smaller = |min: String| ("value_smaller_than_min", format!("Value {value} smaller than min of {min}"));
    let bigger = |max: String| ("value_bigger_than_max", format!("Value {value} bigger than max of {max}"));
    match *takes {
        Takes::Int { min, max } => match value.as_u64() {
            None => Some(smaller(min.to_string())),
            Some(number) if number < min => Some(smaller(min.to_string())),
            Some(number) if number > max => Some(bigger(max.to_string())),
            Some(_) => None,
        },
        Takes::Float { min, max } => match value.as_f64() {
            Some(number) if number < min => Some(smaller(format!("{min:?}"))),
            Some(number) if number > max => Some(bigger(format!("{max:?}"))),
            _ => None,
        },
        Takes::Link(_) | Takes::Text | Takes::Boolean | Takes::Choice(_) | Takes::File => None,
    }
}
