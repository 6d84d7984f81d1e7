//! Signing keys of the project and the tokens made with them.

mod bad;

use std::sync::Mutex;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use uuid::Uuid;

pub use self::bad::BadToken;
pub(super) use self::bad::api_key_claims;
use crate::net::lock;

/// Keys listed in the JWKS at most; the oldest leaves.
pub const SIGNING_KEYS_MAX: usize = 5;

/// How user tokens are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signing {
    /// A P-256 key, listed in the JWKS.
    #[default]
    Es256,
    /// The legacy shared secret; the JWKS is empty.
    Hs256,
}

/// Why a token was not accepted, as the services tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    Garbage,
    Algorithm,
    Signature,
    Expired,
}

impl TokenError {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Garbage => "Invalid Compact JWS",
            Self::Algorithm => "\"alg\" (Algorithm) Header Parameter value not allowed",
            Self::Signature => "signature verification failed",
            Self::Expired => "\"exp\" claim timestamp check failed",
        }
    }
}

/// A P-256 key pair.
struct SigningKey {
    kid: String,
    encoding: EncodingKey,
    x: String,
    y: String,
}

impl SigningKey {
    fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the system has randomness");
        let pkcs8 = pair.to_pkcs8v1().expect("a key just made can be written");
        // An uncompressed point: 4, then 32 bytes of x, then 32 of y.
        let point = pair.public_key().as_ref();
        Self {
            kid: Uuid::new_v4().to_string(),
            encoding: EncodingKey::from_ec_der(pkcs8.as_ref()),
            x: URL_SAFE_NO_PAD.encode(&point[1..33]),
            y: URL_SAFE_NO_PAD.encode(&point[33..65]),
        }
    }

    fn jwk(&self) -> Value {
        json!({"kid": self.kid, "alg": "ES256", "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y, "use": "sig",
            "key_ops": ["verify"], "ext": true})
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.encoding).expect("claims are JSON and the key is of the algorithm")
    }
}

/// The project's keys.
pub(crate) struct Keys {
    pub(crate) secret: String,
    signing: Signing,
    /// The first signs, all verify.
    keys: Mutex<Vec<SigningKey>>,
}

impl Keys {
    pub(crate) fn new(secret: String, signing: Signing) -> Self {
        Self { secret, signing, keys: Mutex::new(vec![SigningKey::generate()]) }
    }

    /// Signs with a new key from now on. The old ones stay listed until [`Keys::revoke_previous`].
    pub(crate) fn rotate(&self) {
        let mut keys = lock(&self.keys);
        keys.insert(0, SigningKey::generate());
        keys.truncate(SIGNING_KEYS_MAX);
    }

    pub(crate) fn revoke_previous(&self) {
        lock(&self.keys).truncate(1);
    }

    pub(crate) fn jwks(&self) -> Value {
        let keys: Vec<Value> = match self.signing {
            Signing::Es256 => lock(&self.keys).iter().map(SigningKey::jwk).collect(),
            Signing::Hs256 => Vec::new(),
        };
        json!({ "keys": keys })
    }

    /// Signs as the project does.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        match self.signing {
            Signing::Es256 => lock(&self.keys)[0].sign(claims),
            Signing::Hs256 => self.sign_with_secret(claims),
        }
    }

    /// Signs with the legacy secret: the API keys and storage's links, whatever signs user tokens.
    pub(crate) fn sign_with_secret(&self, claims: &Value) -> String {
        hmac(Algorithm::HS256, None, claims, self.secret.as_bytes())
    }

    /// The claims of a token that one of the project's keys signed and that has not expired.
    ///
    /// # Errors
    ///
    /// What is wrong with it; a token without `exp` does not expire.
    pub(crate) fn verify(&self, token: &str, now: i64) -> Result<Value, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| header_error(token))?;
        let key = match (header.alg, header.kid.as_deref()) {
            (Algorithm::HS256, _) => DecodingKey::from_secret(self.secret.as_bytes()),
            (Algorithm::ES256, Some(kid)) => self.public_key(kid).ok_or(TokenError::Signature)?,
            (Algorithm::ES256, None) => return Err(TokenError::Signature),
            _ => return Err(TokenError::Algorithm),
        };
        let mut validation = Validation::new(header.alg);
        // The simulator's clock decides, and only `exp` counts.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(|_| TokenError::Signature)?.claims;
        match claims["exp"].as_i64() {
            Some(exp) if exp <= now => Err(TokenError::Expired),
            _ => Ok(claims),
        }
    }

    fn public_key(&self, kid: &str) -> Option<DecodingKey> {
        let keys = lock(&self.keys);
        let key = keys.iter().find(|key| key.kid == kid)?;
        DecodingKey::from_ec_components(&key.x, &key.y).ok()
    }
}

/// Tells an algorithm that is not allowed (`none` is none that the library knows) from what is no token at all.
fn header_error(token: &str) -> TokenError {
    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let header: Option<Value> = header.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if header.is_some_and(|header| header["alg"].is_string()) { TokenError::Algorithm } else { TokenError::Garbage }
}

fn hmac(algorithm: Algorithm, kid: Option<String>, claims: &Value, secret: &[u8]) -> String {
    let header = Header { kid, ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret))
        .expect("claims are JSON and HMAC takes any key")
}
