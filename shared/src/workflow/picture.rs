//! The pictures of a request: what a customer may give for one, and where the stored ones are. Pure.

use std::fmt::{self, Write as _};

use bytes::Bytes;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use super::{Kind, OutputFormat, Workflow, WorkflowType};
use crate::base64_text;
use crate::ids::UserId;
use crate::images::{self, INPUT_BYTES_MAX, InputError, PIXELS_MAX};

/// What a picture may be given as, in words.
pub const PICTURE_WANTED: &str = "a storage path of your own, an https address or base64";

/// The folder of a user's own uploads.
const UPLOADS: &str = "uploads";
/// The folder of pictures that came as base64.
const INPUTS: &str = "inputs";

/// One picture of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestPicture {
    /// Where it stands in the body, as a JSON pointer in the customer's spelling.
    pub pointer: String,
    /// Where it stands below `input_data`, in `snake_case`: `mask`, `input_images/2`.
    pub name: String,
    /// What was given.
    pub source: PictureSource,
}

/// What a customer gave as a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum PictureSource {
    /// A storage path; not yet known to be the caller's, nor to exist.
    Path(String),
    /// An address that may be asked, as far as can be told from itself.
    Url(Url),
    /// The file itself.
    Inline(InlinePicture),
}

/// A picture that came inside the request. Its first bytes name its format; the rest is not yet decoded.
#[derive(Clone, PartialEq)]
pub struct InlinePicture {
    /// The file.
    pub bytes: Bytes,
    /// What its first bytes say; only some formats are taken.
    pub format: OutputFormat,
    /// In pixels, as its headers say; 0 where the format is not taken.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Names it: the same file is stored once.
    sha256: [u8; 32],
}

/// Without the file: what is said of a request shall not hold what a customer sent.
impl fmt::Debug for InlinePicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} x {} in {} bytes", self.format, self.width, self.height, self.bytes.len())
    }
}

impl InlinePicture {
    /// Whether a workflow can start from this format.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self.format, OutputFormat::Png | OutputFormat::Jpg | OutputFormat::Webp)
    }

    /// Where it is kept: `{user_id}/inputs/{sha256}.{ext}`.
    #[must_use]
    pub fn path(&self, user_id: UserId) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.sha256 {
            write!(hex, "{byte:02x}").expect("writing into memory");
        }
        format!("{user_id}/{INPUTS}/{hex}.{}", self.format.ext())
    }
}

/// A storage path as seen by its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathOwner {
    /// In the caller's folder of uploads.
    Upload,
    /// Has the form of an output of this generation; whether there is one, the database knows.
    Output(Uuid),
    /// Neither: it is not for the caller to use.
    Foreign,
}

/// Where `path` leads, for this caller.
#[must_use]
pub fn path_owner(path: &str, user_id: UserId) -> PathOwner {
    let Some((owner, rest)) = path.split_once('/') else { return PathOwner::Foreign };
    if owner != user_id.to_string() {
        return PathOwner::Foreign;
    }
    match rest.split_once('/') {
        Some((UPLOADS, _)) => PathOwner::Upload,
        Some((folder, file)) if !file.contains('/') => {
            Uuid::try_parse(folder).map_or(PathOwner::Foreign, PathOwner::Output)
        }
        _ => PathOwner::Foreign,
    }
}

/// Reads what was given as a picture, or says what is wrong with it.
pub(super) fn read(value: &Value) -> Result<PictureSource, String> {
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
    let Some(text) = text else { return Err(format!("must be {PICTURE_WANTED}")) };
    if let Some(labelled) = text.strip_prefix("data:") {
        return inline(labelled_data(labelled)?);
    }
    if text.contains("://") {
        return images::check_input_url(text).map(PictureSource::Url).map_err(str::to_owned);
    }
    // A UUID is no base64: its dashes are of the other alphabet, but its first group of eight alone could be.
    let in_a_folder = text.split_once('/').is_some_and(|(folder, _)| Uuid::try_parse(folder).is_ok());
    if in_a_folder && images::is_valid_path(text) {
        return Ok(PictureSource::Path(text.to_owned()));
    }
    inline(Labelled { text, format: None })
}

