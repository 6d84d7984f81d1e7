//! What parameters of a workflow accept, as schemas: the one derivation from the catalogue, for the document and for
//! `GET /api/v1/workflows`.

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use serde_json::Value;
use shared::workflow::{Kind, Need, Parameter};

/// The name of the schema of a picture.
pub(super) const PICTURE: &str = "Picture";
/// Text without control characters, but for line breaks and tabs.
const TEXT: &str = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$";
/// The same, with at least one character that can be seen.
const TEXT_NOT_BLANK: &str =
    r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$";
const COLOUR: &str = "^#[0-9A-Fa-f]{6}$";
const ABOUT_PICTURE: &str = "A picture, in one of three forms: the storage path of one of the caller's own uploads \
    (`{user_id}/uploads/…`) or outputs (`{user_id}/{generation_id}/1.webp`); an `https` URL of at most 2048 \
    characters, which is downloaded without cookies and without following redirects, up to 30 MB; or the file itself \
    as base64, with or without `data:image/png;base64,` before it, within the 16 MiB of the request. PNG, JPEG and WebP \
    are taken, known by their first bytes; all else is refused. Larger pictures are scaled down before they are used.";

/// Registers it under its name.
pub(super) fn register_picture(registry: &mut Registry) {
    registry.schemas.insert(PICTURE.to_owned(), picture());
}

/// What every picture of a request may be.
pub(super) fn picture() -> MetaSchema {
    MetaSchema { min_length: Some(1), ..about("string", ABOUT_PICTURE) }
}

/// An object of these parameters.
pub(super) fn object(parameters: &'static [Parameter]) -> MetaSchema {
    let required = parameters.iter().filter(|parameter| parameter.need == Need::Required);
    MetaSchema {
        required: required.map(|parameter| parameter.name).collect(),
        properties: parameters.iter().map(|parameter| (parameter.name, property(parameter))).collect(),
        ..MetaSchema::new("object")
    }
}

/// A schema with its description.
pub(super) fn about(kind: &'static str, description: &'static str) -> MetaSchema {
    MetaSchema { description: Some(description), ..MetaSchema::new(kind) }
}

/// A schema that stands where it is used.
pub(super) fn inline(schema: MetaSchema) -> MetaSchemaRef {
    MetaSchemaRef::Inline(Box::new(schema))
}

/// A property that may be left out, for which `null` is another spelling.
pub(super) fn optional(schema: MetaSchema) -> MetaSchemaRef {
    inline(MetaSchema { nullable: true, ..schema })
}

/// `null` and nothing else: how OpenAPI 3.0 says that what is described elsewhere may also be null.
pub(super) fn null() -> MetaSchemaRef {
    inline(MetaSchema { enum_items: vec![Value::Null], nullable: true, ..MetaSchema::new("string") })
}

fn property(parameter: &Parameter) -> MetaSchemaRef {
    let schema = MetaSchema { description: Some(parameter.doc), ..accepted(parameter.kind, parameter.need) };
    match parameter.need {
        Need::Required => inline(schema),
        // Refers to a picture, which knows nothing of null.
        Need::Unless(_) | Need::Optional if !schema.all_of.is_empty() => {
            let one_of = schema.all_of.into_iter().chain([null()]).collect();
            inline(MetaSchema { one_of, all_of: vec![], ..schema })
        }
        Need::Unless(_) | Need::Optional => optional(schema),
        Need::Default(preset) => optional(MetaSchema { default: Some(preset.to_value()), ..schema }),
    }
}

/// What one parameter accepts.
#[expect(clippy::cast_precision_loss, reason = "the bounds of parameters are small")]
fn accepted(kind: Kind, need: Need) -> MetaSchema {
    match kind {
        Kind::Choice(words) => {
            MetaSchema { enum_items: words.iter().map(|word| (*word).into()).collect(), ..MetaSchema::new("string") }
        }
        Kind::IntegerChoice(numbers) => MetaSchema {
            enum_items: numbers.iter().map(|number| (*number).into()).collect(),
            ..MetaSchema::new("integer")
        },
        Kind::Text { chars_max } => {
            // Blank text counts as left out.
            let pattern = if matches!(need, Need::Required | Need::Unless(_)) { TEXT_NOT_BLANK } else { TEXT };
            MetaSchema { max_length: Some(chars_max), pattern: Some(pattern.to_owned()), ..MetaSchema::new("string") }
        }
        Kind::Flag => MetaSchema::new("boolean"),
        Kind::Integer { min, max } => {
            MetaSchema { minimum: Some(min as f64), maximum: Some(max as f64), ..MetaSchema::new("integer") }
        }
        Kind::Number { min, max } => MetaSchema { minimum: Some(min), maximum: Some(max), ..MetaSchema::new("number") },
        Kind::Colour => MetaSchema { pattern: Some(COLOUR.to_owned()), ..MetaSchema::new("string") },
        Kind::Picture => MetaSchema { all_of: vec![MetaSchemaRef::Reference(PICTURE.to_owned())], ..MetaSchema::ANY },
        Kind::Pictures { min, max } => MetaSchema {
            items: Some(Box::new(MetaSchemaRef::Reference(PICTURE.to_owned()))),
            min_items: Some(min),
            max_items: Some(max),
            ..MetaSchema::new("array")
        },
        Kind::Object(parameters) => object(parameters),
    }
}
