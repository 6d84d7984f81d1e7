//! What came with a request: the bytes, and what is said of them, in headers or, as browsers send files, in a form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use multer::{Constraints, Field, Multipart, SizeLimit};
use poem::Body;
use poem::http::{HeaderMap, header};
use serde_json::{Value, json};

use super::error::StorageError;

/// Parts of a form that are looked at.
const FORM_PARTS_MAX: usize = 16;
/// A part that is no file, such as the metadata.
const FORM_FIELD_BYTES_MAX: usize = 1024 * 1024;
/// What a form may be larger than the project's limit for a file.
const FORM_OVERHEAD_BYTES_MAX: usize = 2 * FORM_FIELD_BYTES_MAX;

const DEFAULT_TYPE: &str = "application/octet-stream";
const DEFAULT_CACHE_CONTROL: &str = "no-cache";

/// A body, read.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) content_type: String,
    pub(super) cache_control: String,
    /// What the uploader wants to be kept with the object.
    pub(super) metadata: Value,
}

/// The limits of one upload.
#[derive(Clone, Copy)]
pub(super) struct UploadLimits {
    /// More is not kept in memory; the rest of a larger file is read only so that its sender hears the answer.
    pub(super) file_bytes_max: usize,
    /// More is not read.
    pub(super) project_bytes_max: usize,
}

impl Received {
    pub(super) async fn read(headers: &HeaderMap, body: Body, limits: UploadLimits) -> Result<Self, StorageError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = text(header::CONTENT_TYPE.as_str()).unwrap_or(DEFAULT_TYPE);
        if content_type.starts_with("multipart/form-data") {
            return read_form(content_type, body, limits).await;
        }
        let too_large = |_| StorageError::too_large();
        let metadata = text("x-metadata").and_then(|encoded| STANDARD.decode(encoded).ok());
        Ok(Self {
            bytes: body.into_bytes_limit(limits.project_bytes_max).await.map_err(too_large)?,
            content_type: content_type.to_owned(),
            cache_control: text(header::CACHE_CONTROL.as_str()).unwrap_or(DEFAULT_CACHE_CONTROL).to_owned(),
            metadata: parse_metadata(metadata.as_deref()),
        })
    }
}

/// Metadata that is no JSON object counts as none.
fn parse_metadata(text: Option<&[u8]>) -> Value {
    let parsed = text.and_then(|text| serde_json::from_slice(text).ok());
    parsed.filter(Value::is_object).unwrap_or_else(|| json!({}))
}

/// The first file of a form, whatever its field's name, and the fields before it: those after it come too late for storage.
async fn read_form(content_type: &str, body: Body, limits: UploadLimits) -> Result<Received, StorageError> {
    let boundary = multer::parse_boundary(content_type).map_err(|_| StorageError::no_content())?;
    let whole = limits.project_bytes_max.saturating_add(FORM_OVERHEAD_BYTES_MAX);
    let size_limit = SizeLimit::new().whole_stream(u64::try_from(whole).unwrap_or(u64::MAX));
    let constraints = Constraints::new().size_limit(size_limit);
    let mut form = Multipart::with_constraints(body.into_bytes_stream(), boundary, constraints);

    let (mut cache_control, mut stated_type, mut metadata) = (DEFAULT_CACHE_CONTROL.to_owned(), None, None);
    let mut file = None;
    for _ in 0..FORM_PARTS_MAX {
        let Some(part) = form.next_field().await.map_err(form_error)? else { break };
        let part_type = part.content_type().map(ToString::to_string);
        let is_file = part.file_name().is_some() || part_type.as_deref() == Some(DEFAULT_TYPE);
        let name = part.name().unwrap_or_default().to_owned();
        let limit = if is_file { limits.file_bytes_max } else { FORM_FIELD_BYTES_MAX };
        let bytes = read_part(part, limit).await?;
        match name.as_str() {
            _ if file.is_some() => {}
            _ if is_file => file = Some((bytes, part_type)),
            "cacheControl" => cache_control = format!("max-age={}", String::from_utf8_lossy(&bytes)),
            "contentType" => stated_type = Some(String::from_utf8_lossy(&bytes).into_owned()),
            "metadata" | "userMetadata" => metadata = Some(bytes),
            _ => {}
        }
    }
    let (bytes, part_type) = file.ok_or_else(StorageError::no_content)?;
    Ok(Received {
        bytes,
        content_type: stated_type.or(part_type).unwrap_or_else(|| DEFAULT_TYPE.to_owned()),
        cache_control,
        metadata: parse_metadata(metadata.as_deref()),
    })
}

/// Reads a part to its end and keeps it, if it is within the limit.
async fn read_part(mut part: Field<'_>, bytes_max: usize) -> Result<Bytes, StorageError> {
    let mut kept = BytesMut::new();
    let mut is_too_large = false;
    while let Some(chunk) = part.chunk().await.map_err(form_error)? {
        is_too_large |= kept.len() + chunk.len() > bytes_max;
        if is_too_large {
            kept = BytesMut::new();
        } else {
            kept.extend_from_slice(&chunk);
        }
    }
    if is_too_large { Err(StorageError::too_large()) } else { Ok(kept.freeze()) }
}

fn form_error(error: multer::Error) -> StorageError {
    match error {
        multer::Error::StreamSizeExceeded { .. } => StorageError::too_large(),
        _ => StorageError::no_content(),
    }
}
