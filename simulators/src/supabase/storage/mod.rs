//! Supabase Storage over HTTP, with its odd errors. Rights are those of the product's policies (see [`access`]).

mod access;
mod buckets;
mod error;
mod links;
mod listing;
mod objects;
mod received;
mod store;

use std::io;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use poem::http::{HeaderMap, Method};
use poem::web::{Data, Path, Query, RemoteAddr};
use poem::{Body, Request, Response, handler};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::access::{Caller, NoCaller};
use self::error::StorageError;
use self::links::LinkQuery;
use self::received::{Received, UploadLimits};
use self::store::Store;
use super::Project;
use crate::fault::Operation;
use crate::http_fault::{Bodies, exchange, json};
use crate::net::lock;

const BODIES: Bodies = Bodies {
    too_many_requests: || StorageError::slow_down().into_response(),
    unauthorized: || json(401, &json!({"message": "Invalid API key"})),
    not_found: || StorageError::no_such_key().into_response(),
};

/// The files of a project.
pub(super) struct Files(Mutex<Store>);

/// An object as tests look at it.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectView {
    /// The bucket.
    pub bucket: String,
    /// The path in the bucket.
    pub key: String,
    /// As uploaded.
    pub content_type: String,
    /// Bytes.
    pub size: usize,
}

impl Files {
    pub(super) fn open(directory: Option<&FilePath>) -> io::Result<Self> {
        Ok(Self(Mutex::new(Store::open(directory)?)))
    }

    pub(super) fn view(&self) -> Vec<ObjectView> {
        let store = lock(&self.0);
        let objects = store.buckets.keys().flat_map(|bucket| store.list(bucket, ""));
        let view = |object: &store::Object| ObjectView {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            content_type: object.content_type.clone(),
            size: object.size,
        };
        objects.map(view).collect()
    }

    pub(super) fn read(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let store = lock(&self.0);
        store.find(bucket, key).and_then(|object| store.read(object).ok())
    }
}

/// One request, read.
#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    caller: &'a Caller,
    body: &'a Received,
    now: DateTime<Utc>,
}

/// What is answered when it went well.
enum Answer {
    Json(Value),
    Response(Response),
    NoRoute,
}

impl Answer {
    fn json(value: &Value) -> Self {
        Self::Json(value.clone())
    }
}

/// Reads a JSON body.
fn parse<T: DeserializeOwned>(body: &Received) -> Result<T, StorageError> {
    serde_json::from_slice(&body.bytes)
        .map_err(|error| StorageError::invalid_request(format!("body is invalid: {error}")))
}

/// What a route is, for faults; rights and bodies are looked at later.
fn operation(method: &Method, path: &[&str]) -> Operation {
    match (method, path) {
        (_, ["bucket", ..]) => Operation::Bucket,
        (_, ["object", "list" | "list-v2", ..]) => Operation::List,
        (&Method::POST, ["object", "sign", ..]) => Operation::Sign,
        (_, ["object", "sign", ..]) => Operation::SignedDownload,
        (_, ["object", "move"]) => Operation::Move,
        (_, ["object", "copy"]) => Operation::Copy,
        (_, ["object", "info", ..]) => Operation::Info,
        (&Method::DELETE, _) => Operation::Delete,
        (&Method::POST | &Method::PUT, _) => Operation::Upload,
        _ => Operation::Download,
    }
}

#[handler]
pub(super) async fn serve(
    project: Data<&Arc<Project>>,
    request: &Request,
    peer: &RemoteAddr,
    Path(path): Path<String>,
    query: Query<LinkQuery>,
    body: Body,
) -> Response {
    let segments: Vec<&str> = path.split('/').collect();
    let operation = operation(request.method(), &segments);
    let subject = path.split_once('/').map_or("", |(_, rest)| rest);
    let (faults, storage_fault) = project.take_faults(operation, subject);
    exchange(&faults, &project.line, peer, &BODIES, async {
        if let Some(fault) = storage_fault {
            return StorageError::from(&fault).into_response();
        }
        match project.store_request(request, &segments, &query, body).await {
            Ok(Answer::Json(value)) => json(200, &value),
            Ok(Answer::Response(answer)) => answer,
            Ok(Answer::NoRoute) => {
                let message = format!("Route {}:/{path} not found", request.method());
                json(404, &json!({"message": message, "error": "Not Found", "statusCode": 404}))
            }
            Err(error) if *request.method() == Method::HEAD => {
                Response::builder().status(error.into_response().status()).finish()
            }
            Err(error) => error.into_response(),
        }
    })
    .await
}

