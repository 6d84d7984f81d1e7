//! The product endpoint's side of a job: reads `{workflow_type, input, num_outputs, output_format, seed?}` and refuses what
//! such an endpoint would refuse.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::draw;
use super::output::File;

/// Pixels on a side a worker draws at most.
const SIDE_MAX: u64 = 8_192;
/// Pixels a worker draws at most.
const PIXELS_MAX: u64 = 64_000_000;
const OUTPUTS_MAX: u64 = 4;
const PICTURE_FORMATS: [&str; 5] = ["webp", "jpg", "jpeg", "png", "avif"];

/// Which inputs each workflow must have. The built-in workers draw pictures; `video` is not theirs.
const REQUIRED: [(&str, &[&str]); 9] = [
    ("model", &["gender", "pose", "age_range", "ethnicity"]),
    ("tryon", &["model_image", "garment_image", "garment_type"]),
    ("color_change", &["input_image", "target_color"]),
    ("upscale", &["input_image", "upscale_level"]),
    ("graphic_transfer", &["base_image", "graphic_image"]),
    ("resize", &["input_image", "target_width", "target_height"]),
    ("background", &["input_image"]),
    ("lifestyle", &["product_image", "scene"]),
    ("poster", &["input_image", "platform"]),
];

/// Which values the parameters of `model` may have.
const MODEL_VALUES: [(&str, &[&str]); 6] = [
    ("gender", &["male", "female", "non-binary"]),
    ("pose", &["standing", "sitting", "walking", "action"]),
    ("age_range", &["18-25", "25-35", "35-50", "50+"]),
    ("ethnicity", &["caucasian", "asian", "african", "hispanic", "mixed"]),
    ("clothing_style", &["casual", "formal", "athletic", "fashion"]),
    ("background", &["studio_white", "studio_gray", "natural", "custom"]),
];

/// What a worker was asked to draw.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) workflow: String,
    pub(super) parameters: Map<String, Value>,
    pub(super) outputs: usize,
    pub(super) seed: u64,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Why a product endpoint will not draw.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) details: Value,
}

impl Refusal {
    fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self { code: "INVALID_INPUT".to_owned(), message: message.into(), details: json!({ "field": field }) }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "code": self.code, "message": self.message, "details": self.details })
    }
}

impl Order {
    /// Reads the `input` of a job. Without a seed one is derived from `job_id`; without a size `size` is drawn.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, as the endpoint would tell it.
    pub(super) fn read(input: &Value, job_id: &str, size: (u32, u32)) -> Result<Self, Refusal> {
        let workflow = input.get("workflow_type").and_then(Value::as_str).unwrap_or_default();
        let Some((_, required)) = REQUIRED.iter().find(|(name, _)| *name == workflow) else {
            return Err(Refusal::invalid("workflow_type", format!("Unknown workflow type '{workflow}'")));
        };
        let Some(Value::Object(parameters)) = input.get("input") else {
            return Err(Refusal::invalid("input", "'input' must be an object"));
        };
        for field in *required {
            if parameters.get(*field).is_none_or(Value::is_null) {
                return Err(Refusal::invalid(field, format!("Missing required parameter '{field}'")));
            }
        }
        if workflow == "model" {
            check_values(parameters)?;
        }
        let outputs = input.get("num_outputs").map_or(Some(1), Value::as_u64).filter(|n| (1..=OUTPUTS_MAX).contains(n));
        let Some(outputs) = outputs else {
            return Err(Refusal::invalid("num_outputs", format!("'num_outputs' must be 1 to {OUTPUTS_MAX}")));
        };
        check_format(input.get("output_format"))?;
        let seed = match input.get("seed").or_else(|| parameters.get("seed")) {
            None | Some(Value::Null) => derived_seed(job_id),
            Some(seed) => {
                seed.as_u64().ok_or_else(|| Refusal::invalid("seed", "'seed' must be a non-negative integer"))?
            }
        };
        let (width, height) = read_size(input, parameters, size)?;
        Ok(Self {
            workflow: workflow.to_owned(),
            parameters: parameters.clone(),
            outputs: usize::try_from(outputs).unwrap_or_default(),
            seed,
            width,
            height,
        })
    }

