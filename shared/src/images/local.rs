//! Pictures in a directory: for development, tests and single machines. The API serves them under signed links.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use thiserror::Error;
use url::Url;

use super::link::{BadLink, Signer};
use super::metered::metered;
use super::{BYTES_MAX, ImageStore, Listed, Listing, PAGE_MAX, StoreError, check_paths, check_size, path};
use crate::clock::Clock;
use crate::config::Storage;
use crate::workflow::OutputFormat;

/// Files below `STORAGE_DIR`, named as their storage paths.
pub struct LocalStore {
    files: LocalFileSystem,
    signer: Signer,
    clock: Clock,
}

/// A file that a link gave access to.
#[derive(Debug)]
pub struct Download {
    pub bytes: Bytes,
    pub content_type: &'static str,
    /// How long the link goes on working, for `Cache-Control: max-age`.
    pub fresh: Duration,
}

/// Why a link gave no file.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("the link is not valid")]
    BadLink(#[from] BadLink),
    #[error("the file cannot be read")]
    Store(#[from] StoreError),
}

impl LocalStore {
    /// Opens `STORAGE_DIR`, making it if need be.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] when the directory is not set or cannot be made.
    pub fn new(storage: &Storage, public_url: &Url, clock: &Clock) -> Result<Self, StoreError> {
        let dir = storage.dir.as_deref().ok_or_else(|| StoreError::rejected("STORAGE_DIR is not set"))?;
        std::fs::create_dir_all(dir)
            .map_err(|error| StoreError::rejected(format!("STORAGE_DIR cannot be made: {}", error.kind())))?;
        // A picture is recorded as delivered, and paid, once it is stored: it must outlive a power cut by then.
        let files = LocalFileSystem::new_with_prefix(dir)
            .map_err(|error| StoreError::rejected(format!("STORAGE_DIR cannot be opened: {}", io_kind(&error))))?
            .with_fsync(true);
        let signer = Signer::new(storage.link_secret.clone(), public_url.clone());
        Ok(Self { files, signer, clock: clock.clone() })
    }

    /// Whether `/files/{path}?e={expires}&s={signature}` is a link of ours that still holds at `now`.
    ///
    /// # Errors
    /// [`BadLink`], compared in constant time.
    pub fn verify(&self, path: &str, expires: i64, signature: &str, now: DateTime<Utc>) -> Result<(), BadLink> {
        self.signer.verify(path, expires, signature, now)
    }

    /// The file behind a link, for the route that serves it; `path` is already percent-decoded.
    ///
    /// # Errors
    /// A bad link is found before the disk is touched; a deleted file is [`StoreError::NotFound`].
    pub async fn open_link(&self, path: &str, expires: i64, signature: &str) -> Result<Download, OpenError> {
        let now = self.clock.now();
        self.verify(path, expires, signature, now)?;
        let bytes = self.get(path).await?;
        let fresh = Duration::from_secs(u64::try_from(expires - now.timestamp()).unwrap_or(0));
        Ok(Download { bytes, content_type: content_type(path), fresh })
    }

    async fn read(&self, path: &str) -> Result<Bytes, StoreError> {
        let found = self.files.get(&parse(path)?).await.map_err(|error| classify(&error))?;
        if found.meta.size > BYTES_MAX as u64 {
            return Err(StoreError::TooLarge);
        }
        found.bytes().await.map_err(|error| classify(&error))
    }

    async fn remove(&self, paths: &[String]) -> Result<(), StoreError> {
        for path in paths {
            match self.files.delete(&parse(path)?).await.map_err(|error| classify(&error)) {
                Ok(()) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn link_all(&self, paths: &[String], ttl: Duration) -> Result<Vec<Option<Url>>, StoreError> {
        let seconds = i64::try_from(ttl.as_secs().max(1)).unwrap_or(i64::MAX);
        let expires = self.clock.now().timestamp().saturating_add(seconds);
        let mut links = Vec::with_capacity(paths.len());
        for path in paths {
            links.push(match self.files.head(&parse(path)?).await.map_err(|error| classify(&error)) {
                Ok(_) => Some(self.signer.link(path, expires)),
                Err(StoreError::NotFound) => None,
                Err(error) => return Err(error),
            });
        }
        Ok(links)
    }
}

impl LocalStore {
    /// Walks over all files, which a single machine can do: a directory knows no order.
    async fn page(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        let mut files = self.files.list(None);
        let mut first: BTreeMap<String, Listed> = BTreeMap::new();
        let mut is_last = true;
        while let Some(file) = files.next().await {
            let file = match file.map_err(|error| classify(&error)) {
                // Removed while the list was read.
                Err(StoreError::NotFound) => continue,
                file => file?,
            };
            let path = file.location.to_string();
            if !path.starts_with(prefix) || after.is_some_and(|after| path.as_str() <= after) {
                continue;
            }
            let size_bytes = i64::try_from(file.size).unwrap_or(i64::MAX);
            first.insert(path.clone(), Listed { path, size_bytes, written_at: file.last_modified });
            if first.len() > PAGE_MAX {
                first.pop_last();
                is_last = false;
            }
        }
        let next = first.last_key_value().filter(|_| !is_last).map(|(path, _)| path.clone());
        Ok(Listing { objects: first.into_values().collect(), next })
    }
}

#[async_trait]
impl ImageStore for LocalStore {
    /// The type is not kept: it follows from the extension. The file appears whole or not at all.
    async fn put(&self, path: &str, bytes: Bytes, _content_type: &str) -> Result<(), StoreError> {
        path::check(path)?;
        check_size(&bytes)?;
        metered("put", async {
            self.files.put(&parse(path)?, PutPayload::from_bytes(bytes)).await.map_err(|error| classify(&error))?;
            Ok(())
        })
        .await
    }

    async fn get(&self, path: &str) -> Result<Bytes, StoreError> {
        path::check(path)?;
        metered("get", self.read(path)).await
    }

    async fn delete_listed(&self, paths: &[String]) -> Result<(), StoreError> {
        metered("delete", self.remove(paths)).await
    }

    async fn sign(&self, paths: &[String], ttl: Duration) -> Result<Vec<Option<Url>>, StoreError> {
        check_paths(paths)?;
        metered("sign", self.link_all(paths, ttl)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError> {
        metered("list", self.page(prefix, after)).await
    }
}

fn parse(path: &str) -> Result<Path, StoreError> {
    Path::parse(path).map_err(|_| StoreError::rejected("not a storage path"))
}

/// Names the failure without the path, which is the customer's.
fn classify(error: &object_store::Error) -> StoreError {
    match (error, io_kind(error)) {
        // A name below a file, or a directory where a file is meant: nothing was ever stored there.
        (object_store::Error::NotFound { .. }, _) | (_, ErrorKind::NotADirectory | ErrorKind::IsADirectory) => {
            StoreError::NotFound
        }
        (_, kind @ (ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)) => {
            StoreError::misconfigured(kind.to_string())
        }
        (_, kind) => StoreError::unavailable(kind.to_string()),
    }
}

fn io_kind(error: &object_store::Error) -> ErrorKind {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return io.kind();
        }
        source = cause.source();
    }
    ErrorKind::Other
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "jpeg" => OutputFormat::Jpg.content_type(),
        extension => extension.parse().map_or("application/octet-stream", OutputFormat::content_type),
    }
}
