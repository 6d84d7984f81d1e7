//! What working on a picture takes in memory, by its headers alone: known before anything is decoded.
//!
//! The figures are what the decoders and encoders in use really allocate at their peak: `tests/it/images/memory` measures
//! every kind in a process of its own.

use image::metadata::Orientation;

use super::container::Broken;
use super::container::{jpeg, png, webp};
use super::inspect::{BYTES_MAX, PNG_EXTRAS_BYTES_MAX};
use super::{Inspected, PictureError, budget};
use crate::workflow::OutputFormat;

/// Whatever the picture: tables, rows, stacks.
const FIXED: u64 = 2_000_000;
/// Bytes a pixel that rav1e and its wrapper hold beside the RGBA picture. An alpha channel is a second picture.
const AVIF_PER_PIXEL: u64 = 60;
const AVIF_ALPHA_PER_PIXEL: u64 = 110;
/// libwebp's ARGB copy and its YUV planes, in tenths of a byte a pixel; and what compressing an alpha plane takes.
const WEBP_PER_TEN_PIXELS: u64 = 40 + 15;
const WEBP_ALPHA_PER_PIXEL: u64 = 36;
/// Scaling holds four floats for each pixel of one direction, beside the picture and its copy.
const FIT_PER_PIXEL: u64 = 26;
/// The same with an alpha channel, which only WebP can keep.
const FIT_ALPHA_PER_PIXEL: u64 = 8 + 6 + WEBP_ALPHA_PER_PIXEL;

/// What a file's headers tell about the memory that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    format: OutputFormat,
    width: u32,
    height: u32,
    /// Of a decoded pixel.
    channels: u64,
    bytes_per_channel: u64,
    /// The file itself stores RGB or RGBA of eight bits.
    stores_rgb: bool,
    /// Bytes that the decoder holds beside the decoded pixels, at most.
    working: u64,
    /// The pixels must be moved: the file says "turn me".
    turned: bool,
    /// A turn by a quarter needs a second copy.
    copied: bool,
    file_bytes: u64,
}

impl Needs {
    /// Reads the headers of a still picture that `inspect` has seen.
    pub(super) fn of(file: &[u8], found: &Inspected) -> Result<Self, Broken> {
        let file_bytes = file.len() as u64;
        let pixels = u64::from(found.width) * u64::from(found.height);
        let (channels, bytes_per_channel, stores_rgb, working, exif) = match found.format {
            OutputFormat::Png => {
                let header = png::header(file)?;
                let extras = (header.packed_bytes * 2_100).min(PNG_EXTRAS_BYTES_MAX * 2);
                (header.channels, header.bytes_per_channel, header.stores_rgb, extras, header.exif)
            }
            OutputFormat::Jpg => {
                let header = jpeg::header(file)?;
                let coefficients = if header.buffered { header.samples * 2 } else { 0 };
                let channels = if header.components == 1 { 1 } else { 3 };
                // The decoder copies the file.
                (channels, 1, header.components == 3, coefficients + file_bytes, header.exif)
            }
            OutputFormat::Webp => {
                let header = webp::header(file)?;
                let working = match (header.lossless, header.alpha) {
                    // Its own pictures of predictors, colours and numbers of codes.
                    (true, true) => pixels,
                    // The same, and decoded with an alpha channel that is then left out.
                    (true, false) => pixels * 5,
                    (false, false) => pixels * 3 / 2 + file_bytes * 2,
                    // Planes, and an alpha channel that is decoded as a picture of its own.
                    (false, true) => pixels * 3 / 2 + pixels * 6 + file_bytes * 2,
                };
                (if header.alpha { 4 } else { 3 }, 1, true, working + header.codes_bytes, header.exif)
            }
            // A frame of another place is decoded by itself.
            OutputFormat::Gif => (4, 1, true, pixels * 4, None),
            OutputFormat::Avif | OutputFormat::Mp4 => return Err(Broken("not decoded here")),
        };
        let orientation = exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
        let copied = matches!(
            orientation,
            Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
        );
        let (format, width, height) = (found.format, found.width, found.height);
        let turned = orientation != Orientation::NoTransforms;
        Ok(Self { format, width, height, channels, bytes_per_channel, stores_rgb, working, turned, copied, file_bytes })
    }

    pub(super) const fn turned(&self) -> bool {
        self.turned
    }

    const fn pixels(&self) -> u64 {
        self.width as u64 * self.height as u64
    }

    const fn decoded(&self) -> u64 {
        self.pixels() * self.channels * self.bytes_per_channel
    }

    const fn has_alpha(&self) -> bool {
        matches!(self.channels, 2 | 4)
    }

    /// Beside any work: the file, and the file without metadata.
    const fn files(&self) -> u64 {
        FIXED + self.file_bytes * 2
    }