    /// 32 bytes that differ as soon as anything asked for differs.
    pub(super) fn digest(&self, index: usize) -> [u8; 32] {
        let asked = json!([self.workflow, self.parameters, self.seed, self.width, self.height, index]);
        Sha256::digest(asked.to_string().as_bytes()).into()
    }

    /// Draws picture `index`.
    pub(super) fn file(&self, index: usize) -> File {
        let bytes = draw::picture(self, index).expect("encoding into memory fails only without memory");
        File { bytes, content_type: "image/png" }
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.parameters.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

fn check_values(parameters: &Map<String, Value>) -> Result<(), Refusal> {
    for (field, allowed) in MODEL_VALUES {
        let fault = match parameters.get(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(value)) if allowed.contains(&value.as_str()) => None,
            Some(value) => Some(format!("'{field}' must be one of {}, not {value}", allowed.join(", "))),
        };
        if let Some(message) = fault {
            return Err(Refusal::invalid(field, message));
        }
    }
    Ok(())
}

fn check_format(format: Option<&Value>) -> Result<(), Refusal> {
    match format {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(format)) if PICTURE_FORMATS.contains(&format.as_str()) => Ok(()),
        Some(format) => Err(Refusal::invalid(
            "output_format",
            format!("'output_format' must be one of {}, not {format}", PICTURE_FORMATS.join(", ")),
        )),
    }
}

fn derived_seed(job_id: &str) -> u64 {
    let digest = Sha256::digest(job_id.as_bytes());
    // 53 bits, so that a JavaScript client reads it back without loss.
    digest.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte)) >> 11
}

fn read_size(input: &Value, parameters: &Map<String, Value>, default: (u32, u32)) -> Result<(u32, u32), Refusal> {
    let side = |names: [&str; 2], default: u32| {
        let asked = names.iter().find_map(|name| parameters.get(*name).or_else(|| input.get(*name)));
        match asked {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value
                .as_u64()
                .filter(|side| (1..=SIDE_MAX).contains(side))
                .and_then(|side| u32::try_from(side).ok())
                .ok_or_else(|| Refusal::invalid(names[0], format!("'{}' must be 1 to {SIDE_MAX}", names[0]))),
        }
    };
    let size = (side(["width", "target_width"], default.0)?, side(["height", "target_height"], default.1)?);
    if u64::from(size.0) * u64::from(size.1) > PIXELS_MAX {
        return Err(Refusal::invalid("width", "The picture would be too large"));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (u32, u32) = (64, 96);

    fn model() -> Value {
        json!({"workflow_type": "model", "num_outputs": 2, "output_format": "webp", "seed": 7,
            "input": {"gender": "female", "pose": "standing", "age_range": "25-35", "ethnicity": "asian"}})
    }

    #[test]
    fn a_complete_request_is_read_with_its_seed_and_size() {
        let order = Order::read(&model(), "job", SIZE).expect("valid");
        assert_eq!((order.outputs, order.seed, order.width, order.height), (2, 7, 64, 96));
        assert_ne!(order.digest(0), order.digest(1));
    }

    #[test]
    fn what_is_missing_or_out_of_range_is_refused_by_name() {
        for (pointer, value, field) in [
            ("/workflow_type", json!("sculpture"), "workflow_type"),
            ("/input", json!([]), "input"),
            ("/input/gender", json!("robot"), "gender"),
            ("/input/pose", Value::Null, "pose"),
            ("/num_outputs", json!(5), "num_outputs"),
            ("/output_format", json!("mp4"), "output_format"),
            ("/seed", json!(-1), "seed"),
        ] {
            let mut input = model();
            *input.pointer_mut(pointer).expect("the pointer is in the request") = value;
            let refusal = Order::read(&input, "job", SIZE).expect_err(pointer);
            assert_eq!((refusal.code.as_str(), &refusal.details["field"]), ("INVALID_INPUT", &json!(field)));
        }
    }

    #[test]
    fn a_seed_that_is_not_given_is_exact_in_javascript() {
        let mut input = model();
        input["seed"] = Value::Null;
        let order = Order::read(&input, "job", SIZE).expect("valid");
        assert!(order.seed < 1 << 53);
    }
}
