//! Targets for fuzzers: what strangers may send us, read by the code that reads it. None may panic, and each holds what it
//! promises of whatever it is given. `fuzz/` runs them with libFuzzer; tests replay its corpus (`tests.rs`).

#[cfg(test)]
mod tests;

use bytes::Bytes;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use crate::generation::webhook_url;
use crate::images::{check_now, inspect};
use crate::runpod::ProviderJobId;
use crate::runpod::wire;
use crate::workflow::Request;
use crate::workflow::graph::{self, GraphPicture, GraphRequest};

/// The secret under which the corpus of [`webhook_query`] is signed.
const SECRET: &str = "a secret of the corpus, known to everyone";
/// Shorter words of customers may be words of ours as well.
const WORD_CHARS_MIN: usize = 6;

/// The query of a webhook's address: taken only if it is exactly what we would sign.
///
/// # Panics
/// When it takes another.
pub fn webhook_query(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let value = |name: &str| {
        let pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let [g, a, e, s] = ["g", "a", "e", "s"].map(value);
    let secrets = [SecretString::from(SECRET)];
    if let Ok(link) = webhook_url::verify(&secrets, &g, &a, &e, &s) {
        let base = Url::parse("https://api.example.com").expect("a URL");
        let ours = webhook_url::build(&base, &secrets, &link);
        let signature = ours.query_pairs().find(|(key, _)| key == "s").map(|(_, value)| value.into_owned());
        assert_eq!(signature, Some(s), "what is taken is what we sign");
    }
}

/// What RunPod answers, to a submission and to a question.
///
/// # Panics
/// When an id is taken that could not be put into an address.
pub fn runpod_answer(input: &[u8]) {
    if let Some(id) = wire::job_id(input) {
        assert!(ProviderJobId::parse(id.as_str()).is_ok());
    }
    let asked = ProviderJobId::parse("job-1").expect("an id");
    let report = wire::report(&asked, input);
    assert_eq!(report, wire::report(&asked, input), "reading is the same every time");
}

/// A picture of a customer's: what is taken stays as it is when it is checked again.
///
/// # Panics
/// When it does not.
pub fn picture(input: &[u8]) {
    let _ = inspect(input);
    if let Ok(taken) = check_now(&Bytes::copy_from_slice(input)) {
        let again = check_now(&taken.bytes).expect("what is taken is a good picture");
        assert_eq!((again.width, again.height, again.bytes.len()), (taken.width, taken.height, taken.bytes.len()));
    }
}

/// A customer's request, to the graph that is made of it: nodes of ours, linked among themselves, without a word of hers.
///
/// # Panics
/// When the graph is anything else.
pub fn request(input: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(input) else { return };
    let Ok(request) = Request::parse(&body) else { return };
    let pictures = ["input_image", "base_image", "graphic_image", "mask"].map(|parameter| GraphPicture {
        parameter,
        name: "a.png",
        width: 640,
        height: 480,
        original: (640, 480),
    });
    let (workflow, outputs) = (request.workflow.kind, request.outputs_asked);
    let parameters = &request.parameters;
    let asked = GraphRequest { workflow, parameters, pictures: &pictures, outputs, seed: 7, prefix: "ours" };
    if let Ok(graph) = graph::build(&asked) {
        check_graph(&graph, &words(&body));
    }
}

fn check_graph(graph: &Value, words: &[&str]) {
    let nodes = graph.as_object().expect("an object of nodes");
    for node in nodes.values() {
        for input in node["inputs"].as_object().expect("inputs").values() {
            match input {
                Value::Array(link) => {
                    assert!(link.len() == 2 && link[0].as_str().is_some_and(|id| nodes.contains_key(id)))
                }
                Value::String(word) => assert!(!words.contains(&word.as_str()), "{word}"),
                Value::Number(_) | Value::Bool(_) => {}
                Value::Null | Value::Object(_) => panic!("{input} is no input"),
            }
        }
    }
}

/// The customer's own words: texts that are no choice among ours.
fn words(body: &Value) -> Vec<&str> {
    let free = ["prompt", "brand_name", "campaign_name", "tags", "text"];
    let mut found = Vec::new();
    let mut open = vec![("", body)];
    while let Some((name, value)) = open.pop() {
        match value {
            Value::String(word) if free.contains(&name) && word.len() >= WORD_CHARS_MIN => found.push(word.as_str()),
            Value::Array(items) => open.extend(items.iter().map(|item| (name, item))),
            Value::Object(fields) => open.extend(fields.iter().map(|(name, value)| (name.as_str(), value))),
            _ => {}
        }
    }
    found
}
