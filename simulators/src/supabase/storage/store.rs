//! Buckets and objects: in memory, or in a directory that a later start finds again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::error::StorageError;

/// Objects kept at most.
const OBJECTS_MAX: usize = 200_000;
/// Bytes kept at most, give or take one object.
const STORED_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Buckets kept at most.
pub(super) const BUCKETS_MAX: usize = 100;
const BUCKETS_FILE: &str = "buckets.json";

/// A bucket's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Bucket {
    pub(super) id: String,
    pub(super) public: bool,
    pub(super) file_size_limit: Option<u64>,
    pub(super) allowed_mime_types: Option<Vec<String>>,
    pub(super) created_at: DateTime<Utc>,
}

/// All of an object but its bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) id: Uuid,
    pub(super) version: Uuid,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) owner: Option<String>,
    pub(super) content_type: String,
    pub(super) cache_control: String,
    /// What the uploader wanted to be kept with it.
    #[serde(default)]
    pub(super) metadata: Value,
    pub(super) size: usize,
    pub(super) etag: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// What a put brings.
pub(super) struct Upload {
    pub(super) owner: Option<String>,
    pub(super) content_type: String,
    pub(super) cache_control: String,
    pub(super) metadata: Value,
    pub(super) bytes: Bytes,
}

enum Bodies {
    Memory(BTreeMap<Uuid, Bytes>),
    Directory(PathBuf),
}

pub(super) struct Store {
    pub(super) buckets: BTreeMap<String, Bucket>,
    objects: BTreeMap<(String, String), Object>,
    bodies: Bodies,
    /// Bytes of all objects.
    stored: u64,
}

impl Store {
    /// Opens the directory and reads what lies there; without one, memory.
    ///
    /// # Errors
    ///
    /// The directory cannot be made or read.
    pub(super) fn open(directory: Option<&Path>) -> io::Result<Self> {
        let Some(directory) = directory else {
            let bodies = Bodies::Memory(BTreeMap::new());
            return Ok(Self { buckets: BTreeMap::new(), objects: BTreeMap::new(), bodies, stored: 0 });
        };
        fs::create_dir_all(directory)?;
        let buckets = match fs::read(directory.join(BUCKETS_FILE)) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let mut objects = BTreeMap::new();
        for entry in fs::read_dir(directory)?.take(2 * OBJECTS_MAX) {
            let path = entry?.path();
            let is_object = path.extension().is_some_and(|extension| extension == "object");
            if is_object {
                let object: Object = serde_json::from_slice(&fs::read(&path)?)?;
                objects.insert((object.bucket.clone(), object.key.clone()), object);
            }
        }
        let stored = objects.values().map(Object::weight).sum();
        Ok(Self { buckets, objects, bodies: Bodies::Directory(directory.to_owned()), stored })
    }

    pub(super) fn bucket(&self, id: &str) -> Result<&Bucket, StorageError> {
        self.buckets.get(id).ok_or_else(StorageError::no_such_bucket)
    }

    /// Writes the buckets' settings, after a change of them.
    pub(super) fn save_buckets(&self) -> Result<(), StorageError> {
        if let Bodies::Directory(directory) = &self.bodies {
            let bytes = serde_json::to_vec(&self.buckets).map_err(|error| StorageError::internal(error.to_string()))?;
            fs::write(directory.join(BUCKETS_FILE), bytes).map_err(from_io)?;
        }
        Ok(())
    }

    pub(super) fn find(&self, bucket: &str, key: &str) -> Option<&Object> {
        self.objects.get(&(bucket.to_owned(), key.to_owned()))
    }