impl Project {
    async fn store_request(
        &self,
        request: &Request,
        path: &[&str],
        query: &LinkQuery,
        body: Body,
    ) -> Result<Answer, StorageError> {
        let (method, headers) = (request.method(), request.headers());
        let open = matches!(path, ["object", "sign" | "public", ..]) && matches!(*method, Method::GET | Method::HEAD)
            || matches!(path, ["object", "upload", "sign", ..]) && *method == Method::PUT;
        let caller = if open { Ok(Caller::Anon) } else { Caller::of(self, request) };
        let caller = match caller {
            Ok(caller) => caller,
            Err(NoCaller::Gateway(refusal)) => return Ok(Answer::Response(refusal.into_response())),
            Err(NoCaller::Storage(error)) => return Err(error),
        };
        let body = Received::read(headers, body, self.upload_limits(path)).await?;
        let asked = Asked { method, headers, caller: &caller, body: &body, now: self.clock.date() };
        let store = &mut *lock(&self.files.0);
        match path {
            ["bucket", rest @ ..] => buckets::serve(store, &asked, rest),
            ["object", rest @ ..] => self.object_request(store, &asked, rest, query),
            _ => Ok(Answer::NoRoute),
        }
    }

    /// The limits of the bucket that a path names, if it is of an upload, and the project's.
    fn upload_limits(&self, path: &[&str]) -> UploadLimits {
        let project_bytes_max = self.options.upload_bytes_max;
        let bucket = match path {
            ["object", "upload", "sign", bucket, ..] | ["object", bucket, ..] => Some(bucket),
            _ => None,
        };
        let store = lock(&self.files.0);
        let limit = bucket.and_then(|bucket| store.buckets.get(*bucket)?.file_size_limit);
        let limit = limit.map_or(project_bytes_max, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        UploadLimits { file_bytes_max: limit.min(project_bytes_max), project_bytes_max }
    }

    fn object_request(
        &self,
        store: &mut Store,
        asked: &Asked<'_>,
        path: &[&str],
        query: &LinkQuery,
    ) -> Result<Answer, StorageError> {
        let key = |parts: &[&str]| parts.join("/");
        match (asked.method, path) {
            (&Method::POST, ["list", bucket]) => listing::list(store, asked, bucket),
            (&Method::POST, ["list-v2", bucket]) => listing::list_v2(store, asked, bucket),
            (&Method::POST, ["sign", bucket]) => links::sign_many(self, store, asked, bucket),
            (&Method::POST, ["sign", bucket, rest @ ..]) => links::sign_one(self, store, asked, bucket, &key(rest)),
            (&Method::GET, ["sign", bucket, rest @ ..]) => {
                links::read(self, store, asked.headers, query, (bucket, &key(rest))).map(Answer::Response)
            }
            (&Method::POST, ["upload", "sign", bucket, rest @ ..]) => {
                links::sign_upload(self, store, asked, bucket, &key(rest))
            }
            (&Method::PUT, ["upload", "sign", bucket, rest @ ..]) => {
                links::upload(self, store, asked, query, (bucket, &key(rest)))
            }
            (&Method::POST, ["move"]) => objects::transfer(store, asked, false),
            (&Method::POST, ["copy"]) => objects::transfer(store, asked, true),
            (&Method::GET, ["info", bucket, rest @ ..]) => {
                Ok(Answer::json(&objects::visible(store, asked.caller, bucket, &key(rest))?.info()))
            }
            (&Method::GET, ["public", bucket, rest @ ..]) => {
                // A private bucket is none here.
                store.bucket(bucket).ok().filter(|bucket| bucket.public).ok_or_else(StorageError::no_such_bucket)?;
                download(store, asked, bucket, &key(rest))
            }
            (&Method::GET | &Method::HEAD, ["authenticated", bucket, rest @ ..]) => {
                download(store, asked, bucket, &key(rest))
            }
            (&Method::DELETE, [bucket]) => objects::delete_many(store, asked, bucket),
            (_, [_] | []) => Ok(Answer::NoRoute),
            (&Method::GET | &Method::HEAD, [bucket, rest @ ..]) => download(store, asked, bucket, &key(rest)),
            (&Method::POST, [bucket, rest @ ..]) => {
                objects::upload(store, asked, bucket, &key(rest), objects::is_upsert(asked.headers))
            }
            (&Method::PUT, [bucket, rest @ ..]) => objects::upload(store, asked, bucket, &key(rest), true),
            (&Method::DELETE, [bucket, rest @ ..]) => objects::delete_one(store, asked, bucket, &key(rest)),
            _ => Ok(Answer::NoRoute),
        }
    }
}

fn download(store: &Store, asked: &Asked<'_>, bucket: &str, key: &str) -> Result<Answer, StorageError> {
    let object = objects::visible(store, asked.caller, bucket, key)?;
    objects::send(store, object, asked.headers, *asked.method == Method::HEAD).map(Answer::Response)
}
