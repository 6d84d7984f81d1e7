//! The catalogue: what can be asked for, what it costs and how long it may take. Pure.
//!
//! A workflow is one entry of [`CATALOGUE`]: everything else (validation, price, deadlines, the job sent to the
//! provider, the published schema) is derived from it.

mod fields;
mod fingerprint;
mod format;
mod parameter;
mod product;
mod request;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::credits::Credits;

pub use fields::{FAULTS_MAX, Fault};
pub use format::{OutputFormat, UnknownFormat};
pub use parameter::{Kind, Need, Parameter, Preset};
pub use product::{SEED_MAX, product_input};
pub use request::{METHOD_AUTOMATIC, METHOD_CHARS_MAX, NAME_CHARS_MAX, Request, TAG_CHARS_MAX, TAGS_MAX};

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
}

/// What the endpoint of a workflow speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `{workflow_type, input, num_outputs, output_format}` in, `{images, metadata}` out.
    Product,
}

/// One entry of the catalogue.
#[derive(Debug, PartialEq)]
pub struct Workflow {
    /// Its name on the wire.
    pub kind: WorkflowType,
    /// What the customer reads, also stored as `workflow_name`.
    pub title: &'static str,
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
    /// What its endpoint speaks.
    pub dialect: Dialect,
    /// What `input_data` may hold, in the order in which it is documented.
    pub parameters: &'static [Parameter],
}

/// The formats of a picture; the first is the default.
const PICTURE_FORMATS: &[OutputFormat] =
    &[OutputFormat::Webp, OutputFormat::Jpg, OutputFormat::Png, OutputFormat::Avif];

static MODEL: Workflow = Workflow {
    kind: WorkflowType::Model,
    title: "Model generation",
    cost: Credits::new(2),
    outputs_default: 2,
    outputs_max: OUTPUTS_MAX,
    target: Duration::from_secs(20),
    max: Duration::from_secs(45),
    formats: PICTURE_FORMATS,
    dialect: Dialect::Product,
    parameters: &[
        Parameter::required("gender", Kind::Choice(&["male", "female", "non-binary"])),
        Parameter::required("pose", Kind::Choice(&["standing", "sitting", "walking", "action"])),
        Parameter::required("age_range", Kind::Choice(&["18-25", "25-35", "35-50", "50+"])),
        Parameter::required("ethnicity", Kind::Choice(&["caucasian", "asian", "african", "hispanic", "mixed"])),
        Parameter::optional("clothing_style", Kind::Choice(&["casual", "formal", "athletic", "fashion"])),
        Parameter::optional("background", Kind::Choice(&["studio_white", "studio_gray", "natural", "custom"])),
        Parameter::optional("prompt", Kind::Text { chars_max: PROMPT_CHARS_MAX }),
    ],
};

/// Every workflow on offer.
pub static CATALOGUE: &[&Workflow] = &[&MODEL];

/// The workflow with this `workflow_type`, or `None` where there is none.
#[must_use]
pub fn find(name: &str) -> Option<&'static Workflow> {
    CATALOGUE.iter().copied().find(|workflow| workflow.kind.as_str() == name)
}

impl WorkflowType {
    /// Its name on the wire and in `generation_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
        }
    }

    /// Its entry of the catalogue.
    #[must_use]
    pub fn workflow(self) -> &'static Workflow {
        match self {
            Self::Model => &MODEL,
        }
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
            assert_eq!(find(workflow.kind.as_str()), Some(*workflow));
            assert_eq!(workflow.kind.workflow(), *workflow);
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
