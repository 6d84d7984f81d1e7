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
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::sync::OnceCell;
use url::Url;

use self::http::{attempt, attempt_json, auth_headers, join};
use self::wire::{BucketSettings, DeleteMany, Failure, ListMany, ListedPage, NewBucket, SignMany, Signed};
use super::metered::metered;
use super::{BYTES_MAX, ImageStore, Listing, PAGE_MAX, StoreError, check_paths, check_size, path};
use crate::config::Supabase;
use crate::retry;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One try, from connecting to the last byte.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Tries of one call that finds the store unavailable, the first included.
const TRIES_MAX: u32 = 3;
/// Paths the store takes in one call.
const PATHS_PER_CALL_MAX: usize = 1000;
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
        match self.json::<IgnoredAny>("create_bucket", || self.http.post(url.clone()).json(&new)).await {
            Ok(_) => return Ok(()),
            Err(Failure::Exists) => {}
            Err(failure) => return Err(failure.into()),
        }
        // Limits that an operator has set on a bucket of hers stay; being private is not for her to lose.
        let url = join(&self.base, &["bucket", &self.bucket])?;
        let settings = BucketSettings { public: false };
        self.json::<IgnoredAny>("update_bucket", || self.http.put(url.clone()).json(&settings)).await?;
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
        let signed: Vec<Signed> = self.json("sign", || self.http.post(url.clone()).json(&asked)).await?;
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

    /// One call with a JSON answer, tried again while the store is unavailable.
    async fn json<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        build: impl Fn() -> RequestBuilder,
    ) -> Result<T, Failure> {
        repeat(|| metered(operation, attempt_json(build()))).await
    }
}

/// Calls until there is an answer, at most [`TRIES_MAX`] times.
async fn repeat<T, F>(call: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut tries = 1;
    loop {
        match call().await {
            Err(Failure::Busy(_)) if tries < TRIES_MAX => {
                tokio::time::sleep(retry::delay(tries)).await;
                tries += 1;
            }
            result => return result,
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
        self.json::<IgnoredAny>("put", build).await?;
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<Bytes, StoreError> {
        path::check(path)?;
        let url = self.object_url(&["object", "authenticated"], path)?;
        Ok(repeat(|| metered("get", attempt(self.http.get(url.clone()), BYTES_MAX))).await?)
    }

    async fn delete_listed(&self, paths: &[String]) -> Result<(), StoreError> {
        let url = join(&self.base, &["object", &self.bucket])?;
        for chunk in paths.chunks(PATHS_PER_CALL_MAX) {
            let body = DeleteMany { prefixes: chunk };
            self.json::<IgnoredAny>("delete", || self.http.delete(url.clone()).json(&body)).await?;
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

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        let asked = ListMany { prefix, limit: PAGE_MAX, cursor: after, with_delimiter: false };
        let url = join(&self.base, &["object", "list-v2", &self.bucket])?;
        let page: ListedPage = self.json("list", || self.http.post(url.clone()).json(&asked)).await?;
        page.below(prefix)
    }
}
