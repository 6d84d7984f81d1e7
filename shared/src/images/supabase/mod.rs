//! Supabase Storage over HTTP, with the service key, in one private bucket.

mod http;
mod wire;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, redirect};
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;
use url::Url;

use self::http::{attempt, auth_headers, join};
use self::wire::{BucketSettings, DeleteMany, Failure, NewBucket, SignMany, Signed};
use super::metered::metered;
use super::{BYTES_MAX, ImageStore, StoreError, check_paths, check_size, path};
use crate::config::Supabase;
use crate::retry;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One try, from connecting to the last byte.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Tries of one call that finds the store unavailable, the first included.
const TRIES_MAX: u32 = 3;
/// Paths the store takes in one call.
const PATHS_PER_CALL_MAX: usize = 1000;
/// Room for the links of a full call: path and token, each with the longest path in it.
const JSON_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Objects never change under their path but by a repeat of the same work.
const CACHE: &str = "max-age=31536000";

/// Objects of one private bucket. Cheap to share, not to clone.
pub struct SupabaseStore {
    http: Client,
    base: Url,
    bucket: String,
    ready: OnceCell<()>,
}

impl SupabaseStore {
    /// Makes no call yet.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] when the key cannot be a header or no TLS client can be built.
    pub fn new(supabase: &Supabase, bucket: &str) -> Result<Self, StoreError> {
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("shootx/", env!("CARGO_PKG_VERSION")))
            .default_headers(auth_headers(supabase.service_key.expose_secret())?)
            .build()
            .map_err(|error| StoreError::rejected(format!("no HTTP client: {}", error.without_url())))?;
        let base = join(&supabase.url, &["storage", "v1"])?;
        Ok(Self { http, base, bucket: bucket.to_owned(), ready: OnceCell::new() })
    }

    /// Makes the bucket, or makes it private if it was not. Done by itself before the first `put` of a process.
    ///
    /// # Errors
    /// As any call.
    pub async fn ensure_bucket(&self) -> Result<(), StoreError> {
        let new = NewBucket { id: &self.bucket, name: &self.bucket, public: false, file_size_limit: BYTES_MAX };
        let url = join(&self.base, &["bucket"])?;
        match self.call("create_bucket", JSON_BYTES_MAX, || self.http.post(url.clone()).json(&new)).await {
            Ok(_) => return Ok(()),
            Err(Failure::Exists) => {}
            Err(failure) => return Err(failure.into()),
        }
        // Limits that an operator has set on a bucket of hers stay; being private is not for her to lose.
        let url = join(&self.base, &["bucket", &self.bucket])?;
        self.call("update_bucket", JSON_BYTES_MAX, || {
            self.http.put(url.clone()).json(&BucketSettings { public: false })
        })
        .await?;
        Ok(())
    }

    fn object_url(&self, parents: &[&str], path: &str) -> Result<Url, StoreError> {
        let mut parts = parents.to_vec();
        parts.push(&self.bucket);
        parts.extend(path.split('/'));
        join(&self.base, &parts)
    }

    async fn sign_chunk(&self, paths: &[String], ttl: Duration) -> Result<Vec<Option<Url>>, StoreError> {
        let asked = SignMany { expires_in: ttl.as_secs().max(1), paths };
        let url = join(&self.base, &["object", "sign", &self.bucket])?;
        let answer = self.call("sign", JSON_BYTES_MAX, || self.http.post(url.clone()).json(&asked)).await?;
        let signed: Vec<Signed> = serde_json::from_slice(&answer)
            .map_err(|_| StoreError::unavailable("the answer to a signing call is not a list of links"))?;
        let tokens: HashMap<&str, &str> =
            signed.iter().filter_map(|item| Some((item.path.as_str(), item.token()?))).collect();
        // Only the token is taken over: the address around it is not percent-encoded, and we know it.
        let link = |path: &String| -> Result<Option<Url>, StoreError> {
            let Some(token) = tokens.get(path.as_str()) else {
                return Ok(None);
            };
            let mut link = self.object_url(&["object", "sign"], path)?;
            link.query_pairs_mut().append_pair("token", token);
            Ok(Some(link))
        };
        paths.iter().map(link).collect()
    }

    /// Sends what `build` makes until it is answered, at most [`TRIES_MAX`] times.
    async fn call(
        &self,
        operation: &'static str,
        body_max: usize,
        build: impl Fn() -> RequestBuilder + Send + Sync,
    ) -> Result<Bytes, Failure> {
        let mut tries = 1;
        loop {
            match metered(operation, attempt(build(), body_max)).await {
                Err(Failure::Busy(_)) if tries < TRIES_MAX => {
                    tokio::time::sleep(retry::delay(tries)).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }
}

#[async_trait]
impl ImageStore for SupabaseStore {
    async fn put(&self, path: &str, bytes: Bytes, content_type: &str) -> Result<(), StoreError> {
        path::check(path)?;
        check_size(&bytes)?;
        self.ready.get_or_try_init(|| self.ensure_bucket()).await?;
        let url = self.object_url(&["object"], path)?;
        let build = || {
            self.http
                .post(url.clone())
                .header(CONTENT_TYPE, content_type)
                .header(CACHE_CONTROL, CACHE)
                .header("x-upsert", "true")
                .body(bytes.clone())
        };
        self.call("put", JSON_BYTES_MAX, build).await?;
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<Bytes, StoreError> {
        path::check(path)?;
        let url = self.object_url(&["object", "authenticated"], path)?;
        Ok(self.call("get", BYTES_MAX, || self.http.get(url.clone())).await?)
    }

    async fn delete(&self, paths: &[String]) -> Result<(), StoreError> {
        check_paths(paths)?;
        let url = join(&self.base, &["object", &self.bucket])?;
        for chunk in paths.chunks(PATHS_PER_CALL_MAX) {
            let body = DeleteMany { prefixes: chunk };
            self.call("delete", JSON_BYTES_MAX, || self.http.delete(url.clone()).json(&body)).await?;
        }
        Ok(())
    }

    async fn sign(&self, paths: &[String], ttl: Duration) -> Result<Vec<Option<Url>>, StoreError> {
        check_paths(paths)?;
        let mut links = Vec::with_capacity(paths.len());
        for chunk in paths.chunks(PATHS_PER_CALL_MAX) {
            links.extend(self.sign_chunk(chunk, ttl).await?);
        }
        Ok(links)
    }
}
