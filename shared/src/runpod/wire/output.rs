//! The `output` of a job, in every form that endpoints were seen to give it.
//!
//! A product endpoint: `{images: [base64 | data URI | URL | {url, …}], metadata}` or `{status: "error", error}`.
//! worker-comfyui since 5: `{images: [{filename, type, data}], errors}`, or `{status: "success_no_images"}`;
//! before: `{status, message}`. Others return the bare string or list.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use url::Url;

use super::super::report::{NamedOutput, OutputRef};
use super::text;

/// The most outputs of one job that are looked at; the rest is ignored. A request asks for at most four.
pub(super) const OUTPUTS_READ_MAX: usize = 16;

/// The longest name of an output's file that is read, in bytes.
pub(super) const FILE_NAME_BYTES_MAX: usize = 256;

/// The longest address of an output, in bytes.
const URL_BYTES_MAX: usize = 8 * 1024;

/// What a job's `output` says.
#[derive(Default)]
pub(super) struct Output<'a> {
    /// The outputs that could be made out, in order.
    pub(super) refs: Vec<NamedOutput>,
    /// Whether it calls itself an error, with or without saying which.
    pub(super) is_error: bool,
    /// What it says of the error.
    pub(super) error: Option<&'a RawValue>,
    /// More of that: worker-comfyui's list of causes.
    pub(super) details: Option<&'a RawValue>,
    /// The seed that was used.
    pub(super) seed: Option<i64>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    images: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    filename: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Seed<'a> {
    #[serde(borrow)]
    seed: Option<&'a RawValue>,
}

impl<'a> Output<'a> {
    /// Makes out what can be made out; what cannot is left out.
    pub(super) fn read(raw: &'a RawValue) -> Self {
        let Ok(fields) = serde_json::from_str::<Fields<'a>>(object(raw)) else {
            return Self { refs: refs(raw), ..Self::default() };
        };
        let status = fields.status.and_then(text);
        let is_error = status.as_deref() == Some("error");
        let mut refs = fields.images.map(refs).unwrap_or_default();
        if refs.is_empty() && !is_error {
            refs = fields.message.map(self::refs).unwrap_or_default();
        }
        // An endpoint of before 5 puts its picture and its complaint under the same name.
        let error = fields.error.or(if is_error { fields.message } else { None });
        Self { refs, is_error, error, details: fields.details, seed: fields.metadata.and_then(seed) }
    }
}

/// The text of an object; of anything else, text that is no JSON, so that reading fields from it fails at once.
fn object(raw: &RawValue) -> &str {
    if raw.get().starts_with('{') { raw.get() } else { "" }
}

/// The outputs in a list, or the one in a string or an object.
fn refs(raw: &RawValue) -> Vec<NamedOutput> {
    if raw.get().starts_with('[') {
        let items = serde_json::from_str::<First<'_>>(raw.get()).map(|first| first.0).unwrap_or_default();
        items.into_iter().filter_map(item).collect()
    } else {
        item(raw).into_iter().collect()
    }
}

fn item(raw: &RawValue) -> Option<NamedOutput> {
    if let Some(text) = text(raw) {
        return output_ref(text).map(|output| NamedOutput { file_name: None, output });
    }
    let item: Item<'_> = serde_json::from_str(object(raw)).ok()?;
    let output = item.url.and_then(text).or_else(|| item.data.and_then(text)).and_then(output_ref)?;
    let file_name = item.filename.and_then(text).filter(|name| name.len() <= FILE_NAME_BYTES_MAX);
    Some(NamedOutput { file_name, output })
}

/// A string as an output: an address, a data URI, or plain base64.
fn output_ref(text: String) -> Option<OutputRef> {
    let head = text.get(..8).unwrap_or(&text).to_ascii_lowercase();
    if head.starts_with("http://") || head.starts_with("https://") {
        let url = Some(text).filter(|text| text.len() <= URL_BYTES_MAX)?;
        return Url::parse(&url).ok().map(OutputRef::Url);
    }
    if head.starts_with("data:") {
        let (kind, data) = text.split_once(',')?;
        return if kind.ends_with(";base64") { base64(data.to_owned()) } else { None };
    }
    base64(text)
}

/// Text that has base64's letters only: a worker that could not upload gives a file name instead.
fn base64(text: String) -> Option<OutputRef> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(&byte);
    (!text.is_empty() && text.bytes().all(is_letter)).then_some(OutputRef::Base64(text))
}

/// The seed in `metadata`: a number, or a number in a string where it might not fit one.
fn seed(metadata: &RawValue) -> Option<i64> {
    let raw = serde_json::from_str::<Seed<'_>>(object(metadata)).ok()?.seed?;
    text(raw).unwrap_or_else(|| raw.get().to_owned()).parse().ok()
}

/// The first items of a list; the others are skipped without being kept.
struct First<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for First<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstVisitor).map(First)
    }
}

struct FirstVisitor;

impl<'de> Visitor<'de> for FirstVisitor {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < OUTPUTS_READ_MAX {
            match list.next_element()? {
                Some(item) => items.push(item),
                None => return Ok(items),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(items)
    }
}
