//! What a worker was asked for, in either dialect: a product endpoint's order or a ComfyUI graph.

use std::sync::Arc;

use serde_json::{Value, json};

use super::comfy;
use super::faults::ImageForm;
use super::output::File;
use super::product::{Order, Refusal};

/// What a job makes.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Product(Order),
    Comfy(comfy::Prompt),
}

/// Why a worker will not make it.
#[derive(Clone, Debug)]
pub(super) enum Refused {
    Product(Refusal),
    Comfy(comfy::Failure),
}

impl Work {
    /// Reads the `input` of a job: with a `workflow` in it, it is one of worker-comfyui's. That also takes the JSON as text.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as the worker of that dialect would tell it.
    pub(super) fn read(input: &Arc<Value>, job_id: &str, size: (u32, u32)) -> Result<Self, Refused> {
        let comfy = match &**input {
            Value::String(_) => true,
            input => input.get("workflow").is_some(),
        };
        if comfy {
            return comfy::Prompt::read(input, job_id).map(Self::Comfy).map_err(Refused::Comfy);
        }
        Order::read(input, job_id, size).map(Self::Product).map_err(Refused::Product)
    }

    /// How many pictures there will be, unless a fault says otherwise.
    pub(super) fn outputs(&self) -> usize {
        match self {
            Self::Product(order) => order.outputs,
            Self::Comfy(prompt) => prompt.outputs(),
        }
    }

    /// The form of the result: worker-comfyui has its own, inline or by URL.
    pub(super) fn form(&self, product: ImageForm) -> ImageForm {
        match self {
            Self::Comfy(_) if product.is_url() => ImageForm::ComfyUrl,
            Self::Comfy(_) => ImageForm::ComfyBase64,
            Self::Product(_) => product,
        }
    }

    /// Width and height of a picture.
    pub(super) fn size(&self, index: usize) -> (u32, u32) {
        match self {
            Self::Product(order) => (order.width, order.height),
            Self::Comfy(prompt) => prompt.size(index),
        }
    }

    /// The seed, where the request has one for all of it.
    pub(super) fn seed(&self) -> Option<u64> {
        match self {
            Self::Product(order) => Some(order.seed),
            Self::Comfy(_) => None,
        }
    }

    /// The name of a picture in worker-comfyui's form.
    pub(super) fn filename(&self, index: usize) -> String {
        match self {
            Self::Product(_) => format!("ComfyUI_{:05}_.png", index + 1),
            Self::Comfy(prompt) => prompt.filename(index),
        }
    }

    /// Makes picture `index`, which may be beyond [`Self::outputs`]. Takes tens of milliseconds for each megapixel.
    pub(super) fn file(&self, index: usize) -> File {
        match self {
            Self::Product(order) => order.file(index),
            Self::Comfy(prompt) => prompt.file(index),
        }
    }

    /// The `output` of worker-comfyui 5 around its pictures.
    pub(super) fn comfy_output(&self, images: Vec<Value>) -> Value {
        json!({ "images": images })
    }
}
