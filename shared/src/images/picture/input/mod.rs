//! Pictures that customers send: which are taken, and what they look like to a provider.
//!
//! A customer's file is judged by its bytes, like an output: a name or a declared type says nothing. What is kept of it
//! is the picture alone, upright: no EXIF (where she stood), no text, and nothing behind the picture's end, where an
//! archive or a page could hide.

mod encode;
mod fit;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use image::DynamicImage;
use thiserror::Error;

use super::cost::Needs;
use super::inspect::recognise;
use super::{GAVE_UP, Inspected, PIXELS_MAX, PictureError, budget, codec, container, inspect};
use crate::workflow::OutputFormat;

/// Largest file that is taken from a customer: a photo of 64 megapixels as JPEG has about as much.
pub const INPUT_BYTES_MAX: usize = 30_000_000;

/// A customer's picture, decoded to its end: PNG, JPEG or WebP; upright, without metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputPicture {
    pub bytes: Bytes,
    pub format: OutputFormat,
    pub width: u32,
    pub height: u32,
}

/// Why a customer's file is not taken. The same bytes fail again; the text may be shown to her.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InputError {
    /// Known, but nothing that a workflow can start from: a GIF, an AVIF, an MP4.
    #[error("{found} files are not taken, only PNG, JPEG and WebP")]
    Unsupported { found: OutputFormat },
    /// Empty, or of another type, whatever its name says.
    #[error("the file is not a PNG, JPEG or WebP picture")]
    Unknown,
    /// Several frames where one picture is wanted.
    #[error("the file is an animation, not one picture")]
    Animated,
    /// In bytes, in pixels, or beside the other pictures of its request.
    #[error("the picture is too large: {reason}")]
    TooLarge { reason: String },
    /// Cut off, or contradicting itself.
    #[error("the file is damaged: {reason}")]
    Damaged { reason: String },
}

impl From<PictureError> for InputError {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::Empty | PictureError::UnknownType => Self::Unknown,
            PictureError::TooLarge { size_bytes } => Self::bytes(size_bytes),
            PictureError::TooManyPixels { width, height } => {
                Self::TooLarge { reason: format!("it has {width} x {height} pixels, at most {PIXELS_MAX} are taken") }
            }
            PictureError::TooMuchMemory { .. } => Self::TooLarge { reason: error.to_string() },
            PictureError::Broken { reason } | PictureError::Unencodable { reason, .. } => Self::Damaged { reason },
            PictureError::Animated => Self::Animated,
            PictureError::NotConvertible { found, .. } => Self::Unsupported { found },
        }
    }
}

impl InputError {
    fn bytes(size_bytes: usize) -> Self {
        Self::TooLarge { reason: format!("it has {size_bytes} bytes, at most {INPUT_BYTES_MAX} are taken") }
    }

    fn gave_up() -> Self {
        Self::Damaged { reason: GAVE_UP.to_owned() }
    }
}

/// What the first bytes of a customer's file say. Cheap: no pixel is read, and the rest may still be damaged.
///
/// # Errors
/// [`InputError`] for anything but a PNG, JPEG or WebP file within the limits of bytes and pixels.
pub fn inspect_input(file: &[u8]) -> Result<Inspected, InputError> {
    if file.len() > INPUT_BYTES_MAX {
        return Err(InputError::bytes(file.len()));
    }
    match recognise(file) {
        Some(OutputFormat::Png | OutputFormat::Jpg | OutputFormat::Webp) => Ok(inspect(file)?),
        // Said before its headers are believed: a damaged one would not be taken whole either.
        Some(found @ (OutputFormat::Gif | OutputFormat::Avif | OutputFormat::Mp4)) => {
            Err(InputError::Unsupported { found })
        }
        None => Err(InputError::Unknown),
    }
}

/// Decodes a customer's picture to its end and keeps the picture alone.
///
/// A picture of 8-bit RGB or RGBA that lies upright keeps its pixels bit by bit. One that its EXIF turns, and one of grey,
/// a palette, inks or 16 bits, is encoded anew as 8-bit RGB or RGBA. Checked again, the
/// result stays as it is. Waits for its turn like [`prepare`](super::prepare), then works on a blocking thread.
///
/// # Errors
/// [`InputError`]; a decoder that panics on a file has found it damaged.
pub async fn check_input(bytes: Bytes) -> Result<InputPicture, InputError> {
    // What needs no decoding is refused without waiting for a turn.
    let cost = cost(&bytes)?;
    budget::within(cost, move || check_now(&bytes)).await.unwrap_or_else(|| Err(InputError::gave_up()))
}

/// What checking it takes in memory, unless that is more than there is.
fn cost(file: &[u8]) -> Result<u64, InputError> {
    let needs = needs(file)?;
    let cost = needs.checking();
    if cost > budget::bytes_max() { Err(needs.refusal(cost).into()) } else { Ok(cost) }
}

fn needs(file: &[u8]) -> Result<Needs, InputError> {
    Ok(Needs::of(file, &inspect_input(file)?).map_err(PictureError::from)?)
}

pub(super) fn check_now(file: &Bytes) -> Result<InputPicture, InputError> {
    let format = inspect_input(file)?.format;
    let survey = container::survey(format, file).map_err(PictureError::from)?;
    if survey.animated {
        return Err(InputError::Animated);
    }
    let decoded = codec::decode(file, format)?;
    let (width, height) = (decoded.image.width(), decoded.image.height());
    let bytes = if decoded.turned || !survey.rgb {
        let image = eight_bits(decoded.image);
        Bytes::from(encode::encode(&image, format, decoded.profile.as_deref())?)
    } else {
        survey.stripped.map_or_else(|| file.clone(), Bytes::from)
    };
    if bytes.len() > INPUT_BYTES_MAX {
        return Err(InputError::bytes(bytes.len()));
    }
    Ok(InputPicture { bytes, format, width, height })
}

/// The picture as RGB, or RGBA if it has alpha, of 8 bits a channel. Loaders of providers clip 16-bit grey to white, and
/// each reads palettes and inks in its own way.
fn eight_bits(image: DynamicImage) -> DynamicImage {
    if image.color().has_alpha() { image.into_rgba8().into() } else { image.into_rgb8().into() }
}

/// Makes pictures small enough to be sent together: at most `bytes_max` bytes.
///
/// Unchanged where they already fit. Otherwise the largest are encoded anew, and scaled down only as far as that is not
/// enough: as JPEG, or as WebP where something shows through. The order stays. Waits for a turn, works on a blocking
/// thread.
///
/// # Errors
/// [`InputError::TooLarge`] where they would have to become unrecognisable.
pub async fn fit_inputs(pictures: Vec<InputPicture>, bytes_max: usize) -> Result<Vec<InputPicture>, InputError> {
    if fit::fits(&pictures, bytes_max) {
        return Ok(pictures);
    }
    // One at a time: the largest decides.
    let costs = pictures.iter().map(|picture| Ok(needs(&picture.bytes)?.fitting()?));
    let cost = costs.collect::<Result<Vec<u64>, InputError>>()?.into_iter().max().unwrap_or_default();
    budget::within(cost, move || fit::fit_now(pictures, bytes_max)).await.unwrap_or_else(|| Err(InputError::gave_up()))
}
