//! The worker-comfyui side of a workflow: a graph in API format, made of a checked template. Pure.
//!
//! A template (`templates/*.json`) is the graph of one output; the manifest beside its workflow says which scalars of it
//! may be set, of what type, and from what. The graph of a request holds the branch of one output once for each output.
//! Customers' numbers are set where a binding takes them; customers' words never enter a graph, they only choose among
//! templates and among words of our own. Every node is one that a plain ComfyUI runs without a model.

mod binding;
mod check;
mod class;
mod color_change;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod graphic_transfer;
mod instance;
mod placement;
mod refusal;
mod resize;
mod size;
mod template;
mod upscale;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};
use thiserror::Error;

use self::instance::Plan;
use self::refusal::refusals;
use self::size::Size;
use self::template::Template;
use super::WorkflowType;

pub use self::instance::output_number;

/// Every template there is.
static TEMPLATES: [&Template; 9] = [
    &resize::STRETCH,
    &resize::CROP,
    &resize::LETTERBOX,
    &upscale::PLAIN,
    &upscale::DETAILS,
    &graphic_transfer::COVER,
    &graphic_transfer::BLEND,
    &color_change::WHOLE,
    &color_change::MASKED,
];

/// A picture that is sent along with a graph.
#[derive(Debug, Clone, Copy)]
pub struct GraphPicture<'a> {
    /// The parameter it was given for, such as `input_image`.
    pub parameter: &'a str,
    /// The name it is sent under: letters and digits, made by the server, not to be guessed; `.png`, `.jpg` or `.webp`.
    pub name: &'a str,
    /// Its width as it is sent, in pixels.
    pub width: u32,
    /// Its height as it is sent, in pixels.
    pub height: u32,
    /// Its width and height as it was given: more, where it was scaled down to be sent.
    pub original: (u32, u32),
}

/// What a graph is made of.
#[derive(Debug, Clone, Copy)]
pub struct GraphRequest<'a> {
    /// What was asked for.
    pub workflow: WorkflowType,
    /// Its validated parameters.
    pub parameters: &'a Map<String, Value>,
    /// Its pictures.
    pub pictures: &'a [GraphPicture<'a>],
    /// How many outputs it asks for, from 1 to [`super::OUTPUTS_MAX`].
    pub outputs: u8,
    /// The seed of the run, from 0 to [`super::SEED_MAX`]; those of its outputs follow from it.
    pub seed: i64,
    /// What the names of its outputs start with: small letters, digits and dashes, made by the server. Output `n` is
    /// saved as `{prefix}-{n}_00001_.png`.
    pub prefix: &'a str,
}