/// Base64, and what it was said to be.
struct Labelled<'a> {
    text: &'a str,
    format: Option<&'a str>,
}

/// `image/png;base64,…`, perhaps with a file's name or the like between the two.
fn labelled_data(text: &str) -> Result<Labelled<'_>, String> {
    let (label, text) = text.split_once(',').unwrap_or_default();
    match (label.split_once(';'), label.rsplit_once(';')) {
        (Some((format, _)), Some((_, encoding))) if encoding.trim().eq_ignore_ascii_case("base64") => {
            Ok(Labelled { text, format: Some(format.trim()).filter(|format| !format.is_empty()) })
        }
        _ => Err("must be a data address of base64, such as data:image/png;base64,…".to_owned()),
    }
}

fn inline(given: Labelled<'_>) -> Result<PictureSource, String> {
    let bytes = base64_text::decode(given.text, INPUT_BYTES_MAX).map_err(|error| match error {
        base64_text::DecodeError::TooLarge => format!("is over {INPUT_BYTES_MAX} bytes"),
        base64_text::DecodeError::Malformed => format!("must be {PICTURE_WANTED}"),
    })?;
    let (format, width, height) = match images::inspect_input(&bytes) {
        Ok(seen) => (seen.format, seen.width, seen.height),
        // Told apart from a faulty picture: whoever sent it can convert it.
        Err(InputError::Unsupported { found }) => (found, 0, 0),
        Err(error) => return Err(error.to_string()),
    };
    if let Some(label) = given.format.filter(|label| !is_label(label, format)) {
        let label: String = label.chars().take(LABEL_ECHO_CHARS_MAX).collect();
        return Err(format!("is said to be {label:?} but is {format}"));
    }
    let sha256 = Sha256::digest(&bytes).into();
    Ok(PictureSource::Inline(InlinePicture { bytes: bytes.into(), format, width, height, sha256 }))
}

/// Whether `label` is a media type by which files of this format go.
fn is_label(label: &str, format: OutputFormat) -> bool {
    label.eq_ignore_ascii_case(format.content_type())
        || (format == OutputFormat::Jpg && label.eq_ignore_ascii_case("image/jpg"))
}

/// The longest part of a wrong media type that is repeated to the caller, in characters.
const LABEL_ECHO_CHARS_MAX: usize = 40;

/// One picture of a stored request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPicture {
    /// Where it stands below `input_data`: `mask`, `input_images/2`.
    pub name: String,
    /// A storage path or an `https` address.
    pub place: String,
}

/// The pictures of stored parameters, in the catalogue's order.
#[must_use]
pub fn stored_pictures(workflow: &Workflow, parameters: &Map<String, Value>) -> Vec<StoredPicture> {
    let stored =
        |name: String, value: &Value| value.as_str().map(|place| StoredPicture { name, place: place.to_owned() });
    let mut found = Vec::new();
    for parameter in workflow.parameters {
        match (parameter.kind, parameters.get(parameter.name)) {
            (Kind::Picture, Some(value)) => found.extend(stored(parameter.name.to_owned(), value)),
            (Kind::Pictures { .. }, Some(Value::Array(values))) => {
                let named =
                    values.iter().enumerate().map(|(index, value)| (format!("{}/{index}", parameter.name), value));
                found.extend(named.filter_map(|(name, value)| stored(name, value)));
            }
            _ => {}
        }
    }
    found
}

/// Whether an output made from a picture of this size would have more pixels than are delivered.
#[must_use]
pub fn outgrows(workflow: WorkflowType, parameters: &Map<String, Value>, width: u32, height: u32) -> bool {
    let level = match workflow {
        WorkflowType::Upscale => parameters.get("upscale_level").and_then(Value::as_u64).unwrap_or(1),
        _ => 1,
    };
    u64::from(width) * u64::from(height) > PIXELS_MAX / (level * level).max(1)
}
