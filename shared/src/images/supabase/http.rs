//! One HTTP exchange with the store, bounded in every direction.

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use url::Url;

use super::super::StoreError;
use super::wire::{self, Failure};

/// Room for the links of a full call: path and token, each with the longest path in it.
const JSON_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most of an error's body that is read; its JSON is a few hundred bytes.
const ERROR_BYTES_MAX: usize = 64 * 1024;

const API_KEY: HeaderName = HeaderName::from_static("apikey");

/// What proves who we are. A new `sb_secret_` key is no token and must not be sent as one; a legacy service key is a
/// JWT that the gateway wants as `apikey` and the store behind it as a bearer token.
pub(super) fn auth_headers(service_key: &str) -> Result<HeaderMap, StoreError> {
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text)
            .map_err(|_| StoreError::rejected("the service key holds characters that no key has"))?;
        value.set_sensitive(true);
        Ok::<_, StoreError>(value)
    };
    let mut headers = HeaderMap::from_iter([(API_KEY, secret(service_key)?)]);
    if !service_key.starts_with("sb_") {
        headers.insert(AUTHORIZATION, secret(&format!("Bearer {service_key}"))?);
    }
    Ok(headers)
}

/// `base` with `parts` behind it, each percent-encoded as one path segment.
pub(super) fn join(base: &Url, parts: &[&str]) -> Result<Url, StoreError> {
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| StoreError::rejected("SUPABASE_URL is not an http address"))?
        .pop_if_empty()
        .extend(parts);
    Ok(url)
}

/// Sends one request and reads its JSON answer.
pub(super) async fn attempt_json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Failure> {
    let body = attempt(request, JSON_BYTES_MAX).await.map_err(|failure| match failure {
        Failure::TooLong => Failure::Final(format!("an answer of more than {JSON_BYTES_MAX} bytes")),
        failure => failure,
    })?;
    // A proxy's friendly page, say: the store itself was perhaps never asked.
    serde_json::from_slice(&body).map_err(|_| Failure::Busy("an answer that is not the store's".to_owned()))
}

/// Sends one request and reads its answer, at most `body_max` bytes of it.
pub(super) async fn attempt(request: RequestBuilder, body_max: usize) -> Result<Bytes, Failure> {
    let response = request.send().await.map_err(transport)?;
    let status = response.status();
    if status.is_success() {
        return read(response, body_max).await;
    }
    // An error whose body cannot be had is still told by its status.
    let body = read(response, ERROR_BYTES_MAX).await.unwrap_or_default();
    Err(wire::failure(status, &body))
}

async fn read(mut response: Response, body_max: usize) -> Result<Bytes, Failure> {
    if response.content_length().is_some_and(|length| length > body_max as u64) {
        return Err(Failure::TooLong);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > body_max {
            return Err(Failure::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Every call may be repeated, so whatever broke on the way is worth another try. The URL stays out of the reason.
fn transport(error: reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure::Final("the request cannot be built".to_owned());
    }
    let reason = match () {
        () if error.is_timeout() => "timed out",
        () if error.is_connect() => "no connection",
        () => "the connection broke",
    };
    Failure::Busy(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legacy_key_is_sent_twice_and_a_secret_key_once() {
        let legacy = auth_headers("eyJh.eyJy.c2ln").expect("valid");
        assert_eq!(legacy["apikey"], "eyJh.eyJy.c2ln");
        assert_eq!(legacy["authorization"], "Bearer eyJh.eyJy.c2ln");
        let secret = auth_headers("sb_secret_abc").expect("valid");
        assert_eq!(secret["apikey"], "sb_secret_abc");
        assert!(!secret.contains_key("authorization"));
    }

    #[test]
    fn keys_never_show_in_debug_output() {
        assert!(!format!("{:?}", auth_headers("eyJh.eyJy.c2ln").expect("valid")).contains("eyJh"));
        assert!(auth_headers("two\nlines").is_err());
    }

    #[test]
    fn every_part_is_one_segment() {
        let base = Url::parse("http://localhost:5432/").expect("a URL");
        let url = join(&base, &["object", "b", "a b?c#d.png"]).expect("an address");
        assert_eq!(url.as_str(), "http://localhost:5432/object/b/a%20b%3Fc%23d.png");
    }
}
