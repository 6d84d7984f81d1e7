//! The documented form of a request, derived from the catalogue of workflows.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use serde_json::Value;
use shared::workflow::{
    CATALOGUE, Fault, Kind, METHOD_AUTOMATIC, METHOD_CHARS_MAX, NAME_CHARS_MAX, Need, OUTPUTS_MAX, OutputFormat,
    Parameter, Request, TAG_CHARS_MAX, TAGS_MAX, Workflow, WorkflowType,
};

use crate::payload::CheckedBody;

/// Most bytes of a request. Pictures may come inside it as base64.
const GENERATE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A request to run one workflow.
pub(super) struct GenerateBody;

impl CheckedBody for GenerateBody {
    type Output = Request;
    const NAME: &'static str = "GenerateRequest";
    const BYTES_MAX: usize = GENERATE_BYTES_MAX;

    fn schema(registry: &mut Registry) -> MetaSchema {
        let inputs = CATALOGUE.iter().map(|workflow| input(registry, workflow)).collect();
        let input_data = MetaSchema { one_of: inputs, ..about("", "The workflow's own parameters.") };
        let workflow_type = MetaSchema {
            enum_items: CATALOGUE.iter().map(|workflow| workflow.kind.as_str().into()).collect(),
            ..about("string", "What to run.")
        };
        let user_id = about_uuid("May be left out; else the id of the token's own user.");
        let name = |description| MetaSchema { max_length: Some(NAME_CHARS_MAX), ..about("string", description) };
        let tag = MetaSchema { max_length: Some(TAG_CHARS_MAX), min_length: Some(1), ..MetaSchema::new("string") };
        let tags = MetaSchema {
            items: Some(Box::new(inline(tag))),
            max_items: Some(TAGS_MAX),
            ..about("array", "Words to find it by.")
        };
        MetaSchema {
            description: Some("A request to run one workflow."),
            required: vec!["workflow_type", "input_data"],
            properties: vec![
                ("workflow_type", inline(workflow_type)),
                ("user_id", optional(user_id)),
                ("input_data", inline(input_data)),
                ("settings", optional(settings())),
                ("project_id", optional(about_uuid("One of the caller's own projects."))),
                ("brand_name", optional(name("The brand it is for."))),
                ("campaign_name", optional(name("The campaign it is for."))),
                ("tags", optional(tags)),
            ],
            ..MetaSchema::new("object")
        }
    }

    fn check(body: &Value) -> Result<Request, Vec<Fault>> {
        Request::parse(body)
    }
}

fn about(kind: &'static str, description: &'static str) -> MetaSchema {
    MetaSchema { description: Some(description), ..MetaSchema::new(kind) }
}

fn about_uuid(description: &'static str) -> MetaSchema {
    MetaSchema { format: Some("uuid"), ..about("string", description) }
}

fn inline(schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(schema))
}

/// A property that may be left out, for which `null` is another spelling.
fn optional(schema: MetaSchema) -> MetaSchemaRef {
    inline(MetaSchema { nullable: true, ..schema })
}

fn settings() -> MetaSchema {
    let method = MetaSchema {
        default: Some(METHOD_AUTOMATIC.into()),
        max_length: Some(METHOD_CHARS_MAX),
        pattern: Some("^[a-z][a-z0-9_]*$".to_owned()),
        ..about("string", "How the customer works. Kept with the generation; changes nothing else.")
    };
    let output_count = MetaSchema {
        minimum: Some(1.0),
        maximum: Some(f64::from(OUTPUTS_MAX)),
        ..about("integer", "How many outputs. The workflow's own number when left out; the price follows it.")
    };
    let output_format = MetaSchema {
        enum_items: OutputFormat::ALL.iter().map(|format| format.as_str().into()).collect(),
        ..about("string", "What outputs are delivered as: one of the workflow's formats, its first when left out.")
    };
    MetaSchema {
        properties: vec![
            ("method", optional(method)),
            ("output_count", optional(output_count)),
            ("output_format", optional(output_format)),
        ],
        ..about("object", "How many outputs, and as what.")
    }
}

/// Registers the parameters of `workflow` as a schema of their own.
fn input(registry: &mut Registry, workflow: &'static Workflow) -> MetaSchemaRef {
    let name = match workflow.kind {
        WorkflowType::Model => "ModelInput",
        WorkflowType::Tryon => "TryonInput",
        WorkflowType::ColorChange => "ColorChangeInput",
        WorkflowType::Upscale => "UpscaleInput",
        WorkflowType::GraphicTransfer => "GraphicTransferInput",
        WorkflowType::Resize => "ResizeInput",
        WorkflowType::Background => "BackgroundInput",
        WorkflowType::Lifestyle => "LifestyleInput",
        WorkflowType::Video => "VideoInput",
        WorkflowType::Poster => "PosterInput",
    };
    let schema = MetaSchema { description: Some(workflow.summary), ..object(workflow.parameters) };
    registry.schemas.insert(name.to_owned(), schema);
    MetaSchemaRef::Reference(name.to_owned())
}

fn object(parameters: &[Parameter]) -> MetaSchema {
    let required = parameters.iter().filter(|parameter| parameter.need == Need::Required);
    MetaSchema {
        required: required.map(|parameter| parameter.name).collect(),
        properties: parameters.iter().map(|parameter| (parameter.name, value(parameter))).collect(),
        ..MetaSchema::new("object")
    }
}

/// What one parameter accepts.
#[expect(clippy::cast_precision_loss, reason = "the bounds of parameters are small")]
fn value(parameter: &Parameter) -> MetaSchemaRef {
    let schema = match parameter.kind {
        Kind::Choice(words) => {
            MetaSchema { enum_items: words.iter().map(|word| (*word).into()).collect(), ..MetaSchema::new("string") }
        }
        Kind::IntegerChoice(numbers) => MetaSchema {
            enum_items: numbers.iter().map(|number| (*number).into()).collect(),
            ..MetaSchema::new("integer")
        },
        Kind::Text { chars_max } => {
            MetaSchema { min_length: Some(1), max_length: Some(chars_max), ..MetaSchema::new("string") }
        }
        Kind::Flag => MetaSchema::new("boolean"),
        Kind::Integer { min, max } => {
            MetaSchema { minimum: Some(min as f64), maximum: Some(max as f64), ..MetaSchema::new("integer") }
        }
        Kind::Number { min, max } => MetaSchema { minimum: Some(min), maximum: Some(max), ..MetaSchema::new("number") },
        Kind::Colour => MetaSchema { pattern: Some("^#[0-9A-Fa-f]{6}$".to_owned()), ..MetaSchema::new("string") },
        Kind::Picture => MetaSchema::new("string"),
        Kind::Pictures { min, max } => MetaSchema {
            items: Some(Box::new(inline(MetaSchema::new("string")))),
            min_items: Some(min),
            max_items: Some(max),
            ..MetaSchema::new("array")
        },
        Kind::Object(parts) => object(parts),
    };
    let schema = MetaSchema { description: Some(parameter.doc), ..schema };
    match parameter.need {
        Need::Required => inline(schema),
        Need::Optional | Need::Unless(_) => optional(schema),
        Need::Default(preset) => optional(MetaSchema { default: Some(preset.to_value()), ..schema }),
    }
}
