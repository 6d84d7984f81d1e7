//! When two requests are the same: what quotes and idempotency keys are held against. Pure.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Request;

impl Request {
    /// SHA-256 of what is asked for: equal for two bodies that mean the same, however they spell it.
    ///
    /// Who is asking is not part of it, as keys and quotes are scoped by user; nor is the quote, which is about it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let labels = serde_json::json!([self.project_id, self.brand_name, self.campaign_name, self.tags]);
        let parameters = Value::Object(self.parameters.clone());
        let settings = serde_json::json!([
            self.workflow.kind.as_str(),
            self.method,
            self.outputs_asked,
            self.output_format.as_str(),
        ]);
        for part in [Value::from("shootx.request.v1"), settings, parameters, labels] {
            absorb(&mut hasher, &part);
        }
        hasher.finalize().into()
    }

    /// SHA-256 of the request and the quote it is to be accepted under: what an idempotency key stands for.
    #[must_use]
    pub fn intent_fingerprint(&self) -> [u8; 32] {
        let Some(quote_id) = self.quote_id else { return self.fingerprint() };
        let mut hasher = Sha256::new();
        for part in ["shootx.quoted.v1", &quote_id.to_string()] {
            absorb(&mut hasher, &Value::from(part));
        }
        hasher.update(self.fingerprint());
        hasher.finalize().into()
    }
}

/// Feeds a value to a hash so that no two different values feed the same: names in order, every part with its
/// kind and length.
fn absorb(hasher: &mut Sha256, value: &Value) {
    let mut part = |kind: u8, bytes: &[u8]| {
        hasher.update([kind]);
        hasher.update((bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    match value {
        Value::Null => part(b'n', b""),
        Value::Bool(flag) => part(b'b', &[u8::from(*flag)]),
        Value::Number(number) => part(b'd', number.to_string().as_bytes()),
        Value::String(text) => part(b's', text.as_bytes()),
        Value::Array(items) => {
            part(b'a', &(items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| absorb(hasher, item));
        }
        Value::Object(map) => {
            part(b'o', &(map.len() as u64).to_be_bytes());
            let mut names: Vec<_> = map.iter().collect();
            names.sort_unstable_by_key(|(name, _)| *name);
            for (name, item) in names {
                absorb(hasher, &Value::from(name.as_str()));
                absorb(hasher, item);
            }
        }
    }
}
