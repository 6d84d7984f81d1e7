//! Whether a token is one of this project's, for a signed-in user: every rule, in one place.
//!
//! The key comes from configuration and the algorithm from an allow-list, never from the token alone; nothing is
//! decided on claims a user can write. Why a token was refused is logged and not told.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, errors};
use poem::http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::ids::UserId;
use uuid::Uuid;

use super::jwks::Jwks;

/// Most bytes of an access token that are looked at.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Clocks may differ by this many seconds.
const LEEWAY_S: u64 = 30;
/// The audience and the role of a signed-in user. Service and publishable keys carry other roles.
const SIGNED_IN: &str = "authenticated";

/// Checks access tokens. Clones share one key cache.
#[derive(Clone)]
pub(crate) struct TokenVerifier {
    issuer: String,
    jwks: Jwks,
    /// The legacy shared secret; without it HS256 is refused.
    secret: Option<Arc<DecodingKey>>,
}

/// What a valid token says about its bearer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verified {
    pub(crate) user_id: UserId,
    /// Signed in without ever having signed up.
    pub(crate) is_anonymous: bool,
}

/// Why a token was refused: for the log only.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("no bearer token")]
    Missing,
    #[error("more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    #[error("not three segments")]
    Segments,
    #[error("the header cannot be read")]
    Header,
    #[error("the header asks for more than we understand")]
    Critical,
    #[error("algorithm {0:?} is not accepted")]
    Algorithm(Algorithm),
    #[error("no key id")]
    NoKeyId,
    #[error("no such key for this algorithm")]
    UnknownKey,
    #[error("{0:?}")]
    Invalid(errors::ErrorKind),
    #[error("it is from several issuers")]
    Issuer,
    #[error("the role is not a signed-in user's")]
    Role,
    #[error("no session")]
    NoSession,
}

#[derive(Deserialize)]
struct Claims {
    sub: Uuid,
    iss: serde_json::Value,
    #[serde(default)]
    role: String,
    #[serde(default)]
    session_id: String,
    #[serde(default)]
    is_anonymous: bool,
}

impl TokenVerifier {
    /// Trusts the keys of `jwks`, and `secret` where one is given, for tokens that say they are from `issuer`.
    pub(crate) fn new(issuer: String, jwks: Jwks, secret: Option<&SecretString>) -> Self {
        let secret = secret.map(|secret| Arc::new(DecodingKey::from_secret(secret.expose_secret().as_bytes())));
        Self { issuer, jwks, secret }
    }

    /// The bearer of the token in `headers`.
    pub(crate) async fn verify(&self, headers: &HeaderMap) -> Result<Verified, TokenError> {
        let token = bearer(headers)?;
        let header = decode_header(token).map_err(|_| TokenError::Header)?;
        // Whoever does not know what it names must not go on (RFC 7515, 4.1.11), and we know nothing of the kind.
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let key = match header.alg {
            Algorithm::ES256 | Algorithm::RS256 => {
                let kid = header.kid.as_deref().ok_or(TokenError::NoKeyId)?;
                self.jwks.find(kid, header.alg).await.ok_or(TokenError::UnknownKey)?
            }
            Algorithm::HS256 => self.secret.clone().ok_or(TokenError::Algorithm(header.alg))?,
            other => return Err(TokenError::Algorithm(other)),
        };
        let claims = decode::<Claims>(token, &key, &self.rules(header.alg))
            .map_err(|error| TokenError::Invalid(error.into_kind()))?
            .claims;
        // The library takes a list that has ours among others.
        if claims.iss != self.issuer.as_str() {
            return Err(TokenError::Issuer);
        }
        if claims.role != SIGNED_IN {
            return Err(TokenError::Role);
        }
        if claims.session_id.is_empty() {
            return Err(TokenError::NoSession);
        }
        Ok(Verified { user_id: UserId(claims.sub), is_anonymous: claims.is_anonymous })
    }

    fn rules(&self, algorithm: Algorithm) -> Validation {
        let mut rules = Validation::new(algorithm);
        rules.leeway = LEEWAY_S;
        rules.validate_nbf = true;
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[SIGNED_IN]);
        rules
    }
}

/// The token of the one `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Result<&str, TokenError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(TokenError::Missing);
    };
    let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or(TokenError::Missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Missing);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    if token.split('.').count() != 3 {
        return Err(TokenError::Segments);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use poem::http::{HeaderMap, HeaderValue, header};

    use super::{TOKEN_BYTES_MAX, TokenError, bearer};

    fn authorization(values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| (header::AUTHORIZATION, HeaderValue::from_str(value).unwrap()));
        values.fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
    }

    #[test]
    fn the_bearer_scheme_is_read_in_any_case() {
        assert_eq!(bearer(&authorization(&["bearer a.b.c"])).unwrap(), "a.b.c");
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_before_any_cryptography() {
        let long = format!("Bearer {}.b.c", "a".repeat(TOKEN_BYTES_MAX));
        let cases: [(&[&str], &str); 6] = [
            (&[], "no bearer token"),
            (&["Basic a.b.c"], "no bearer token"),
            (&["Bearer"], "no bearer token"),
            (&["Bearer a.b.c", "Bearer a.b.c"], "no bearer token"),
            (&["Bearer sb_secret_key"], "not three segments"),
            (&[&long], "more than 8192 bytes"),
        ];
        for (values, reason) in cases {
            let refused: TokenError = bearer(&authorization(values)).unwrap_err();
            assert_eq!(refused.to_string(), reason);
        }
    }
}
