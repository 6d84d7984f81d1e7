//! Requests as a test needs them: complete by default, changed where the test is about something.

use std::sync::LazyLock;

use image::ImageFormat;
use serde_json::{Map, Value, json};

use crate::samples::{Sample, base64};

/// The side of pictures that a test does not care about.
const SIDE: u32 = 192;

/// A request of the `model` workflow that is valid as it stands: 2 outputs for 2 credits.
pub fn model() -> RequestBuilder {
    request("model")
}

/// A request of any workflow, complete and valid as it stands, its pictures small and inside of it as base64.
///
/// # Panics
/// When there is no such workflow.
pub fn request(workflow: &str) -> RequestBuilder {
    let input = match workflow {
        "model" => json!({
            "gender": "female",
            "pose": "standing",
            "age_range": "25-35",
            "ethnicity": "mixed",
            "background": "studio_white",
            "prompt": "a portrait in soft light",
        }),
        "tryon" => json!({"model_image": *PORTRAIT, "garment_image": *GARMENT, "garment_type": "top"}),
        "color_change" => json!({"input_image": *MUG, "target_color": "#C03A2B"}),
        "upscale" => json!({"input_image": *MUG, "upscale_level": 2}),
        "graphic_transfer" => json!({
            "base_image": *GARMENT,
            "graphic_image": *LOGO,
            "position": {"x": 0.5, "y": 0.5},
            "scale": 0.3,
        }),
        "resize" => json!({
            "input_image": *MUG,
            "target_width": 320,
            "target_height": 180,
            "maintain_aspect": true,
            "fill_mode": "crop",
        }),
        "background" => {
            json!({"input_image": *MUG, "prompt": "a beach in the evening", "style": "photorealistic"})
        }
        "lifestyle" => json!({"product_image": *MUG, "scene": "kitchen", "lighting": "natural"}),
        "video" => json!({"input_images": [*MUG, *GARMENT], "duration": 2, "transition": "fade"}),
        "poster" => json!({"input_image": *MUG, "platform": "instagram_post"}),
        other => panic!("there is no workflow {other}"),
    };
    RequestBuilder { body: json!({"workflow_type": workflow, "input_data": input}) }
}

static GARMENT: LazyLock<String> = LazyLock::new(|| base64(&Sample::Garment.file(SIDE, ImageFormat::Jpeg)));
static MUG: LazyLock<String> = LazyLock::new(|| base64(&Sample::Mug.file(SIDE, ImageFormat::Jpeg)));
static LOGO: LazyLock<String> = LazyLock::new(|| base64(&Sample::Logo.file(SIDE, ImageFormat::Png)));
static PORTRAIT: LazyLock<String> = LazyLock::new(|| base64(&Sample::Portrait.file(SIDE, ImageFormat::Jpeg)));

/// The body of `POST /api/v1/generate`, being written.
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    body: Value,
}

impl RequestBuilder {
    /// Sets a parameter, also to something invalid.
    #[must_use]
    pub fn input(self, name: &str, value: impl Into<Value>) -> Self {
        self.within("input_data", name, value.into())
    }

    /// Sets a picture: base64, a storage path or a URL; for `input_images` a list of them.
    #[must_use]
    pub fn picture(self, name: &str, value: impl Into<Value>) -> Self {
        self.input(name, value)
    }

    /// The prompt: what faults of the simulator are bound to.
    #[must_use]
    pub fn prompt(self, text: &str) -> Self {
        self.input("prompt", text)
    }

    /// How many outputs are asked for.
    #[must_use]
    pub fn outputs(self, count: i64) -> Self {
        self.setting("output_count", count)
    }

    /// The format asked for.
    #[must_use]
    pub fn format(self, format: &str) -> Self {
        self.setting("output_format", format)
    }

    /// Sets a member of `settings`.
    #[must_use]
    pub fn setting(self, name: &str, value: impl Into<Value>) -> Self {
        self.within("settings", name, value.into())
    }

    /// Sets a member of the body itself.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body[name] = value.into();
        self
    }

    /// Leaves a parameter out.
    #[must_use]
    pub fn without_input(mut self, name: &str) -> Self {
        if let Some(input) = self.body["input_data"].as_object_mut() {
            input.remove(name);
        }
        self
    }

    /// The body.
    pub fn build(self) -> Value {
        self.body
    }

    fn within(mut self, part: &str, name: &str, value: Value) -> Self {
        if !self.body[part].is_object() {
            self.body[part] = Value::Object(Map::new());
        }
        self.body[part][name] = value;
        self
    }
}

#[cfg(test)]
mod tests {
    use shared::workflow::{CATALOGUE, Request};

    use super::request;

    #[test]
    fn the_request_of_every_workflow_is_valid_as_it_stands() {
        for workflow in CATALOGUE {
            let body = request(workflow.kind.as_str()).build();
            let parsed = Request::parse(&body).unwrap_or_else(|faults| panic!("{}: {faults:?}", workflow.kind));
            assert_eq!(parsed.workflow.kind, workflow.kind);
        }
    }
}
