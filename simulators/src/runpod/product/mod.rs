//! The product endpoint's side of a job: reads `{workflow_type, input, num_outputs, output_format, seed?}` and refuses what
//! such an endpoint would refuse.

mod digest;
mod field;
mod pictures;
mod refusal;
mod size;
#[cfg(test)]
mod tests;
mod workflows;

use std::sync::Arc;

use image::DynamicImage;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use self::field::Field;
pub(super) use self::field::read_color;
pub use self::pictures::{INPUT_PIXELS_MAX, INPUT_SIDE_MIN};
pub(super) use self::refusal::Refusal;
pub use self::size::LIKE_INPUT_PIXELS_MAX;
use self::workflows::WORKFLOWS;
pub(super) use self::workflows::Workflow;
use super::work::Format;

const OUTPUTS_MAX: u64 = 4;
/// What pictures may be asked for as. They are drawn as PNG whatever is asked: a gateway has to convert anyway.
const PICTURE_FORMATS: [&str; 5] = ["webp", "jpg", "jpeg", "png", "avif"];
const CLIP_FORMATS: [&str; 2] = ["mp4", "gif"];

/// What a worker was asked to make.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) workflow: Workflow,
    pub(super) outputs: usize,
    pub(super) seed: u64,
    pub(super) format: Format,
    pub(super) width: u32,
    pub(super) height: u32,
    /// The job's own; input pictures lie in it as they came, and are decoded when something is drawn from them.
    input: Arc<Value>,
    asked: [u8; 32],
}

impl Order {
    /// Reads the `input` of a job, and decodes every picture in it once. Without a seed one is derived from `job_id`; `size` is
    /// drawn where nothing in the request decides.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, as the endpoint would tell it.
    pub(super) fn read(input: &Arc<Value>, job_id: &str, size: (u32, u32)) -> Result<Self, Refusal> {
        let (workflow, fields) = read_workflow(input)?;
        let Some(Value::Object(parameters)) = input.get("input") else {
            return Err(Refusal::invalid("input", "'input' must be an object"));
        };
        field::check(parameters, fields, "")?;
        let outputs = input.get("num_outputs").map_or(Some(1), Value::as_u64).filter(|n| (1..=OUTPUTS_MAX).contains(n));
        let Some(outputs) = outputs else {
            return Err(Refusal::invalid("num_outputs", format!("'num_outputs' must be 1 to {OUTPUTS_MAX}")));
        };
        let format = read_format(workflow, input.get("output_format"), parameters)?;
        let seed = match input.get("seed").or_else(|| parameters.get("seed")) {
            None | Some(Value::Null) => derived_seed(job_id),
            Some(seed) => {
                seed.as_u64().ok_or_else(|| Refusal::invalid("seed", "'seed' must be a non-negative integer"))?
            }
        };
        let (width, height) = size::read(workflow, input, parameters, size)?;
        let asked = digest::of(parameters);
        let outputs = usize::try_from(outputs).unwrap_or_default();
        Ok(Self { workflow, outputs, seed, format, width, height, input: Arc::clone(input), asked })
    }

    /// The same without the job's input: its pictures weigh, and can no longer be drawn from.
    pub(super) fn emptied(&self) -> Self {
        Self { input: Arc::default(), ..self.clone() }
    }

    /// 32 bytes that differ as soon as anything asked for differs.
    pub(super) fn digest(&self, index: usize) -> [u8; 32] {
        let asked =
            format!("{:?} {} {} {} {:?} {index} ", self.workflow, self.seed, self.width, self.height, self.format);
        Sha256::new().chain_update(asked).chain_update(self.asked).finalize().into()
    }

    fn parameter(&self, name: &str) -> Option<&Value> {
        self.input.get("input")?.get(name)
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.parameter(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.parameter(name).and_then(Value::as_bool).unwrap_or(default)
    }

    pub(super) fn number(&self, name: &str, default: f64) -> f64 {
        self.parameter(name).and_then(Value::as_f64).unwrap_or(default)
    }

    /// A parameter that is an object.
    pub(super) fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.parameter(name).and_then(Value::as_object)
    }

    /// An input picture, decoded anew; none if it is not there.
    pub(super) fn picture(&self, name: &str) -> Option<DynamicImage> {
        pictures::find(self.parameter(name))
    }

    /// The pictures of a parameter that is a list of them.
    pub(super) fn pictures(&self, name: &str) -> Vec<DynamicImage> {
        let list = self.parameter(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|picture| pictures::find(Some(picture))).collect()
    }
}

fn read_workflow(input: &Value) -> Result<(Workflow, &'static [Field]), Refusal> {
    let name = input.get("workflow_type").and_then(Value::as_str).unwrap_or_default();
    let known = WORKFLOWS.iter().find(|(known, ..)| *known == name);
    let unknown = || Refusal::invalid("workflow_type", format!("Unknown workflow type '{name}'"));
    known.map(|(_, workflow, fields)| (*workflow, *fields)).ok_or_else(unknown)
}

/// The format of what is made. A clip's may be named twice, but not differently.
fn read_format(workflow: Workflow, asked: Option<&Value>, parameters: &Map<String, Value>) -> Result<Format, Refusal> {
    let clip = workflow == Workflow::Video;
    let allowed: &[&str] = if clip { &CLIP_FORMATS } else { &PICTURE_FORMATS };
    let asked = match asked {
        None | Some(Value::Null) => None,
        Some(Value::String(format)) if allowed.contains(&format.as_str()) => Some(format.as_str()),
        Some(format) => {
            let message = format!("'output_format' must be one of {}, not {format}", allowed.join(", "));
            return Err(Refusal::invalid("output_format", message));
        }
    };
    if !clip {
        return Ok(Format::Png);
    }
    let also = parameters.get("format").and_then(Value::as_str);
    if asked.is_some() && also.is_some() && asked != also {
        return Err(Refusal::invalid("format", "'format' and 'output_format' must be the same"));
    }
    Ok(if asked.or(also) == Some("gif") { Format::Gif } else { Format::Mp4 })
}

fn derived_seed(job_id: &str) -> u64 {
    let digest = Sha256::digest(job_id.as_bytes());
    // 53 bits, so that a JavaScript client reads it back without loss.
    digest.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte)) >> 11
}
