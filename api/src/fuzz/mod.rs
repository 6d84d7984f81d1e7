//! Targets for fuzzers: what strangers may send to the API, read by the code that reads it. See `shared::fuzz`.

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use poem::http::{HeaderMap, HeaderValue, header};
use secrecy::SecretString;
use shared::clock::Clock;
use tokio::runtime::{Builder, Runtime};

use crate::auth::{Jwks, TokenVerifier};
use crate::job_id::JobIdScanner;

/// Nobody answers there: keys are never known.
const NOWHERE: &str = "http://127.0.0.1:9/keys";
const ISSUER: &str = "https://abc.supabase.co/auth/v1";
/// Tokens that this signs are not in the corpus.
const SECRET: &str = "a secret that signs nothing in the corpus";

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime needs nothing"));
static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    let jwks = Jwks::new(NOWHERE.parse().expect("a URL"), Clock::system());
    TokenVerifier::new(ISSUER.to_owned(), jwks, Some(&SecretString::from(SECRET)))
});

/// An access token: nobody who cannot sign gets in.
///
/// # Panics
/// When one is let in.
pub fn token(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", input].concat()) else { return };
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
    assert!(RUNTIME.block_on(VERIFIER.verify(&headers)).is_err(), "nobody has signed it");
}

/// A webhook's body: the same id however it is cut, and never one of unbounded length.
///
/// # Panics
/// When that does not hold.
pub fn webhook_body(input: &[u8]) {
    let scan = |piece_bytes: usize| {
        let mut scanner = JobIdScanner::default();
        input.chunks(piece_bytes).for_each(|piece| scanner.push(piece));
        scanner.job_id().map(str::to_owned)
    };
    let id = scan(input.len().max(1));
    assert_eq!(id, scan(1));
    assert_eq!(id, scan(3));
    assert!(id.is_none_or(|id| id.len() <= 128));
}
