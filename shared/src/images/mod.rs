//! Where pictures are kept: the [`ImageStore`] port, its two implementations, and the check every picture passes.
//!
//! Rows and jobs carry storage paths, never bytes and never signed links; this module turns one into the other.

mod input_url;
mod link;
mod local;
mod metered;
mod path;
mod picture;
mod supabase;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use thiserror::Error;
use url::Url;

use crate::clock::Clock;
use crate::config::{Storage, StorageBackend, Supabase};

pub(crate) use input_url::PublicResolver;
#[cfg(feature = "fuzzing")]
pub(crate) use picture::fuzzing;

pub use input_url::{FetchError, INPUT_URL_BYTES_MAX, InputFetcher, check_input_url};
pub use link::BadLink;
pub use local::{Download, LocalStore, OpenError};
pub use path::{PATH_BYTES_MAX, SEGMENT_BYTES_MAX, is_valid_path};
pub use picture::{
    BYTES_MAX, INPUT_BYTES_MAX, InputError, InputPicture, Inspected, PIXELS_MAX, Picture, PictureError, check_input,
    fit_inputs, inspect, inspect_input, prepare, set_picture_memory,
};
pub use supabase::SupabaseStore;

/// How long a signed link to an output works.
pub const LINK_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Paths handed to one [`ImageStore::sign`] or [`ImageStore::delete`]. More are refused, so that no caller forgets to page.
pub const PATHS_MAX: usize = 10_000;

/// Objects on one page of [`ImageStore::list`].
pub const PAGE_MAX: usize = 1_000;

/// Keeps pictures under storage paths such as `{user_id}/{generation_id}/{n}.webp`.
///
/// Every method may be repeated without harm. Paths must satisfy [`is_valid_path`]; others are [`StoreError::Rejected`].
#[async_trait]
pub trait ImageStore: Send + Sync {
    /// Stores `bytes` under `path`, replacing what was there. At most [`BYTES_MAX`] bytes.
    async fn put(&self, path: &str, bytes: Bytes, content_type: &str) -> Result<(), StoreError>;

    /// Reads what is stored under `path`, at most [`BYTES_MAX`] bytes.
    async fn get(&self, path: &str) -> Result<Bytes, StoreError>;

    /// Removes the objects; those that do not exist are no error.
    async fn delete(&self, paths: &[String]) -> Result<(), StoreError> {
        check_paths(paths)?;
        self.delete_listed(paths).await
    }

    /// As [`ImageStore::delete`], for paths that [`ImageStore::list`] has told of: others put them there, and the store
    /// knows names that we would not give.
    async fn delete_listed(&self, paths: &[String]) -> Result<(), StoreError>;

    /// Links that let anyone read the objects for `ttl` (at least a second), in the order of `paths`. `None`: no such object.
    async fn sign(&self, paths: &[String], ttl: Duration) -> Result<Vec<Option<Url>>, StoreError>;

    /// A page of all objects whose paths begin with `prefix`, in the order of their paths, after the one that `after`
    /// stands for: the `next` of the page before. What is stored or removed meanwhile does not shift the pages.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Listing, StoreError>;
}

/// A page of a store's objects: at most [`PAGE_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The objects.
    pub objects: Vec<Listed>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// An object as a list tells of it. Whether its path is one of ours is not yet known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path.
    pub path: String,
    /// Its size.
    pub size_bytes: i64,
    /// When it was last written.
    pub written_at: DateTime<Utc>,
}

/// Why the store did not do as asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no such object, or our key may not see it: stores answer both alike.
    #[error("the object does not exist")]
    NotFound,
    /// The object has more than [`BYTES_MAX`] bytes, which no picture has; or more than the bucket takes.
    #[error("the object is too large for the image store")]
    TooLarge,
    /// The same call will be refused again: a bad path, or a type that the bucket refuses.
    #[error("the image store refused the call: {reason}")]
    Rejected {
        /// The store's own code or our reason; holds no path, link or key.
        reason: String,
    },
    /// Every call is refused until an operator mends our settings: a wrong key, or no such bucket. Nothing is wrong with the
    /// object, so it may be stored later.
    #[error("the image store refuses our key or bucket: {reason}")]
    Misconfigured {
        /// The store's own code or our reason; holds no path, link or key.
        reason: String,
    },
    /// The store cannot be reached or is overloaded: try later.
    #[error("the image store is unavailable: {reason}")]
    Unavailable {
        /// The store's own code or our reason; holds no path, link or key.
        reason: String,
    },
}

impl StoreError {
    fn rejected(reason: impl Into<String>) -> Self {
        Self::Rejected { reason: reason.into() }
    }

    fn misconfigured(reason: impl Into<String>) -> Self {
        Self::Misconfigured { reason: reason.into() }
    }

    fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }
}

/// The store that the settings choose. Makes no call yet: the first write makes the bucket or the directory.
///
/// # Errors
/// [`StoreError::Rejected`] when `STORAGE_DIR` cannot be used or no TLS client can be built.
pub fn connect(
    storage: &Storage,
    supabase: &Supabase,
    public_url: &Url,
    clock: &Clock,
) -> Result<Arc<dyn ImageStore>, StoreError> {
    match storage.backend {
        StorageBackend::Supabase => Ok(Arc::new(SupabaseStore::new(supabase, &storage.bucket)?)),
        StorageBackend::Local => Ok(Arc::new(LocalStore::new(storage, public_url, clock)?)),
    }
}

/// Refuses before any call what no store would take.
fn check_paths(paths: &[String]) -> Result<(), StoreError> {
    if paths.len() > PATHS_MAX {
        return Err(StoreError::rejected(format!("more than {PATHS_MAX} paths in one call")));
    }
    paths.iter().try_for_each(|path| path::check(path))
}

/// Refuses bodies no picture of ours may have.
fn check_size(bytes: &Bytes) -> Result<(), StoreError> {
    if bytes.is_empty() {
        return Err(StoreError::rejected("an empty object"));
    }
    if bytes.len() > BYTES_MAX {
        return Err(StoreError::rejected(format!("more than {BYTES_MAX} bytes")));
    }
    Ok(())
}