/// Why there is no graph for a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GraphError {
    /// No template makes this workflow.
    #[error("there is no graph of {0}")]
    Unavailable(WorkflowType),
    /// The request asks for something that [`WorkflowType::refusals`] names.
    #[error("the parameter {parameter} asks for what a graph cannot do: {detail}")]
    Refused {
        /// The parameter.
        parameter: &'static str,
        /// What is wrong with it, for the customer.
        detail: String,
    },
    /// A parameter that validation should have let through only otherwise.
    #[error("the parameter {0} is missing or out of bounds")]
    Parameter(&'static str),
    /// A picture that should be there, or a name that should not be given to one.
    #[error("the picture {0} is missing, empty or badly named")]
    Picture(&'static str),
    /// A picture with too few pixels to work on.
    #[error("the picture {parameter} has a side of less than {side_min} pixels")]
    InputTooSmall {
        /// The parameter that the picture was given for.
        parameter: &'static str,
        /// The least side, in pixels.
        side_min: u32,
    },
    /// An output, or a picture on the way to one, would have too many pixels or too long a side.
    #[error("a picture of {width} x {height} pixels is more than a graph may make")]
    OutputTooLarge {
        /// Its width, in pixels.
        width: u64,
        /// Its height, in pixels.
        height: u64,
    },
    /// Not from 1 to [`super::OUTPUTS_MAX`].
    #[error("{0} outputs cannot be made at once")]
    Outputs(u8),
    /// Not from 0 to [`super::SEED_MAX`].
    #[error("the seed {0} is out of range")]
    Seed(i64),
    /// Not of small letters, digits and dashes, or too long.
    #[error("the prefix of the outputs' names is not one that the server makes")]
    Prefix,
    /// A fault of a template, which [`check_templates`] finds.
    #[error("the template {0} cannot be read")]
    Template(&'static str),
    /// A fault of a manifest: it binds a value that nobody worked out, or one that its input does not take.
    #[error("nothing that fits was worked out for the binding {0}")]
    Computed(&'static str),
}

/// The API-format graph of a request. Deterministic in its argument.
///
/// # Errors
///
/// [`GraphError`]: the pictures make the request impossible, or it is not one that validation lets through.
pub fn build(request: &GraphRequest<'_>) -> Result<Value, GraphError> {
    let plan = planner(request.workflow).ok_or(GraphError::Unavailable(request.workflow))?;
    if let Some((parameter, detail)) = refusals(request.workflow, request.parameters).into_iter().next() {
        return Err(GraphError::Refused { parameter, detail });
    }
    instance::instantiate(&plan(request)?, request)
}

/// Checks every template against its bindings and the list of node classes.
///
/// # Errors
///
/// Every breach, each with the name of its template.
pub fn check_templates() -> Result<(), Vec<String>> {
    let breaches: Vec<_> = TEMPLATES.into_iter().flat_map(named_breaches).collect();
    if breaches.is_empty() { Ok(()) } else { Err(breaches) }
}

fn named_breaches(template: &'static Template) -> impl Iterator<Item = String> {
    check::breaches(template).into_iter().map(|breach| format!("{}.json: {breach}", template.name))
}

/// What chooses the template of a workflow and works out its numbers.
type Planner = fn(&GraphRequest<'_>) -> Result<Plan, GraphError>;

fn planner(workflow: WorkflowType) -> Option<Planner> {
    match workflow {
        WorkflowType::Resize => Some(resize::plan),
        WorkflowType::Upscale => Some(upscale::plan),
        WorkflowType::GraphicTransfer => Some(graphic_transfer::plan),
        WorkflowType::ColorChange => Some(color_change::plan),
        WorkflowType::Model
        | WorkflowType::Tryon
        | WorkflowType::Background
        | WorkflowType::Lifestyle
        | WorkflowType::Video
        | WorkflowType::Poster => None,
    }
}

impl WorkflowType {
    /// Whether there is a graph for it, so that a plain ComfyUI can run it.
    #[must_use]
    pub fn has_graph(self) -> bool {
        planner(self).is_some()
    }
}

impl<'a> GraphRequest<'a> {
    fn picture(&self, parameter: &'static str) -> Result<GraphPicture<'a>, GraphError> {
        let found = self.pictures.iter().find(|picture| picture.parameter == parameter);
        found.copied().ok_or(GraphError::Picture(parameter))
    }

    fn has_picture(&self, parameter: &str) -> bool {
        self.pictures.iter().any(|picture| picture.parameter == parameter)
    }

    fn size_of(&self, parameter: &'static str) -> Result<Size, GraphError> {
        let GraphPicture { width, height, .. } = self.picture(parameter)?;
        if width == 0 || height == 0 {
            return Err(GraphError::Picture(parameter));
        }
        Ok(Size { width, height })
    }

    /// A whole number that must be there.
    fn integer(&self, parameter: &'static str) -> Result<u64, GraphError> {
        self.parameters.get(parameter).and_then(Value::as_u64).ok_or(GraphError::Parameter(parameter))
    }

    /// One word of a choice, only to be compared with our own.
    fn word(&self, parameter: &str) -> Option<&'a str> {
        self.parameters.get(parameter).and_then(Value::as_str)
    }

    fn flag_or(&self, parameter: &str, preset: bool) -> bool {
        self.parameters.get(parameter).and_then(Value::as_bool).unwrap_or(preset)
    }
}
