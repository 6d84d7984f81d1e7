//! Links to files of the local store: `{PUBLIC_URL}/files/{path}?e={expiry, unix s}&s={base64url HMAC-SHA256 of "v1|path|e"}`.

use std::slice;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use thiserror::Error;
use url::Url;

use crate::link_signature::{is_signed, sign};

/// Why a link opens nothing. Callers should be told no difference.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadLink {
    /// The signature is not ours, or belongs to another path or expiry.
    #[error("the link's signature does not match")]
    Forged,
    /// It was ours, and its time is over.
    #[error("the link has expired")]
    Expired,
}

/// Makes and checks links with one secret.
pub(super) struct Signer {
    secret: SecretString,
    public_url: Url,
}

impl Signer {
    pub(super) fn new(secret: SecretString, public_url: Url) -> Self {
        Self { secret, public_url }
    }

    /// The link to a valid `path` that works until `expires`, unix seconds.
    pub(super) fn link(&self, path: &str, expires: i64) -> Url {
        let mut link = self.public_url.clone();
        link.path_segments_mut()
            .expect("PUBLIC_URL is checked to be http or https")
            .pop_if_empty()
            .push("files")
            .extend(path.split('/'));
        let signature = sign(&self.secret, &said(path, expires));
        link.query_pairs_mut().append_pair("e", &expires.to_string()).append_pair("s", &signature);
        link
    }

    /// Whether the link's parts belong together and still hold.
    pub(super) fn verify(&self, path: &str, expires: i64, signature: &str, now: DateTime<Utc>) -> Result<(), BadLink> {
        if !is_signed(slice::from_ref(&self.secret), &said(path, expires), signature) {
            return Err(BadLink::Forged);
        }
        if expires <= now.timestamp() {
            return Err(BadLink::Expired);
        }
        Ok(())
    }
}

/// No path holds `|`, so it reads one way only.
fn said(path: &str, expires: i64) -> String {
    format!("v1|{path}|{expires}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secret: &str) -> Signer {
        Signer::new(SecretString::from(secret), Url::parse("https://api.example.com").expect("a URL"))
    }

    fn parts(link: &Url) -> (i64, String) {
        let find = |name: &str| link.query_pairs().find(|(key, _)| key == name).expect("present").1.into_owned();
        (find("e").parse().expect("a number"), find("s"))
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("in range")
    }

    #[test]
    fn a_link_holds_until_its_expiry() {
        let signer = signer("secret");
        let (expires, signature) = parts(&signer.link("u/g/1.webp", 1_000));
        assert_eq!(signer.verify("u/g/1.webp", expires, &signature, at(999)), Ok(()));
        assert_eq!(signer.verify("u/g/1.webp", expires, &signature, at(1_000)), Err(BadLink::Expired));
    }

    #[test]
    fn a_link_opens_nothing_but_its_own_path_and_time() {
        let signer = signer("secret");
        let (expires, signature) = parts(&signer.link("u/g/1.webp", 1_000));
        assert_eq!(signer.verify("u/g/2.webp", expires, &signature, at(0)), Err(BadLink::Forged));
        assert_eq!(signer.verify("u/g/1.webp", expires + 1, &signature, at(0)), Err(BadLink::Forged));
        assert_eq!(signer.verify("u/g/1.webp", expires, "", at(0)), Err(BadLink::Forged));
        assert_eq!(signer.verify("u/g/1.webp", expires, "not base64!", at(0)), Err(BadLink::Forged));
        assert_eq!(signer.verify("u/g/1.webp", expires, &signature[..20], at(0)), Err(BadLink::Forged));
    }

    #[test]
    fn another_secret_makes_another_signature() {
        let (expires, signature) = parts(&signer("one").link("u/g/1.webp", 1_000));
        assert_eq!(signer("two").verify("u/g/1.webp", expires, &signature, at(0)), Err(BadLink::Forged));
    }

    #[test]
    fn names_are_escaped_in_the_link_alone() {
        let link = signer("secret").link("u/uploads/a b?c.png", 1_000);
        assert!(link.as_str().starts_with("https://api.example.com/files/u/uploads/a%20b%3Fc.png?e=1000&s="), "{link}");
    }
}
