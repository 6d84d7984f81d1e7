//! The catalogue: what can be asked for, what it costs and how long it may take. Pure.
//!
//! A workflow is one entry of [`CATALOGUE`]: everything else (validation, price, deadlines, the job sent to the
//! provider, the published schema) is derived from it.

mod catalogue;
mod comfy;
mod fields;
mod fingerprint;
mod format;
pub mod graph;
mod input_data;
mod parameter;
mod picture;
mod product;
mod request;
mod sent_size;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::credits::Credits;

pub use catalogue::CATALOGUE;
pub use comfy::comfy_input;
pub use fields::{FAULTS_MAX, Fault};
pub use format::{OutputFormat, UnknownFormat};
pub use input_data::put as put_picture;
pub use parameter::{Kind, Need, Parameter, Preset};
pub use picture::{
    InlinePicture, PICTURE_WANTED, PathOwner, PictureSource, RequestPicture, StoredPicture, outgrows, path_owner,
    stored_pictures,
};
pub use product::{SEED_MAX, product_input};
pub use request::{
    METHOD_AUTOMATIC, METHOD_CHARS_MAX, NAME_CHARS_MAX, NO_SUCH_PICTURE, Request, TAG_CHARS_MAX, TAGS_MAX,
};
pub use sent_size::follow_sent_sizes;

/// The most outputs that one request may ask for, of any workflow.
pub const OUTPUTS_MAX: u8 = 4;

/// The longest prompt, in characters.
pub const PROMPT_CHARS_MAX: usize = 2_000;

/// What a customer can ask for: `workflow_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowType {
    /// A photorealistic human model.
    Model,
    /// A garment placed on a model.
    Tryon,
    /// A product in another colour.
    ColorChange,
    /// A larger picture.
    Upscale,
    /// A graphic put on a product.
    GraphicTransfer,
    /// A picture of another shape.
    Resize,
    /// Another background, or none.
    Background,
    /// A product in a scene.
    Lifestyle,
    /// A clip made of pictures.
    Video,
    /// A post for social media.
    Poster,
}

/// What the endpoint of a workflow speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum Dialect {
    /// `{workflow_type, input, num_outputs, output_format}` in, `{images, metadata}` out.
    Product,
    /// A ComfyUI graph and its pictures in, `{images: [{filename, type, data}]}` out.
    WorkerComfyui,
}

/// The text names no dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect")]
pub struct UnknownDialect;

/// One entry of the catalogue.
#[derive(Debug, PartialEq)]
pub struct Workflow {
    /// Its name on the wire.
    pub kind: WorkflowType,
    /// What the customer reads, also stored as `workflow_name`.
    pub title: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Credits for one request of up to `outputs_default` outputs.
    pub cost: Credits,
    /// Outputs made when the request does not say.
    pub outputs_default: u8,
    /// The most outputs one request may ask for.
    pub outputs_max: u8,
    /// How long a generation usually takes, once it runs.
    pub target: Duration,
    /// How long a generation may take, once it runs.
    pub max: Duration,
    /// What it can be had as; the first is the default.
    pub formats: &'static [OutputFormat],
    /// What its endpoint speaks, unless the deployment says otherwise.
    pub dialect: Dialect,
    /// What `input_data` may hold, in the order in which it is documented.
    pub parameters: &'static [Parameter],
}

/// The workflow with this `workflow_type`, or `None` where there is none.
#[must_use]
pub fn find(name: &str) -> Option<&'static Workflow> {
    CATALOGUE.iter().find(|workflow| workflow.kind.as_str() == name)
}

impl WorkflowType {
    /// Its name on the wire and in `generation_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Tryon => "tryon",
            Self::ColorChange => "color_change",
            Self::Upscale => "upscale",
            Self::GraphicTransfer => "graphic_transfer",
            Self::Resize => "resize",
            Self::Background => "background",
            Self::Lifestyle => "lifestyle",
            Self::Video => "video",
            Self::Poster => "poster",
        }
    }

    /// Whether an endpoint of that dialect can run it.
    #[must_use]
    pub fn speaks(self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Product => true,
            Dialect::WorkerComfyui => self.has_graph(),
        }
    }

    /// Its entry of the catalogue.
    ///
    /// # Panics
    /// Never: a test looks every one of them up.
    #[must_use]
    pub fn workflow(self) -> &'static Workflow {
        CATALOGUE.iter().find(|workflow| workflow.kind == self).expect("every workflow is in the catalogue")
    }
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 2] = [Self::Product, Self::WorkerComfyui];

    /// Its name in settings and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::WorkerComfyui => "worker-comfyui",
        }
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == text).ok_or(UnknownDialect)
    }
}

impl fmt::Display for WorkflowType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Workflow {
    /// What an output is made as when the request does not say.
    #[must_use]
    pub fn format_default(&self) -> OutputFormat {
        self.formats[0]
    }
}

#[cfg(test)]
mod tests {
    use super::{CATALOGUE, Need, OUTPUTS_MAX, find};

    #[test]
    fn every_entry_is_found_by_its_name_and_no_other() {
        for workflow in CATALOGUE {
            assert_eq!(find(workflow.kind.as_str()), Some(workflow));
            assert_eq!(workflow.kind.workflow(), workflow);
        }
        assert_eq!(find("Model"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn every_entry_keeps_the_bounds_that_the_rest_relies_on() {
        for workflow in CATALOGUE {
            assert!(workflow.cost.get() > 0, "{workflow:?}");
            assert!((1..=workflow.outputs_max).contains(&workflow.outputs_default), "{workflow:?}");
            assert!(workflow.outputs_max <= OUTPUTS_MAX, "{workflow:?}");
            assert!(workflow.target < workflow.max, "{workflow:?}");
            assert!(!workflow.formats.is_empty(), "{workflow:?}");
        }
    }

    #[test]
    fn every_default_would_itself_be_accepted() {
        for workflow in CATALOGUE {
            for parameter in workflow.parameters {
                if let Need::Default(preset) = parameter.need {
                    let value = preset.to_value();
                    assert_eq!(parameter.kind.check(&value), Ok(Some(value.clone())), "{parameter:?}");
                }
            }
        }
    }
}