    /// Decoding it and setting it upright.
    pub(super) fn decoding(&self) -> u64 {
        let copy = if self.copied { self.decoded() } else { 0 };
        self.files() + self.decoded() + self.working.max(copy)
    }

    /// Decoding it as a customer's picture, and writing it anew where it is turned or not stored as RGB of eight bits; and
    /// making it smaller where that may take more than `bytes_max` bytes and can be done (see [`Self::fitting`]).
    pub(super) fn checking(&self, bytes_max: usize) -> u64 {
        let decoding = self.decoding();
        if !self.turned && self.stores_rgb {
            return decoding;
        }
        let rgb = self.pixels() * if self.has_alpha() { 4 } else { 3 };
        let encoding = if self.format == OutputFormat::Png { rgb + rgb.min(BYTES_MAX as u64) } else { 0 };
        let normalising = self.files() + rgb + self.decoded().max(encoding);
        let cost = self.converting(self.format).max(normalising);
        if rgb > bytes_max as u64 { cost.max(self.fitting().unwrap_or_default()) } else { cost }
    }

    /// Decoding it and writing it as `wanted`, where nothing of it may show through.
    pub(super) fn converting_opaque(&self, wanted: OutputFormat) -> u64 {
        self.converting_as(wanted, false)
    }

    /// Decoding it and writing it as `wanted`.
    pub(super) fn converting(&self, wanted: OutputFormat) -> u64 {
        self.converting_as(wanted, self.has_alpha())
    }

    fn converting_as(&self, wanted: OutputFormat, alpha: bool) -> u64 {
        let pixels = self.pixels();
        let file_max = (pixels * 2).min(BYTES_MAX as u64);
        let encoding = match wanted {
            OutputFormat::Png => {
                let reordered = if self.bytes_per_channel > 1 { self.decoded() } else { 0 };
                reordered + self.decoded() + self.decoded().min(BYTES_MAX as u64)
            }
            OutputFormat::Webp => {
                let alpha = if alpha { pixels * WEBP_ALPHA_PER_PIXEL } else { 0 };
                self.eight_bits() + pixels * WEBP_PER_TEN_PIXELS / 10 + alpha + file_max * 2
            }
            OutputFormat::Avif => {
                let encoder = if alpha { AVIF_ALPHA_PER_PIXEL } else { AVIF_PER_PIXEL };
                pixels * 4 + pixels * encoder + file_max
            }
            OutputFormat::Jpg | OutputFormat::Gif | OutputFormat::Mp4 => self.eight_bits() + file_max,
        };
        self.decoding().max(self.files() + self.decoded() + encoding)
    }

    /// Decoding it and making it smaller. What of that does not fit is done on fewer pixels (see [`Self::fit_pixels_max`]).
    ///
    /// # Errors
    /// The refusal of one that cannot be brought to fewer pixels.
    pub(super) fn fitting(&self) -> Result<u64, PictureError> {
        let pixels = self.pixels();
        let averaging = pixels * 4 + pixels.min(self.fit_pixels_max()) * 4;
        let least = self.decoding().max(self.files() + averaging.max(self.decoded() + self.eight_bits()));
        if least > budget::bytes_max() {
            return Err(self.refusal(least));
        }
        let scaling = self.files() + pixels * self.fit_per_pixel();
        Ok(least.max(scaling.min(budget::bytes_max())))
    }

    /// Most pixels that are scaled in the finer way, in the memory that there is.
    pub(super) fn fit_pixels_max(&self) -> u64 {
        budget::bytes_max().saturating_sub(self.files()) / self.fit_per_pixel()
    }

    const fn fit_per_pixel(&self) -> u64 {
        if self.has_alpha() { FIT_ALPHA_PER_PIXEL } else { FIT_PER_PIXEL }
    }

    /// A copy with eight bits of red, green and blue, where it has something else.
    const fn eight_bits(&self) -> u64 {
        if self.bytes_per_channel > 1 || self.channels < 3 { self.pixels() * 4 } else { 0 }
    }

    /// Says in words what would fit where `cost` does not.
    pub(super) fn refusal(&self, cost: u64) -> PictureError {
        let megapixels_max = (self.pixels() * budget::bytes_max() / cost.max(1)) / 1_000_000;
        PictureError::TooMuchMemory { kind: self.kind(), width: self.width, height: self.height, megapixels_max }
    }

    /// The kind of picture that it is, as far as its memory goes.
    fn kind(&self) -> String {
        let colours = match self.channels {
            1 => "grey",
            2 => "grey and alpha",
            3 => "RGB",
            _ => "RGBA",
        };
        let bits = self.bytes_per_channel * 8;
        let turned = if self.turned { " that its EXIF turns" } else { "" };
        format!("{} picture of {bits}-bit {colours}{turned}", self.format.as_str().to_ascii_uppercase())
    }
}
