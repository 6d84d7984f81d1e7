//! What a file is, by its bytes alone, and how large its picture would be: read before anything is decoded.

use std::io::Cursor;

use image::{ImageDecoder, ImageFormat, ImageReader, Limits};

use super::PictureError;
use super::container::{bmff, jpeg, png};
use crate::workflow::OutputFormat;

/// Largest file that is taken in or stored: what the hosted store takes on its smallest plan.
pub const BYTES_MAX: usize = 50_000_000;

/// Largest picture, 64 megapixels counted in powers of two so that 8192 x 8192 passes.
pub const PIXELS_MAX: u64 = 64 * 1024 * 1024;

/// Most memory of one decoded picture: [`PIXELS_MAX`] of four bytes. Pictures of 16 bits a channel reach half as far.
pub(super) const DECODED_BYTES_MAX: u64 = PIXELS_MAX * 4;

/// Most memory for all that a PNG holds beside its pixels: texts, and its colour profile, which inflates to a thousand
/// times its bytes. A larger profile is none; more of the rest is refused.
pub(super) const PNG_EXTRAS_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What the first bytes of a file say. The rest may still be damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    pub format: OutputFormat,
    pub width: u32,
    pub height: u32,
}

/// Recognises a file by its bytes and bounds its size and pixels. Names and declared types are not asked.
///
/// # Errors
/// [`PictureError`] for anything but a PNG, JPEG, WebP, GIF, AVIF or MP4 file within the limits; SVG and HTML are none.
pub fn inspect(file: &[u8]) -> Result<Inspected, PictureError> {
    if file.is_empty() {
        return Err(PictureError::Empty);
    }
    if file.len() > BYTES_MAX {
        return Err(PictureError::TooLarge { size_bytes: file.len() });
    }
    let format = recognise(file).ok_or(PictureError::UnknownType)?;
    let (width, height) = match format {
        OutputFormat::Avif => bmff::avif_size(file)?,
        OutputFormat::Mp4 => bmff::mp4_size(file)?,
        OutputFormat::Png => png::size(file)?,
        OutputFormat::Jpg => {
            if let Some(reason) = jpeg::unsupported(file) {
                return Err(PictureError::UnsupportedJpeg { reason });
            }
            let header = jpeg::header(file)?;
            (header.width, header.height)
        }
        OutputFormat::Webp => decoder(file, ImageFormat::WebP)?.dimensions(),
        OutputFormat::Gif => decoder(file, ImageFormat::Gif)?.dimensions(),
    };
    if width == 0 || height == 0 {
        return Err(PictureError::Broken { reason: "no pixels".to_owned() });
    }
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(PictureError::TooManyPixels { width, height });
    }
    Ok(Inspected { format, width, height })
}

/// A decoder that has read the headers and no pixel.
pub(super) fn decoder(file: &[u8], format: ImageFormat) -> Result<impl ImageDecoder, PictureError> {
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(if format == ImageFormat::Png { PNG_EXTRAS_BYTES_MAX } else { DECODED_BYTES_MAX });
    reader.limits(limits);
    reader.into_decoder().map_err(PictureError::broken)
}

/// The format by the first bytes, whatever follows them.
pub(super) fn recognise(file: &[u8]) -> Option<OutputFormat> {
    match file {
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some(OutputFormat::Png),
        [0xFF, 0xD8, 0xFF, ..] => Some(OutputFormat::Jpg),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(OutputFormat::Webp),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(OutputFormat::Gif),
        _ => bmff::recognise(file),
    }
}
