//! The link that stops a user's mails: signed, bound to the user, without expiry. Pure.
//!
//! Whoever holds the mail may stop the mails, and nothing else; so the link needs no sign-in, and no expiry.

use secrecy::SecretString;
use thiserror::Error;
use url::Url;

use crate::ids::UserId;
use crate::link_signature::{is_signed, sign};

const PATH: &str = "api/v1/notifications/unsubscribe";

/// The link was not made by us, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the link is not ours")]
pub struct BadSignature;

/// The link of one user; the first secret signs.
///
/// # Panics
/// If there is no secret: the configuration demands one.
#[must_use]
pub fn build(public_url: &Url, secrets: &[SecretString], user_id: UserId) -> Url {
    let secret = secrets.first().expect("the configuration demands a secret");
    let user = user_id.to_string();
    let signature = sign(secret, &said(&user));
    let base = public_url.as_str().trim_end_matches('/');
    Url::parse_with_params(&format!("{base}/{PATH}"), [("u", user), ("s", signature)])
        .expect("a path on a valid base is a valid URL")
}

/// Verifies the two parameters of a link as they arrived; any of the secrets may have signed.
///
/// # Errors
/// [`BadSignature`] for anything that is not exactly a link of ours.
pub fn verify(secrets: &[SecretString], u: &str, s: &str) -> Result<UserId, BadSignature> {
    if is_signed(secrets, &said(u), s) { u.parse().map_err(|_| BadSignature) } else { Err(BadSignature) }
}

fn said(u: &str) -> String {
    format!("v1|{u}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use uuid::Uuid;

    use super::*;

    fn secrets(all: &[&str]) -> Vec<SecretString> {
        all.iter().map(|secret| SecretString::from((*secret).to_owned())).collect()
    }

    #[test]
    fn only_a_link_of_ours_to_this_user_verifies() {
        let user = UserId(Uuid::from_u128(7));
        let base = Url::parse("https://api.example.com/").expect("valid");
        let url = build(&base, &secrets(&["old"]), user);
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        let (u, s) = (query["u"].as_str(), query["s"].as_str());
        assert_eq!(verify(&secrets(&["new", "old"]), u, s), Ok(user));
        let other = Uuid::from_u128(8).to_string();
        for (u, s) in [(other.as_str(), s), (u, "AAAA"), (u, ""), (u, "not base64!"), ("", s), (&u.to_uppercase(), "")]
        {
            assert_eq!(verify(&secrets(&["new", "old"]), u, s), Err(BadSignature), "{u} {s}");
        }
        assert_eq!(verify(&secrets(&["another"]), u, s), Err(BadSignature));
        assert_eq!(verify(&[], u, s), Err(BadSignature));
    }
}
