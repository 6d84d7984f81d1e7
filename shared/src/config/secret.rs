//! Secrets that are ours to choose: long enough, or refused.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::Reader;
use super::rules;

/// Shortest secret that may sign anything: HMAC-SHA256 wants a key of 256 bits.
const SECRET_CHARS_MIN: usize = 32;
/// Most secrets in a list: one signing, the others on their way out.
const SECRETS_MAX: usize = 8;

/// A comma list of secrets, at least one.
pub(super) fn list(reader: &mut Reader<'_>, name: &str) -> Vec<SecretString> {
    let Some(text) = reader.required(name) else {
        return Vec::new();
    };
    let secrets: Vec<SecretString> = rules::list(&text).map(SecretString::from).collect();
    if secrets.is_empty() || secrets.len() > SECRETS_MAX || secrets.iter().any(|secret| !long_enough(secret)) {
        reader.problem(
            name,
            &format!(
                "must hold 1 to {SECRETS_MAX} secrets of {SECRET_CHARS_MIN} characters or more, separated by commas"
            ),
        );
    }
    secrets
}

/// A single secret that may be absent.
pub(super) fn optional(reader: &mut Reader<'_>, name: &str) -> Option<SecretString> {
    let secret = reader.optional(name).map(SecretString::from)?;
    if !long_enough(&secret) {
        reader.problem(name, &format!("must have {SECRET_CHARS_MIN} characters or more"));
    }
    Some(secret)
}

fn long_enough(secret: &SecretString) -> bool {
    secret.expose_secret().chars().count() >= SECRET_CHARS_MIN
}

/// Another secret for the purpose named by `label`, so that one setting serves both without one key in two uses.
pub(super) fn derived(from: Option<&SecretString>, label: &str) -> SecretString {
    let key = from.map_or("", |secret| secret.expose_secret());
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(label.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()).into()
}
