//! What a worker was asked for, in either dialect: a product endpoint's order or a ComfyUI graph; and the format it makes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::comfy;
use super::draw;
use super::faults::ImageForm;
use super::output::File;
use super::product::{Order, Refusal};

/// The format of the files a job makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Gif,
    Mp4,
}

impl Format {
    /// Also the name of the format in a result's metadata.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Mp4 => "mp4",
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Mp4 => "video/mp4",
        }
    }
}

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
    /// Reads the `input` of a job: with a `workflow` in it, it is one of worker-comfyui's, and is done at once, for only then is
    /// known what comes of it. That also takes the JSON as text.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as the worker of that dialect would tell it.
    pub(super) fn read(
        input: &Arc<Value>,
        job_id: &str,
        size: (u32, u32),
        worker: &Arc<comfy::Worker>,
    ) -> Result<Self, Refused> {
        let comfy = match &**input {
            Value::String(_) => true,
            input => input.get("workflow").is_some(),
        };
        if comfy {
            return comfy::Prompt::run(input, worker).map(Self::Comfy).map_err(Refused::Comfy);
        }
        Order::read(input, job_id, size).map(Self::Product).map_err(Refused::Product)
    }

    /// The same without the job's input, which nothing can be made of any more.
    pub(super) fn emptied(&self) -> Self {
        match self {
            Self::Product(order) => Self::Product(order.emptied()),
            Self::Comfy(prompt) => Self::Comfy(prompt.emptied()),
        }
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
            Self::Product(order) => format!("ComfyUI_{:05}_.{}", index + 1, order.format.extension()),
            Self::Comfy(prompt) => prompt.filename(index),
        }
    }

    pub(super) fn format(&self) -> Format {
        match self {
            Self::Product(order) => order.format,
            Self::Comfy(_) => Format::Png,
        }
    }

    /// Makes that many files, which may be more than [`Self::outputs`]. Takes a tenth of a second for each megapixel.
    pub(super) fn files(&self, count: usize) -> Vec<File> {
        match self {
            Self::Product(order) => draw::files(order, count).expect("encoding into memory fails only without memory"),
            Self::Comfy(prompt) => (0..count).map(|index| prompt.file(index)).collect(),
        }
    }

    /// The `output` of worker-comfyui 5 around its pictures.
    pub(super) fn comfy_output(&self, images: Vec<Value>, errors: Vec<String>) -> Value {
        let failed = match self {
            Self::Product(_) => None,
            Self::Comfy(prompt) => prompt.error(),
        };
        let errors: Vec<String> = failed.map(str::to_owned).into_iter().chain(errors).collect();
        match (images.is_empty(), errors.is_empty()) {
            (true, true) => json!({ "status": "success_no_images", "images": [] }),
            (_, true) => json!({ "images": images }),
            (_, false) => json!({ "images": images, "errors": errors }),
        }
    }
}
