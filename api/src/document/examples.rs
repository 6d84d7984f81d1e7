//! Examples of bodies, and the headers of refusals. The bodies stand in `examples.json`.

use serde_yaml::{Mapping, Value};

use crate::error::Code;

/// Of `requests` by workflow, of other `bodies` by operation, of `answers` by operation and status, of `problems` by code.
const EXAMPLES: &str = include_str!("examples.json");
/// What an example gives for the parameter of a path.
const EXAMPLE_ID: &str = "01983c5e-7a3b-7c1d-9f00-3a5d2e8b6f41";
const EXAMPLE_REQUEST_ID: &str = "5c3a9d0e7b1f4c62";
const PROBLEM_JSON: &str = "application/problem+json";

/// Adds the examples, and to refusals the headers they come with.
pub(super) fn add(document: &mut Value) {
    // JSON is YAML, and only YAML keeps the order of names.
    let examples: Value = serde_yaml::from_str(EXAMPLES).expect("examples.json is JSON");
    let paths = document["paths"].as_mapping_mut().expect("an object");
    for (path, operations) in paths {
        let instance = path
            .as_str()
            .expect("a string")
            .replace("{generation_id}", EXAMPLE_ID)
            .replace("{subscription_id}", EXAMPLE_ID);
        for operation in operations.as_mapping_mut().expect("an object").values_mut() {
            let id = operation["operationId"].as_str().expect("every operation has a name").to_owned();
            if ["create_generation", "create_quote"].contains(&id.as_str()) {
                let examples = examples["requests"].clone();
                operation["requestBody"]["content"]["application/json"]["examples"] = examples;
            }
            if let Some(example) = examples["bodies"].get(&id) {
                operation["requestBody"]["content"]["application/json"]["example"] = example.clone();
            }
            for (status, response) in operation["responses"].as_mapping_mut().expect("an object") {
                match examples["answers"].get(&id).and_then(|answers| answers.get(status)) {
                    Some(example) => response["content"]["application/json"]["example"] = example.clone(),
                    None => refuse(response, &instance, &examples["problems"]),
                }
            }
        }
    }
}

/// Completes a refusal; what is none stays as it is.
fn refuse(response: &mut Value, instance: &str, problems: &Value) {
    let title = response["description"].as_str().unwrap_or_default();
    let Some(code) = Code::ALL.into_iter().find(|code| code.title() == title) else { return };
    if let Some(content) = response.get_mut("content").and_then(|content| content.get_mut(PROBLEM_JSON)) {
        content["example"] = problem(code, instance, &problems[code.as_str()]).into();
        let headers = headers(code);
        if !headers.is_empty() {
            response["headers"] = headers.into();
        }
    }
}

/// A whole problem of what is particular about it.
fn problem(code: Code, instance: &str, particulars: &Value) -> Mapping {
    let mut problem = Mapping::new();
    problem.insert("type".into(), format!("/problems/{}", code.as_str()).into());
    problem.insert("title".into(), code.title().into());
    problem.insert("status".into(), code.status().as_u16().into());
    let particulars = particulars.as_mapping().cloned().unwrap_or_default();
    problem.insert("detail".into(), particulars.get("detail").cloned().unwrap_or_else(|| code.title().into()));
    problem.insert("instance".into(), instance.into());
    problem.insert("code".into(), code.as_str().into());
    problem.insert("request_id".into(), EXAMPLE_REQUEST_ID.into());
    problem.extend(particulars.into_iter().filter(|(name, _)| name != "detail"));
    problem
}

fn headers(code: Code) -> Mapping {
    let mut headers = Mapping::new();
    let mut header = |name: &str, kind: &str, description: &str| {
        let schema: Mapping = [("type".into(), kind.into())].into_iter().collect();
        let mut header = Mapping::new();
        header.insert("description".into(), description.into());
        header.insert("required".into(), true.into());
        header.insert("schema".into(), schema.into());
        headers.insert(name.into(), header.into());
    };
    match code {
        Code::InvalidToken => header("WWW-Authenticate", "string", "Always `Bearer`."),
        Code::RateLimited | Code::Unavailable => {
            header("Retry-After", "integer", "Seconds to wait before trying again.")
        }
        _ => {}
    }
    headers
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use shared::workflow::{CATALOGUE, Request};

    use super::EXAMPLES;
    use crate::error::Code;

    fn examples() -> Value {
        serde_json::from_str(EXAMPLES).expect("JSON")
    }

    #[test]
    fn every_workflow_has_an_example_that_would_be_accepted() {
        let examples = examples();
        assert_eq!(examples["requests"].as_object().expect("an object").len(), CATALOGUE.len());
        for workflow in CATALOGUE {
            let request = &examples["requests"][workflow.kind.as_str()]["value"];
            let parsed = Request::parse(request).expect("a good example");
            assert_eq!(parsed.workflow.kind, workflow.kind);
        }
    }

    #[test]
    fn every_problem_of_the_examples_exists() {
        for name in examples()["problems"].as_object().expect("an object").keys() {
            assert!(Code::find(name).is_some(), "{name}");
        }
    }
}
