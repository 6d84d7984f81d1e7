//! A digest of parameters that does not write them out first: pictures in them have megabytes.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Differs as soon as a name or value differs. The order of names is that of the request.
pub(super) fn of(parameters: &Map<String, Value>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    add_members(&mut hasher, parameters);
    hasher.finalize().into()
}

fn add_members(hasher: &mut Sha256, members: &Map<String, Value>) {
    hasher.update(b"{");
    for (name, value) in members {
        add_text(hasher, name);
        add(hasher, value);
    }
    hasher.update(b"}");
}

fn add(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => hasher.update(format!("{value};")),
        Value::String(text) => add_text(hasher, text),
        Value::Array(items) => {
            hasher.update(b"[");
            items.iter().for_each(|item| add(hasher, item));
            hasher.update(b"]");
        }
        Value::Object(members) => add_members(hasher, members),
    }
}

fn add_text(hasher: &mut Sha256, text: &str) {
    // The length first: otherwise two texts could stand for one.
    hasher.update(format!("{}:", text.len()));
    hasher.update(text.as_bytes());
}
