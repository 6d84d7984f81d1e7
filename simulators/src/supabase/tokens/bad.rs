//! Tokens that must not let anybody in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::{Keys, SigningKey, hmac};
use crate::net::lock;

/// A token with one thing wrong, everything else being as in a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadToken {
    /// Expired an hour ago.
    Expired,
    /// Without `exp`.
    WithoutExpiry,
    /// Valid in an hour, by `nbf`.
    NotYetValid,
    /// `alg` none, no signature.
    AlgorithmNone,
    /// HS512 with the right secret.
    Hs512,
    /// The right `kid`, another key.
    Forged,
    /// A `kid` that is not listed, and its own key.
    UnknownKid,
    /// HS256 with the public key, as JSON text, for a secret.
    PublicKeyAsSecret,
    /// HS256 with another secret.
    WrongSecret,
    /// The first character of the signature changed.
    Tampered,
    /// The issuer of another project.
    ForeignIssuer,
    /// Another audience.
    WrongAudience,
    /// The project's public API key, which is a JWT too.
    AnonKey,
    /// The project's service key.
    ServiceKey,
    /// Signed as a user's, with role `service_role`.
    ServiceRole,
    /// Of an Auth "anonymous user".
    AnonymousUser,
    /// `sub` is no UUID.
    SubjectNotUuid,
    /// Without `session_id`.
    WithoutSession,
    /// A signed storage link's token: HS256 with the same secret as legacy user tokens.
    StorageLink,
    /// Three segments of nothing.
    Garbage,
}

impl BadToken {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Expired,
        Self::WithoutExpiry,
        Self::NotYetValid,
        Self::AlgorithmNone,
        Self::Hs512,
        Self::Forged,
        Self::UnknownKid,
        Self::PublicKeyAsSecret,
        Self::WrongSecret,
        Self::Tampered,
        Self::ForeignIssuer,
        Self::WrongAudience,
        Self::AnonKey,
        Self::ServiceKey,
        Self::ServiceRole,
        Self::AnonymousUser,
        Self::SubjectNotUuid,
        Self::WithoutSession,
        Self::StorageLink,
        Self::Garbage,
    ];
}

const HOUR: i64 = 3_600;
const TEN_YEARS: i64 = 315_360_000;

/// When the API keys were issued: a constant, so that a secret has the same keys at every start.
const API_KEYS_ISSUED: i64 = 1_767_225_600;

/// The claims of one of the project's API keys.
pub(crate) fn api_key_claims(role: &str) -> Value {
    let (iat, exp) = (API_KEYS_ISSUED, API_KEYS_ISSUED + TEN_YEARS);
    json!({"iss": "supabase", "ref": "simulated", "role": role, "iat": iat, "exp": exp})
}

impl Keys {
    /// Makes a bad token out of good claims.
    pub(crate) fn bad(&self, kind: BadToken, good: Value, now: i64) -> String {
        let changed = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            self.sign(&claims)
        };
        let without = |name: &str| {
            let mut claims = good.clone();
            if let Some(claims) = claims.as_object_mut() {
                claims.remove(name);
            }
            self.sign(&claims)
        };
        match kind {
            BadToken::Expired => changed("exp", (now - HOUR).into()),
            BadToken::WithoutExpiry => without("exp"),
            BadToken::NotYetValid => changed("nbf", (now + HOUR).into()),
            BadToken::AlgorithmNone => {
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(&good))
            }
            BadToken::Hs512 => hmac(Algorithm::HS512, None, &good, self.secret.as_bytes()),
            BadToken::Forged => {
                let kid = lock(&self.keys)[0].kid.clone();
                SigningKey { kid, ..SigningKey::generate() }.sign(&good)
            }
            BadToken::UnknownKid => SigningKey::generate().sign(&good),
            BadToken::PublicKeyAsSecret => {
                let keys = lock(&self.keys);
                let (kid, jwk) = (keys[0].kid.clone(), keys[0].jwk().to_string());
                hmac(Algorithm::HS256, Some(kid), &good, jwk.as_bytes())
            }
            BadToken::WrongSecret => hmac(Algorithm::HS256, None, &good, b"another secret of at least 32 characters"),
            BadToken::Tampered => tamper(self.sign(&good)),
            BadToken::ForeignIssuer => changed("iss", "https://foreign.supabase.co/auth/v1".into()),
            BadToken::WrongAudience => changed("aud", "somebody-else".into()),
            BadToken::AnonKey => self.sign_with_secret(&api_key_claims("anon")),
            BadToken::ServiceKey => self.sign_with_secret(&api_key_claims("service_role")),
            BadToken::ServiceRole => changed("role", "service_role".into()),
            BadToken::AnonymousUser => changed("is_anonymous", true.into()),
            BadToken::SubjectNotUuid => changed("sub", "somebody".into()),
            BadToken::WithoutSession => without("session_id"),
            BadToken::StorageLink => {
                let link = json!({"url": "shootx-images/a.png", "scope": "download", "iat": now, "exp": now + HOUR});
                self.sign_with_secret(&link)
            }
            BadToken::Garbage => "not.a.token".to_owned(),
        }
    }
}

/// Changes the first character of the signature; the last one carries unused bits.
fn tamper(token: String) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("a token has three parts");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}
