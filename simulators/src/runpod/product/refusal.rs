//! Why a product endpoint will not draw.

use serde_json::{Value, json};

/// An error in the product endpoint's own form.
#[derive(Clone, Debug)]
pub(in crate::runpod) struct Refusal {
    pub(in crate::runpod) code: String,
    pub(in crate::runpod) message: String,
    pub(in crate::runpod) details: Value,
}

impl Refusal {
    /// `field` is written as `position.x` and `input_images[1]`.
    pub(super) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self { code: "INVALID_INPUT".to_owned(), message: message.into(), details: json!({ "field": field }) }
    }

    pub(super) fn too_small(field: &str, (width, height): (u32, u32), side_min: u32) -> Self {
        Self {
            code: "INSUFFICIENT_RESOLUTION".to_owned(),
            message: format!("'{field}' must be at least {side_min}x{side_min} pixels, not {width}x{height}"),
            details: json!({ "field": field, "width": width, "height": height, "minimum": side_min }),
        }
    }

    pub(in crate::runpod) fn to_json(&self) -> Value {
        json!({ "code": self.code, "message": self.message, "details": self.details })
    }
}
