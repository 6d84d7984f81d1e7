//! Copies stored pictures out of the image store and back, by the list of a backup: bounded, checked, and begun again
//! where it was stopped. Paths are never written to twice by us, so one directory serves all backups of a deployment.

mod entry;
mod shelf;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use shared::images::{ImageStore, StoreError};
use shared::retry;
use shared::workflow::OutputFormat;
use thiserror::Error;

use self::entry::{Entry, Kind, Pages};
use self::shelf::Shelf;

/// Pictures copied at once.
const AT_ONCE: usize = 8;
/// One transfer takes at most this.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(60);
/// Times one transfer is tried.
const TRIES_MAX: u32 = 4;
/// Links that only ask which pictures are there.
const GLANCE: Duration = Duration::from_secs(60);

/// Why copying stopped.
#[derive(Debug, Error)]
pub enum CopyError {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("line {line} of the list: {reason}")]
    List { line: usize, reason: &'static str },
    #[error("the image store cannot be asked")]
    Store(#[from] StoreError),
}

impl CopyError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    pub copied: u64,
    pub bytes: u64,
    /// It was there already.
    pub kept: u64,
    /// Users may delete what they uploaded.
    pub inputs_missing: u64,
    pub outputs_missing: u64,
    /// Not copied now; a repeat may.
    pub failed: u64,
}

/// What became of one picture.
enum One {
    Copied(u64),
    Kept,
    Missing,
    Failed,
}

impl Copied {
    fn count(&mut self, kind: Kind, one: &One) {
        match (one, kind) {
            (One::Copied(bytes), _) => {
                self.copied += 1;
                self.bytes += bytes;
            }
            (One::Kept, _) => self.kept += 1,
            (One::Missing, Kind::Input) => self.inputs_missing += 1,
            (One::Missing, Kind::Output) => self.outputs_missing += 1,
            (One::Failed, _) => self.failed += 1,
        }
    }
}

/// Copies every picture of `list` into `dir`.
///
/// # Errors
/// A list or directory that cannot be used. What one picture meets is logged and counted.
pub async fn export(images: &Arc<dyn ImageStore>, list: &Path, dir: &Path) -> Result<Copied, CopyError> {
    let mut shelf = Shelf::open(dir)?;
    let mut sums = Copied::default();
    for page in Pages::open(list)? {
        let (there, absent): (Vec<_>, Vec<_>) = page?.into_iter().partition(|entry| shelf.has(entry));
        there.iter().for_each(|entry| sums.count(entry.kind, &One::Kept));
        let mut got = futures::stream::iter(absent)
            .map(|entry| async move { (patiently(TRIES_MAX, || images.get(&entry.path)).await, entry) })
            .buffer_unordered(AT_ONCE);
        while let Some((answer, entry)) = got.next().await {
            let one = match answer {
                Ok(bytes) if entry.bytes.is_some_and(|size| size != bytes.len() as u64) => {
                    tracing::error!(path = entry.path, found = bytes.len(), "a picture has another size than its row");
                    One::Failed
                }
                Ok(bytes) => match shelf.put(&entry.path, &bytes) {
                    Ok(()) => One::Copied(bytes.len() as u64),
                    Err(error) => failed(&entry, &error),
                },
                Err(StoreError::NotFound) => One::Missing,
                Err(error) => failed(&entry, &error),
            };
            sums.count(entry.kind, &one);
        }
    }
    Ok(sums)
}

/// Brings every picture of `list` that the store lacks back from `dir`.
///
/// # Errors
/// As [`export`]; also if the store cannot be asked what it has.
pub async fn import(images: &Arc<dyn ImageStore>, list: &Path, dir: &Path) -> Result<Copied, CopyError> {
    let shelf = Shelf::open(dir)?;
    let mut sums = Copied::default();
    for page in Pages::open(list)? {
        let entries = page?;
        let paths: Vec<String> = entries.iter().map(|entry| entry.path.clone()).collect();
        let there = images.sign(&paths, GLANCE).await?;
        let mut put = futures::stream::iter(entries.into_iter().zip(there))
            .map(|(entry, link)| {
                let shelf = &shelf;
                async move {
                    let one = if link.is_some() { One::Kept } else { put(images, shelf, &entry).await };
                    (one, entry.kind)
                }
            })
            .buffer_unordered(AT_ONCE);
        while let Some((one, kind)) = put.next().await {
            sums.count(kind, &one);
        }
    }
    Ok(sums)
}

async fn put(images: &Arc<dyn ImageStore>, shelf: &Shelf, entry: &Entry) -> One {
    let bytes = match shelf.get(&entry.path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return One::Missing,
        Err(error) => return failed(entry, &error),
    };
    let size = bytes.len() as u64;
    let extension = entry.path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let content_type = match extension {
        "jpeg" => OutputFormat::Jpg.content_type(),
        other => other.parse().map_or("application/octet-stream", OutputFormat::content_type),
    };
    match patiently(TRIES_MAX, || images.put(&entry.path, bytes.clone(), content_type)).await {
        Ok(()) => One::Copied(size),
        Err(error) => failed(entry, &error),
    }
}

/// Tries again while the store is unavailable, at most `tries_max` times, each bounded.
pub(crate) async fn patiently<T, F>(tries_max: u32, call: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 1;
    loop {
        let answer = tokio::time::timeout(TRANSFER_TIMEOUT, call()).await;
        let error = match answer {
            Ok(Err(error @ StoreError::Unavailable { .. })) => error,
            Ok(answer) => return answer,
            Err(_) => StoreError::Unavailable { reason: "no answer in time".to_owned() },
        };
        if tries == tries_max {
            return Err(error);
        }
        tokio::time::sleep(retry::delay(tries)).await;
        tries += 1;
    }
}

fn failed(entry: &Entry, error: &(dyn std::error::Error + 'static)) -> One {
    tracing::error!(path = entry.path, error, "a picture was not copied");
    One::Failed
}
