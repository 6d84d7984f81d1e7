//! The documented form of a request, derived from the catalogue: one schema for each workflow, told apart by
//! `workflow_type`, so that generated clients know which parameters and formats belong together.

use poem_openapi::registry::{MetaDiscriminatorObject, MetaSchema, MetaSchemaRef, Registry};
use serde_json::Value;
use shared::workflow::{
    CATALOGUE, Fault, METHOD_AUTOMATIC, METHOD_CHARS_MAX, NAME_CHARS_MAX, Request, TAG_CHARS_MAX, TAGS_MAX, Workflow,
    WorkflowType,
};

use super::parameter_schema::{about, inline, object, optional, register_picture};
use crate::payload::CheckedBody;

/// Most bytes of a request. Pictures may come inside it as base64.
const GENERATE_BYTES_MAX: usize = 16 * 1024 * 1024;
const OUTPUT_FORMAT: &str = "What outputs are delivered as. A picture that is too large to re-encode here keeps the format \
    it was made in: the extension of its path says which.";
const ABOUT: &str = "A request to run one workflow; `workflow_type` decides its form. Every name may also be spelt in \
    camelCase (`ageRange` for `age_range`), `null` counts as left out, and a name that is not listed is refused.";

/// A request to run one workflow.
pub(super) struct GenerateBody;

impl CheckedBody for GenerateBody {
    type Output = Request;
    const NAME: &'static str = "GenerateRequest";
    const BYTES_MAX: usize = GENERATE_BYTES_MAX;

    fn schema(registry: &mut Registry) -> MetaSchema {
        register_picture(registry);
        let mut one_of = Vec::new();
        let mut mapping = Vec::new();
        for workflow in CATALOGUE {
            let (input, request) = (schema_name(workflow.kind, "Input"), schema_name(workflow.kind, "Request"));
            let parameters = MetaSchema { description: Some(workflow.summary), ..object(workflow.parameters) };
            registry.schemas.insert(input.clone(), parameters);
            registry.schemas.insert(request.clone(), form(workflow, MetaSchemaRef::Reference(input)));
            mapping.push((workflow.kind.as_str().to_owned(), format!("#/components/schemas/{request}")));
            one_of.push(MetaSchemaRef::Reference(request));
        }
        MetaSchema {
            description: Some(ABOUT),
            one_of,
            discriminator: Some(MetaDiscriminatorObject { property_name: "workflow_type", mapping }),
            ..MetaSchema::ANY
        }
    }

    fn check(body: &Value) -> Result<Request, Vec<Fault>> {
        Request::parse(body)
    }
}

/// `ColorChangeInput` for `color_change`.
pub(crate) fn schema_name(workflow: WorkflowType, suffix: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    workflow.as_str().split('_').map(capital).chain([suffix.to_owned()]).collect()
}

/// A request to run this workflow.
fn form(workflow: &'static Workflow, input: MetaSchemaRef) -> MetaSchema {
    let workflow_type =
        MetaSchema { enum_items: vec![workflow.kind.as_str().into()], ..about("string", "What to run.") };
    let user_id = about_uuid("May be left out; else the id of the token's own user.");
    let name = |description| MetaSchema { max_length: Some(NAME_CHARS_MAX), ..about("string", description) };
    let tag = MetaSchema { max_length: Some(TAG_CHARS_MAX), min_length: Some(1), ..MetaSchema::new("string") };
    let tags = MetaSchema {
        items: Some(Box::new(inline(tag))),
        max_items: Some(TAGS_MAX),
        ..about("array", "Words to find it by.")
    };
    MetaSchema {
        required: vec!["workflow_type", "input_data"],
        properties: vec![
            ("workflow_type", inline(workflow_type)),
            ("input_data", input),
            ("settings", optional(settings(workflow))),
            ("user_id", optional(user_id)),
            ("quote_id", optional(about_uuid("A quote of this very request, to be accepted at its price."))),
            ("project_id", optional(about_uuid("One of the caller's own projects."))),
            ("brand_name", optional(name("The brand it is for."))),
            ("campaign_name", optional(name("The campaign it is for."))),
            ("tags", optional(tags)),
        ],
        ..about("object", workflow.summary)
    }
}

fn about_uuid(description: &'static str) -> MetaSchema {
    MetaSchema { format: Some("uuid"), ..about("string", description) }
}

fn settings(workflow: &Workflow) -> MetaSchema {
    let method = MetaSchema {
        default: Some(METHOD_AUTOMATIC.into()),
        max_length: Some(METHOD_CHARS_MAX),
        pattern: Some("^[a-z][a-z0-9_]*$".to_owned()),
        ..about("string", "How the customer works. Kept with the generation; changes nothing else.")
    };
    let output_count = MetaSchema {
        default: Some(workflow.outputs_default.into()),
        minimum: Some(1.0),
        maximum: Some(f64::from(workflow.outputs_max)),
        ..about("integer", "How many outputs. The price follows it.")
    };
    let output_format = MetaSchema {
        default: Some(workflow.format_default().as_str().into()),
        enum_items: workflow.formats.iter().map(|format| format.as_str().into()).collect(),
        ..about("string", OUTPUT_FORMAT)
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

#[cfg(test)]
mod tests {
    use shared::workflow::WorkflowType;

    use super::schema_name;

    #[test]
    fn schemas_are_named_after_their_workflow() {
        assert_eq!(schema_name(WorkflowType::ColorChange, "Input"), "ColorChangeInput");
        assert_eq!(schema_name(WorkflowType::Model, "Request"), "ModelRequest");
    }
}