    /// Objects of a bucket in order of their keys, from the prefix on.
    pub(super) fn list<'a>(&'a self, bucket: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects
            .range((bucket.to_owned(), prefix.to_owned())..)
            .map(|(_, object)| object)
            .take_while(move |object| object.bucket == bucket && object.key.starts_with(prefix))
    }

    pub(super) fn put(
        &mut self,
        bucket: &str,
        key: &str,
        upload: Upload,
        now: DateTime<Utc>,
    ) -> Result<&Object, StorageError> {
        let place = (bucket.to_owned(), key.to_owned());
        let before = self.objects.get(&place);
        let replaced = before.map_or(0, Object::weight);
        let full = before.is_none() && self.objects.len() >= OBJECTS_MAX;
        if full || self.stored - replaced >= STORED_BYTES_MAX {
            return Err(StorageError::internal("this simulator's storage is full"));
        }
        let digest = Sha256::digest(&upload.bytes);
        let object = Object {
            id: before.map_or_else(Uuid::new_v4, |before| before.id),
            version: Uuid::new_v4(),
            bucket: place.0.clone(),
            key: place.1.clone(),
            owner: upload.owner,
            content_type: upload.content_type,
            cache_control: upload.cache_control,
            metadata: upload.metadata,
            size: upload.bytes.len(),
            etag: format!("\"{}\"", hex(&digest[..16])),
            created_at: before.map_or(now, |before| before.created_at),
            updated_at: now,
        };
        match &mut self.bodies {
            Bodies::Memory(bodies) => {
                bodies.insert(object.id, upload.bytes);
            }
            Bodies::Directory(directory) => {
                fs::write(directory.join(format!("{}.bytes", object.id)), &upload.bytes).map_err(from_io)?;
                write_object(directory, &object)?;
            }
        }
        self.stored = self.stored - replaced + object.weight();
        self.objects.insert(place.clone(), object);
        Ok(&self.objects[&place])
    }

    pub(super) fn read(&self, object: &Object) -> Result<Bytes, StorageError> {
        match &self.bodies {
            Bodies::Memory(bodies) => bodies.get(&object.id).cloned().ok_or_else(StorageError::no_such_key),
            Bodies::Directory(directory) => {
                fs::read(directory.join(format!("{}.bytes", object.id))).map(Bytes::from).map_err(from_io)
            }
        }
    }

    pub(super) fn delete(&mut self, bucket: &str, key: &str) -> Option<Object> {
        let object = self.objects.remove(&(bucket.to_owned(), key.to_owned()))?;
        self.stored -= object.weight();
        match &mut self.bodies {
            Bodies::Memory(bodies) => {
                bodies.remove(&object.id);
            }
            Bodies::Directory(directory) => {
                // What is left of a file that cannot be removed is unreachable: its description goes first.
                for extension in ["object", "bytes"] {
                    if let Err(error) = fs::remove_file(directory.join(format!("{}.{extension}", object.id))) {
                        tracing::warn!(%error, "storage simulator: a file could not be removed");
                    }
                }
            }
        }
        Some(object)
    }
}

fn write_object(directory: &Path, object: &Object) -> Result<(), StorageError> {
    let bytes = serde_json::to_vec(object).map_err(|error| StorageError::internal(error.to_string()))?;
    fs::write(directory.join(format!("{}.object", object.id)), bytes).map_err(from_io)
}

fn from_io(error: io::Error) -> StorageError {
    StorageError::internal(error.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Object {
    fn weight(&self) -> u64 {
        u64::try_from(self.size).unwrap_or(u64::MAX)
    }

    /// What storage itself keeps of an object.
    fn system_metadata(&self) -> Value {
        json!({
            "eTag": self.etag, "size": self.size, "mimetype": self.content_type, "cacheControl": self.cache_control,
            "lastModified": self.updated_at, "contentLength": self.size, "httpStatusCode": 200,
        })
    }

    /// A row as `list` shows it, under the name given.
    pub(super) fn listed_as(&self, name: &str) -> Value {
        json!({
            "name": name, "id": self.id, "updated_at": self.updated_at, "created_at": self.created_at,
            "last_accessed_at": self.updated_at, "metadata": self.system_metadata(),
        })
    }

    /// The whole row, as `delete` and `copy` show it.
    pub(super) fn row(&self) -> Value {
        let mut row = self.listed_as(&self.key);
        row["bucket_id"] = json!(self.bucket);
        row["owner"] = json!(self.owner);
        row["owner_id"] = json!(self.owner);
        row["version"] = json!(self.version);
        row
    }

    pub(super) fn info(&self) -> Value {
        json!({
            "id": self.id, "name": self.key, "version": self.version, "bucket_id": self.bucket, "size": self.size,
            "content_type": self.content_type, "cache_control": self.cache_control, "etag": self.etag, "metadata": self.metadata,
            "last_modified": self.updated_at, "created_at": self.created_at,
        })
    }
}
