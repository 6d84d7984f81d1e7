//! The description of the interface: what poem-openapi writes of the code, completed by what it cannot say.
//!
//! It knows neither closed objects nor examples of bodies nor that a reference may be null; see [`complete`].

mod examples;

use poem_openapi::{OpenApi, OpenApiService};
use serde_yaml::{Mapping, Value};
use shared::workflow::{CATALOGUE, OutputFormat};

use crate::endpoints::{WORKFLOW_SCHEMA, schema_name};
use crate::http::HeaderNames;

/// Answers that always name all of their properties, also those that are null.
const SENT_WHOLE: [&str; 2] = ["Generation", "GenerationPage"];

/// The document in every form in which it is served. The same at every call.
pub(crate) struct Document {
    pub(crate) yaml: String,
    pub(crate) json: String,
    /// A page that shows it, with all it needs.
    pub(crate) page: String,
    /// The names of its header fields.
    pub(crate) headers: HeaderNames,
}

impl Document {
    pub(crate) fn of<T: OpenApi>(service: &OpenApiService<T, ()>) -> Self {
        let document = complete(&service.spec_yaml());
        let json = serde_json::to_string_pretty(&document).expect("names are strings");
        Self {
            yaml: serde_yaml::to_string(&document).expect("it was read from YAML"),
            page: service.swagger_ui_html().replacen(&service.spec(), &json, 1),
            json,
            headers: headers(&document),
        }
    }
}

/// Completes what poem-openapi has written.
fn complete(written: &str) -> Value {
    let mut document: Value = serde_yaml::from_str(written).expect("poem-openapi writes YAML");
    tidy(&mut document);
    let schemas = &mut document["components"]["schemas"];
    for workflow in CATALOGUE {
        close(&mut schemas[schema_name(workflow.kind, "Request")]);
        close(&mut schemas[schema_name(workflow.kind, "Input")]);
    }
    for name in SENT_WHOLE {
        let names = schemas[name]["properties"].as_mapping().expect("an object").keys().cloned().collect();
        schemas[name]["required"] = Value::Sequence(names);
    }
    let workflow = &mut schemas[WORKFLOW_SCHEMA]["properties"];
    workflow["workflow_type"]["enum"] = CATALOGUE.iter().map(|workflow| Value::from(workflow.kind.as_str())).collect();
    workflow["formats"]["items"]["enum"] =
        OutputFormat::ALL.into_iter().map(|format| Value::from(format.as_str())).collect();
    workflow["input_schema"]["type"] = "object".into();
    workflow["input_schema"]["additionalProperties"] = true.into();
    examples::add(&mut document);
    document
}

/// The header fields of all operations.
fn headers(document: &Value) -> HeaderNames {
    let mut names = HeaderNames::default();
    let paths = document["paths"].as_mapping().into_iter().flat_map(Mapping::values);
    for operation in paths.filter_map(Value::as_mapping).flat_map(Mapping::values) {
        let parameters = operation["parameters"].as_sequence().into_iter().flatten();
        let fields = parameters.filter(|parameter| parameter["in"] == "header");
        names.of_requests.extend(fields.filter_map(|field| field["name"].as_str()).map(str::to_ascii_lowercase));
        let answers = operation["responses"].as_mapping().into_iter().flat_map(Mapping::values);
        let fields = answers.filter_map(|answer| answer["headers"].as_mapping()).flat_map(Mapping::keys);
        names.of_answers.extend(fields.filter_map(Value::as_str).map(str::to_ascii_lowercase));
    }
    names
}

/// Says an object to have no other properties than those listed, and so for all objects in it.
pub(crate) fn close(schema: &mut Value) {
    let Value::Mapping(map) = schema else { return };
    if map.contains_key("properties") {
        map.insert("additionalProperties".into(), false.into());
    }
    let properties = map.get_mut("properties").and_then(Value::as_mapping_mut);
    properties.into_iter().flat_map(Mapping::values_mut).for_each(close);
    map.get_mut("items").into_iter().for_each(close);
}

/// Puts what poem-openapi writes in an awkward form into one that generators understand: a described reference
/// without the description inside of it, a reference that may be null as a choice of both, and whole bounds as such.
fn tidy(node: &mut Value) {
    match node {
        Value::Sequence(items) => items.iter_mut().for_each(tidy),
        Value::Mapping(map) => {
            describe_reference(map);
            for bound in ["minimum", "maximum"] {
                if let Some(value) = map.get_mut(bound) {
                    *value = whole(value);
                }
            }
            map.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

fn describe_reference(map: &mut Mapping) {
    let is_described = map.get("allOf").and_then(Value::as_sequence).is_some_and(|all| all.len() == 2);
    let Some(Value::Sequence(mut all)) = is_described.then(|| map.remove("allOf")).flatten() else { return };
    all.truncate(1);
    if map.remove("nullable").is_some() {
        let null = [("type", "string".into()), ("nullable", true.into()), ("enum", vec![Value::Null].into())];
        let null = null.into_iter().map(|(name, value): (&str, Value)| (Value::from(name), value));
        all.push(Value::Mapping(null.collect()));
        map.insert("oneOf".into(), all.into());
    } else {
        map.insert("allOf".into(), all.into());
    }
}

/// `4` for `4.0`.
#[expect(clippy::cast_possible_truncation, reason = "bounds are far below where a float has no whole numbers")]
pub(crate) fn whole(number: &Value) -> Value {
    match number.as_f64() {
        Some(float) if float.fract() == 0.0 => Value::from(float as i64),
        _ => number.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{close, tidy};

    fn yaml(text: &str) -> serde_yaml::Value {
        serde_yaml::from_str(text).expect("YAML")
    }

    #[test]
    fn a_described_reference_says_once_what_it_says() {
        let mut node = yaml("{description: d, allOf: [{$ref: A}, {description: d}], maximum: 4.0, minimum: 0.5}");
        tidy(&mut node);
        assert_eq!(node, yaml("{description: d, maximum: 4, minimum: 0.5, allOf: [{$ref: A}]}"));
    }

    #[test]
    fn a_reference_that_may_be_null_is_a_choice() {
        let mut node =
            yaml("{x: {description: d, nullable: true, allOf: [{$ref: A}, {description: d, nullable: true}]}}");
        tidy(&mut node);
        let expected = "{x: {description: d, oneOf: [{$ref: A}, {type: string, nullable: true, enum: [null]}]}}";
        assert_eq!(node, yaml(expected));
    }

    #[test]
    fn an_object_is_closed_to_its_depth() {
        let mut node = yaml("{properties: {a: {items: {properties: {}}}, b: {type: string}}}");
        close(&mut node);
        let inner = "{items: {properties: {}, additionalProperties: false}}";
        assert_eq!(
            node,
            yaml(&format!("{{properties: {{a: {inner}, b: {{type: string}}}}, additionalProperties: false}}"))
        );
    }
}
