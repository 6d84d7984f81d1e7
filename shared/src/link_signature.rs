//! The signature of links that are their own credential: base64url of an HMAC-SHA256 of what the link says. Pure.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// Signs `text`, which must read one way only: its parts hold none of what separates them.
#[must_use]
pub(crate) fn sign(secret: &SecretString, text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(mac(secret, text).finalize().into_bytes())
}

/// Whether any of `secrets` made this signature of `text`. Every secret is tried, and in constant time, so that the time
/// taken tells nothing.
#[must_use]
pub(crate) fn is_signed(secrets: &[SecretString], text: &str, signature: &str) -> bool {
    let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
    secrets.iter().map(|secret| mac(secret, text).verify_slice(&signature).is_ok()).fold(false, |any, this| any | this)
}

fn mac(secret: &SecretString, text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes any key");
    mac.update(text.as_bytes());
    mac
}
