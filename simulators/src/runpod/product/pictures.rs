//! Input pictures: base64, plain or as a data URI, of a PNG, JPEG or WebP. These workers fetch nothing, so a URL is no picture.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, ImageReader};
use serde_json::Value;

use super::Refusal;
use crate::runpod::pillow::{self, Opened};

/// Least width and height of an input. Real endpoints want more; tests want small pictures.
pub const INPUT_SIDE_MIN: u32 = 16;
/// Pixels of an input at most.
pub const INPUT_PIXELS_MAX: u64 = 64_000_000;

const FORMATS: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP];

/// Width and height of the picture, which is decoded to its end.
///
/// # Errors
///
/// It is none, or too small.
pub(super) fn check(value: &Value, at: &str) -> Result<(u32, u32), Refusal> {
    let invalid = |what: &str| Refusal::invalid(at, format!("'{at}' {what}"));
    let Some(text) = value.as_str() else { return Err(invalid("must be a picture as base64")) };
    if text.starts_with("https:") || text.starts_with("http:") {
        return Err(invalid("must be a picture as base64, not a URL"));
    }
    let bytes = STANDARD.decode(payload(text)).map_err(|_| invalid("is not valid base64"))?;
    let reader = reader(&bytes).ok_or_else(|| invalid("is no PNG, JPEG or WebP picture"))?;
    let damaged = |_| invalid("is a damaged picture");
    let size = reader.into_dimensions().map_err(damaged)?;
    if u64::from(size.0) * u64::from(size.1) > INPUT_PIXELS_MAX {
        return Err(invalid(&format!("has more than {INPUT_PIXELS_MAX} pixels")));
    }
    decode(&bytes).ok_or_else(|| invalid("is a damaged picture"))?;
    if size.0.min(size.1) < INPUT_SIDE_MIN {
        return Err(Refusal::too_small(at, size, INPUT_SIDE_MIN));
    }
    Ok(size)
}

/// A picture that was checked before, as Pillow reads it: with 8 bits a channel and with alpha only if it had it; none
/// where there is none.
pub(super) fn find(value: Option<&Value>) -> Option<DynamicImage> {
    let bytes = STANDARD.decode(payload(value?.as_str()?)).ok()?;
    let Opened { picture, alpha } = pillow::open(&bytes, decode(&bytes)?);
    Some(if alpha {
        DynamicImage::ImageRgba8(picture.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(picture.into_rgb8())
    })
}

/// Width and height of a picture that was checked before.
pub(super) fn find_size(value: Option<&Value>) -> Option<(u32, u32)> {
    reader(&STANDARD.decode(payload(value?.as_str()?)).ok()?)?.into_dimensions().ok()
}

fn payload(text: &str) -> &str {
    let in_uri = || text.strip_prefix("data:")?.split_once(";base64,");
    in_uri().map_or(text, |(_, payload)| payload)
}

fn reader(bytes: &[u8]) -> Option<ImageReader<Cursor<&[u8]>>> {
    let format = image::guess_format(bytes).ok().filter(|format| FORMATS.contains(format))?;
    Some(ImageReader::with_format(Cursor::new(bytes), format))
}

fn decode(bytes: &[u8]) -> Option<DynamicImage> {
    reader(bytes)?.decode().ok()
}
