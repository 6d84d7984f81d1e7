//! `Authorization` headers, as any bytes.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use poem::http::{HeaderMap, HeaderValue, header};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::clock::Clock;
use tokio::runtime::{Builder, Runtime};

use super::jwks::Jwks;
use super::token::TokenVerifier;

/// What signs the good tokens of the corpus.
const SECRET: &str = "a token secret of fuzzing that is long enough";
const ISSUER: &str = "https://fuzzing.example.com/auth/v1";
/// The bytes that one block of SHA-256 takes.
const BLOCK_BYTES: usize = 64;

/// Fetching keys is a task, though there is never anything to fetch.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime needs nothing"));

/// A verifier that knows the secret, and a public key of which the corpus holds no good signature.
static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    let key = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k", "use": "sig",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let clock = Clock::fixed(DateTime::UNIX_EPOCH);
    TokenVerifier::new(ISSUER.to_owned(), Jwks::holding(&[key], clock), Some(&SecretString::from(SECRET.to_owned())))
});

/// Whether it was taken.
///
/// # Panics
/// When a token is taken that the secret has not signed.
pub fn target(bytes: &[u8]) -> bool {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return false };
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
    let is_taken = RUNTIME.block_on(VERIFIER.verify(&headers)).is_ok();
    assert!(!is_taken || is_signed(bytes), "a token is taken that nobody signed");
    is_taken
}

/// Whether the secret has signed it, worked out without the library that the verifier uses.
fn is_signed(header: &[u8]) -> bool {
    let token = std::str::from_utf8(header).ok().and_then(|header| header.split_once(' ')).map(|(_, token)| token);
    let Some((signed, signature)) = token.and_then(|token| token.rsplit_once('.')) else { return false };
    let decoded = signed.split_once('.').and_then(|(head, _)| BASE64_URL_SAFE_NO_PAD.decode(head).ok());
    let head = decoded.and_then(|head| serde_json::from_slice::<Value>(&head).ok()).unwrap_or_default();
    head["alg"] == "HS256"
        && BASE64_URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| signature == hmac(signed.as_bytes()))
}

/// HMAC-SHA256 as RFC 2104 writes it.
fn hmac(message: &[u8]) -> Vec<u8> {
    let mut key = [0; BLOCK_BYTES];
    key[..SECRET.len()].copy_from_slice(SECRET.as_bytes());
    let inner = Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(key.map(|byte| byte ^ 0x5C)).chain_update(inner).finalize().to_vec()
}
