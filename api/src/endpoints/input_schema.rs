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

/// Takes away the values that are `refused`: words of a choice, or that a flag is set.
fn restrict(schema: &mut Value, parameter: &Parameter, refused: &dyn Fn(&serde_json::Value) -> bool) {
    let property = &mut schema["properties"][parameter.name];
    match parameter.kind {
        Kind::Choice(_) | Kind::IntegerChoice(_) => {
            let words = property["enum"].as_sequence_mut().expect("a choice lists its words");
            words.retain(|word| word.is_null() || !refused(&json(word)));
        }
        Kind::Flag if refused(&true.into()) => {
            let null = property["type"].is_sequence().then_some(Value::Null);
            property["enum"] = [Value::from(false)].into_iter().chain(null).collect();
        }
        Kind::Flag
        | Kind::Text { .. }
        | Kind::Integer { .. }
        | Kind::Number { .. }
        | Kind::Colour
        | Kind::Picture
        | Kind::Pictures { .. }
        | Kind::Object(_) => {}
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::workflow::{Parameter, WorkflowType};

    use super::{input_schema, json};

    fn properties(workflow: WorkflowType, refused: impl Fn(&str, &Value) -> bool) -> Value {
        let refused = |parameter: &Parameter, value: &Value| refused(parameter.name, value);
        json(&input_schema(workflow.workflow(), &refused))["properties"].clone()
    }

    #[test]
    fn a_word_that_is_refused_is_not_offered() {
        let resize = properties(WorkflowType::Resize, |_, value| value == "content_aware");
        assert_eq!(resize["fill_mode"]["enum"], json!(["stretch", "crop", "letterbox", null]));
    }

    #[test]
    fn a_flag_that_must_not_be_set_offers_only_that() {
        let upscale = properties(WorkflowType::Upscale, |name, value| name == "enhance_face" && *value == true);
        assert_eq!(upscale["enhance_face"]["enum"], json!([false, null]));
        assert_eq!(upscale["add_details"].get("enum"), None);
    }
}
