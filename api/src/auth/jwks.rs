//! The project's published signing keys: fetched, cached for a bounded time, never from a token.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use shared::clock::Clock;
use shared::telemetry::{Called, call, names};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::Instrument;
use url::Url;

/// A set is used this long without asking again: what the issuer's own cache header says.
const FRESH_FOR: TimeDelta = TimeDelta::minutes(10);
/// A set that cannot be renewed is trusted this long, then no more.
const TRUSTED_FOR: TimeDelta = TimeDelta::hours(1);
/// Least time between two fetches that succeeded, so that made-up key ids cannot make us hammer the issuer.
const REFETCH_AFTER: TimeDelta = TimeDelta::seconds(30);
/// Least time between two fetches after one that failed.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(2);
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// Most bytes of a key set that are read.
const SET_BYTES_MAX: usize = 64 * 1024;
/// Most keys of a set that are kept.
const KEYS_MAX: usize = 32;

/// A cache of the key set at one address. Clones share it.
#[derive(Clone)]
pub(crate) struct Jwks(Arc<Inner>);

struct Inner {
    url: Url,
    client: reqwest::Client,
    clock: Clock,
    current: RwLock<Arc<KeySet>>,
    /// Held while fetching, so that a hundred requests with an unknown key cause one fetch.
    attempt: Arc<Mutex<Option<Attempt>>>,
}

#[derive(Clone, Copy)]
struct Attempt {
    at: DateTime<Utc>,
    succeeded: bool,
}

#[derive(Default)]
struct KeySet {
    /// `None` before the first successful fetch.
    fetched_at: Option<DateTime<Utc>>,
    keys: HashMap<String, Key>,
}

struct Key {
    algorithm: Algorithm,
    decoding: Arc<DecodingKey>,
}

impl KeySet {
    fn is_within(&self, age: TimeDelta, now: DateTime<Utc>) -> bool {
        self.fetched_at.is_some_and(|at| now - at < age)
    }

    /// The key named `kid`, if it is one for `algorithm`.
    fn find(&self, kid: &str, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        self.keys.get(kid).filter(|key| key.algorithm == algorithm).map(|key| Arc::clone(&key.decoding))
    }
}

/// Why a key set could not be had.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the key set could not be fetched")]
    Transport(#[from] reqwest::Error),
    #[error("the key set is over {SET_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the key set is not a JSON object with keys")]
    Malformed,
}

