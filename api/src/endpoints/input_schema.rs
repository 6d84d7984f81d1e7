//! The JSON Schema (2020-12) of a workflow's `input_data`, made of the schema in the document.
//!
//! What the deployment's dialect cannot do is left out, so that a form made of it offers nothing that is refused.

use serde_yaml::{Mapping, Value};
use shared::workflow::{Kind, Need, Parameter, Workflow};

use super::parameter_schema::{PICTURE, object, picture};
use crate::document::{close, whole};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of what `workflow` takes, without the values of parameters that are `refused`.
pub(super) fn input_schema(
    workflow: &'static Workflow,
    refused: &dyn Fn(&Parameter, &serde_json::Value) -> bool,
) -> Value {
    let mut body = read(object(workflow.parameters));
    close(&mut body);
    for parameter in workflow.parameters {
        restrict(&mut body, parameter, &|value| refused(parameter, value));
    }
    let mut schema = Mapping::new();
    schema.insert("$schema".into(), DIALECT.into());
    schema.insert("title".into(), workflow.title.into());
    schema.insert("description".into(), workflow.summary.into());
    schema.extend(body.as_mapping().cloned().expect("a schema is an object"));
    let conditions: Vec<Value> = workflow.parameters.iter().filter_map(condition).collect();
    if !conditions.is_empty() {
        schema.insert("allOf".into(), conditions.into());
    }
    if workflow.parameters.iter().any(|parameter| matches!(parameter.kind, Kind::Picture | Kind::Pictures { .. })) {
        schema.insert("$defs".into(), Value::Mapping([(PICTURE.into(), read(picture()))].into_iter().collect()));
    }
    Value::Mapping(schema)
}

/// What poem-openapi says of it, as JSON Schema says it.
fn read(schema: poem_openapi::registry::MetaSchema) -> Value {
    let mut schema = serde_yaml::to_value(schema).expect("names are strings");
    translate(&mut schema);
    schema
}

/// From the schemas of OpenAPI 3.0 to those of JSON Schema: null is a type, and what is shared stands beside.
fn translate(node: &mut Value) {
    match node {
        Value::Sequence(items) => items.iter_mut().for_each(translate),
        Value::Mapping(map) => {
            if map.remove("nullable").is_some() {
                admit_null(map);
            }
            if let Some(Value::String(reference)) = map.get_mut("$ref") {
                *reference = format!("#/$defs/{PICTURE}");
            }
            for bound in ["minimum", "maximum"] {
                if let Some(value) = map.get_mut(bound) {
                    *value = whole(value);
                }
            }
            map.values_mut().for_each(translate);
        }
        _ => {}
    }
}

fn admit_null(map: &mut Mapping) {
    if let Some(kind) = map.get_mut("type") {
        *kind = vec![kind.clone(), "null".into()].into();
    }
    if let Some(Value::Sequence(words)) = map.get_mut("enum")
        && !words.contains(&Value::Null)
    {
        words.push(Value::Null);
    }
}

/// Takes away the values that are `refused`: the words of a choice, a range but its least, or the property itself.
fn restrict(schema: &mut Value, parameter: &Parameter, refused: &dyn Fn(&serde_json::Value) -> bool) {
    let properties = schema["properties"].as_mapping_mut().expect("an object has properties");
    let property = properties.get_mut(parameter.name).expect("every parameter is a property");
    let is_offered = match parameter.kind {
        Kind::Choice(_) | Kind::IntegerChoice(_) => {
            let words = property["enum"].as_sequence_mut().expect("a choice lists its words");
            words.retain(|word| word.is_null() || !refused(&json(word)));
            words.iter().any(|word| !word.is_null())
        }
        Kind::Flag => {
            let [off, on] = [false, true].map(|flag| !refused(&flag.into()));
            if on != off {
                let null = property["type"].is_sequence().then_some(Value::Null);
                property["enum"] = [Value::from(on)].into_iter().chain(null).collect();
            }
            on || off
        }
        Kind::Number { min, max } => range(property, !refused(&min.into()), !refused(&max.into())),
        Kind::Integer { min, max } => range(property, !refused(&min.into()), !refused(&max.into())),
        Kind::Text { .. } | Kind::Colour | Kind::Picture | Kind::Pictures { .. } => !refused(&"".into()),
        Kind::Object(_) => !refused(&serde_json::json!({})),
    };
    if !is_offered {
        properties.remove(parameter.name);
    }
}

/// Narrows a range to its least where only that is offered.
fn range(property: &mut Value, least: bool, greatest: bool) -> bool {
    if least && !greatest {
        property["maximum"] = property["minimum"].clone();
    }
    least || greatest
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).expect("names are strings")
}

/// What must be given depends on a flag.
fn condition(parameter: &Parameter) -> Option<Value> {
    let Need::Unless(flag) = parameter.need else { return None };
    let text = format!(
        "{{anyOf: [{{required: [{name}], properties: {{{name}: {{not: {{type: 'null'}}}}}}}}, \
         {{required: [{flag}], properties: {{{flag}: {{const: true}}}}}}]}}",
        name = parameter.name
    );
    Some(serde_yaml::from_str(&text).expect("a schema"))
}
