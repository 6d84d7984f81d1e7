//! The webhook link of an attempt: signed, expiring, bound to one generation and one attempt. Pure.
//!
//! The provider signs nothing and allows no header of ours, so the link itself is the credential.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use thiserror::Error;
use url::Url;

use crate::ids::GenerationId;
use crate::link_signature::{is_signed, sign};

const PATH: &str = "api/v1/webhook/comfyui";

/// What a webhook link names, once its signature is verified. Its expiry is still to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookRef {
    /// The generation.
    pub generation_id: GenerationId,
    /// The attempt whose provider job calls.
    pub attempt: i16,
    /// Good until then, unix seconds.
    pub expires_at: DateTime<Utc>,
}

/// The link was not made by us, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the webhook link is not ours")]
pub struct BadSignature;

/// The link for one attempt; the first secret signs.
///
/// # Panics
/// If there is no secret: the configuration demands one.
#[must_use]
pub fn build(public_url: &Url, secrets: &[SecretString], link: &WebhookRef) -> Url {
    let secret = secrets.first().expect("the configuration demands a webhook secret");
    let (generation, attempt, expiry) =
        (link.generation_id.to_string(), link.attempt.to_string(), link.expires_at.timestamp().to_string());
    let signature = sign(secret, &said(&generation, &attempt, &expiry));
    let base = public_url.as_str().trim_end_matches('/');
    let query = [("g", generation), ("a", attempt), ("e", expiry), ("s", signature)];
    Url::parse_with_params(&format!("{base}/{PATH}"), &query).expect("a path on a valid base is a valid URL")
}

/// Verifies the four parameters of a link as they arrived; any of the secrets may have signed.
///
/// # Errors
/// [`BadSignature`] for anything that is not exactly a link of ours.
pub fn verify(secrets: &[SecretString], g: &str, a: &str, e: &str, s: &str) -> Result<WebhookRef, BadSignature> {
    if !is_signed(secrets, &said(g, a, e), s) {
        return Err(BadSignature);
    }
    let expires_at = e.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or(BadSignature)?;
    Ok(WebhookRef {
        generation_id: g.parse().map_err(|_| BadSignature)?,
        attempt: a.parse().map_err(|_| BadSignature)?,
        expires_at,
    })
}

fn said(g: &str, a: &str, e: &str) -> String {
    format!("v1|{g}|{a}|{e}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn secrets(all: &[&str]) -> Vec<SecretString> {
        all.iter().map(|secret| SecretString::from((*secret).to_owned())).collect()
    }

    fn link() -> WebhookRef {
        WebhookRef {
            generation_id: GenerationId::generate(),
            attempt: 2,
            expires_at: DateTime::from_timestamp(2_000_000_000, 0).expect("in range"),
        }
    }

    fn query(url: &Url) -> HashMap<String, String> {
        url.query_pairs().into_owned().collect()
    }

    #[test]
    fn a_link_of_ours_verifies_under_any_of_the_secrets() {
        let base = Url::parse("https://api.example.com/").expect("valid");
        let url = build(&base, &secrets(&["old"]), &link());
        let q = query(&url);
        assert!(url.as_str().starts_with("https://api.example.com/api/v1/webhook/comfyui?g="));
        let verified = verify(&secrets(&["new", "old"]), &q["g"], &q["a"], &q["e"], &q["s"]).expect("ours");
        assert_eq!(verified.attempt, 2);
    }

    #[test]
    fn any_changed_part_is_refused() {
        let base = Url::parse("https://api.example.com").expect("valid");
        let q = query(&build(&base, &secrets(&["secret"]), &link()));
        let other = GenerationId::generate().to_string();
        let known = secrets(&["secret"]);
        for (g, a, e, s) in [
            (other.as_str(), q["a"].as_str(), q["e"].as_str(), q["s"].as_str()),
            (&q["g"], "3", &q["e"], &q["s"]),
            (&q["g"], &q["a"], "2000000001", &q["s"]),
            (&q["g"], &q["a"], &q["e"], "AAAA"),
            (&q["g"], &q["a"], &q["e"], ""),
            (&q["g"], &q["a"], &q["e"], "not base64!"),
        ] {
            assert_eq!(verify(&known, g, a, e, s), Err(BadSignature));
        }
        assert_eq!(verify(&secrets(&["another"]), &q["g"], &q["a"], &q["e"], &q["s"]), Err(BadSignature));
        assert_eq!(verify(&[], &q["g"], &q["a"], &q["e"], &q["s"]), Err(BadSignature));
    }
}
