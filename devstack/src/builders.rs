//! Requests as a test needs them: complete by default, changed where the test is about something.

use serde_json::{Map, Value, json};

/// A request of the `model` workflow that is valid as it stands: 2 outputs for 2 credits.
pub fn model() -> RequestBuilder {
    let input = json!({
        "gender": "female",
        "pose": "standing",
        "age_range": "25-35",
        "ethnicity": "mixed",
        "background": "studio_white",
        "prompt": "a portrait in soft light",
    });
    RequestBuilder { body: json!({"workflow_type": "model", "input_data": input}) }
}

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