impl Jwks {
    /// A cache that starts empty and asks for the set when a token first needs it: no network is needed to start.
    ///
    /// # Panics
    /// When the process cannot make an HTTP client at all.
    pub(crate) fn new(url: Url, clock: Clock) -> Self {
        let client = reqwest::Client::builder()
            .timeout(FETCH_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("the TLS backend is compiled in and initialises");
        Self(Arc::new(Inner { url, client, clock, current: RwLock::default(), attempt: Arc::default() }))
    }

    /// A cache that holds these keys for as long as `clock` stands still, and asks nobody.
    #[cfg(feature = "fuzzing")]
    pub(super) fn holding(keys: &[Value], clock: Clock) -> Self {
        let now = clock.now();
        let jwks = Self::new(Url::parse("http://127.0.0.1/").expect("an address"), clock);
        let keys = keys.iter().filter_map(usable).collect();
        *jwks.0.current.write().expect("just made") = Arc::new(KeySet { fetched_at: Some(now), keys });
        *jwks.0.attempt.try_lock().expect("just made") = Some(Attempt { at: now, succeeded: true });
        jwks
    }

    /// The key that `kid` names for `algorithm`. Asks the issuer again when the set is old or does not know it.
    pub(crate) async fn find(&self, kid: &str, algorithm: Algorithm) -> Option<Arc<DecodingKey>> {
        let now = self.0.clock.now();
        let seen = self.current();
        let known = seen.find(kid, algorithm).filter(|_| seen.is_within(TRUSTED_FOR, now));
        if known.is_some() && seen.is_within(FRESH_FOR, now) {
            return known;
        }
        let attempt = match (Arc::clone(&self.0.attempt).try_lock_owned(), known) {
            (Ok(attempt), _) => attempt,
            // Someone is renewing an old set: whoever finds her key in it need not wait for a slow issuer.
            (Err(_), Some(known)) => return Some(known),
            (Err(_), None) => Arc::clone(&self.0.attempt).lock_owned().await,
        };
        // A task of its own: a request that is dropped midway would end a fetch that others wait for, and leave no trace
        // of it, so that the next made-up key id would ask the issuer again.
        let refreshing = tokio::spawn(self.clone().refresh(attempt, seen, now).in_current_span());
        if let Err(error) = refreshing.await {
            tracing::error!(error = &error as &dyn std::error::Error, "fetching the signing keys was broken off");
        }
        let set = self.current();
        if set.is_within(TRUSTED_FOR, now) { set.find(kid, algorithm) } else { None }
    }

    fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.current.read().expect("nothing panics while it holds this lock"))
    }

    /// Fetches the set unless someone else has since `seen` was read, or the last fetch is too recent.
    async fn refresh(self, mut attempt: OwnedMutexGuard<Option<Attempt>>, seen: Arc<KeySet>, now: DateTime<Utc>) {
        if !Arc::ptr_eq(&seen, &self.current()) {
            return;
        }
        if let Some(Attempt { at, succeeded }) = *attempt
            && now - at < if succeeded { REFETCH_AFTER } else { RETRY_AFTER }
        {
            return;
        }
        let Called { result, outcome, .. } = call("sign-in", "keys", |_| "error", self.fetch()).await;
        *attempt = Some(Attempt { at: now, succeeded: result.is_ok() });
        metrics::counter!(names::JWKS_FETCHES_TOTAL, "outcome" => outcome).increment(1);
        match result {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "the signing keys were fetched");
                let set = Arc::new(KeySet { fetched_at: Some(now), keys });
                *self.0.current.write().expect("nothing panics while it holds this lock") = set;
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the signing keys could not be fetched")
            }
        }
    }

    async fn fetch(&self) -> Result<HashMap<String, Key>, FetchError> {
        let response = self.0.client.get(self.0.url.clone()).send().await?.error_for_status()?;
        let mut stream = response.bytes_stream();
        let mut body = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            if body.len() + chunk.len() > SET_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let set: Value = serde_json::from_slice(&body).map_err(|_| FetchError::Malformed)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(FetchError::Malformed)?;
        Ok(keys.iter().take(KEYS_MAX).filter_map(usable).collect())
    }
}

/// A published key of a kind we accept, under its id. Everything else, secrets above all, is passed over.
fn usable(value: &Value) -> Option<(String, Key)> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let algorithm = match (jwk.common.key_algorithm?, &jwk.algorithm) {
        (KeyAlgorithm::ES256, AlgorithmParameters::EllipticCurve(curve)) if curve.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        (KeyAlgorithm::RS256, AlgorithmParameters::RSA(_)) => Algorithm::RS256,
        _ => return None,
    };
    let decoding = Arc::new(DecodingKey::from_jwk(&jwk).ok()?);
    Some((jwk.common.key_id?, Key { algorithm, decoding }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jsonwebtoken::Algorithm;
    use serde_json::json;
    use shared::clock::Clock;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::{Jwks, usable};

    #[tokio::test]
    async fn requests_that_are_dropped_midway_cause_one_fetch() {
        const SHORT: Duration = Duration::from_millis(50);
        let issuer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", issuer.local_addr().unwrap()).parse().unwrap();
        let jwks = Jwks::new(url, Clock::system());
        for _ in 0..5 {
            assert!(timeout(SHORT, jwks.find("made-up", Algorithm::ES256)).await.is_err());
        }
        issuer.accept().await.unwrap();
        assert!(timeout(SHORT, issuer.accept()).await.is_err(), "it was asked again");
    }

    #[test]
    fn only_public_keys_of_the_two_accepted_kinds_are_used() {
        let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
        let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
        let curve = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "a", "use": "sig", "x": x, "y": y});
        assert!(usable(&curve).is_some());

        let mut nameless = curve.clone();
        nameless["kid"].take();
        let mut other_algorithm = curve.clone();
        other_algorithm["alg"] = json!("RS256");
        let mut encryption = curve;
        encryption["use"] = json!("enc");
        let secret = json!({"kty": "oct", "alg": "HS256", "kid": "b", "k": "c2VjcmV0"});
        for refused in [nameless, other_algorithm, encryption, secret, json!("text"), json!({})] {
            assert!(usable(&refused).is_none(), "{refused}");
        }
    }
}
