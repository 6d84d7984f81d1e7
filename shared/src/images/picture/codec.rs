//! Pixels in and out. All of it is work for a blocking thread.

use std::io::Cursor;

use image::codecs::avif::AvifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, RgbImage};

use super::PictureError;
use super::inspect::{DECODED_BYTES_MAX, decoder};
use crate::workflow::OutputFormat;

const JPEG_QUALITY: u8 = 85;
const WEBP_QUALITY: f32 = 80.0;
const AVIF_QUALITY: u8 = 80;
/// The fastest: the slower ones take several times as long for a few per cent of size.
const AVIF_SPEED: u8 = 10;

/// A picture that decoded to its end.
pub(super) struct Decoded {
    pub(super) image: DynamicImage,
    /// The file says "turn me", and `image` has been turned: the file's own pixels lie otherwise.
    pub(super) turned: bool,
    /// What the numbers of the pixels mean, if the file says so (ICC).
    pub(super) profile: Option<Vec<u8>>,
}

/// Decodes every pixel, refusing what would not fit in memory before it is tried.
pub(super) fn decode(file: &[u8], format: OutputFormat) -> Result<Decoded, PictureError> {
    let source = match format {
        OutputFormat::Png => ImageFormat::Png,
        OutputFormat::Jpg => ImageFormat::Jpeg,
        OutputFormat::Webp => ImageFormat::WebP,
        OutputFormat::Gif => ImageFormat::Gif,
        OutputFormat::Avif | OutputFormat::Mp4 => return Err(PictureError::UnknownType),
    };
    let mut decoder = decoder(file, source)?;
    if decoder.total_bytes() > DECODED_BYTES_MAX {
        let (width, height) = decoder.dimensions();
        return Err(PictureError::TooManyPixels { width, height });
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // A profile that cannot be read is none: the pixels are still there.
    let profile = decoder.icc_profile().unwrap_or_default();
    let mut image = DynamicImage::from_decoder(decoder).map_err(PictureError::broken)?;
    image.apply_orientation(orientation);
    Ok(Decoded { image, turned: orientation != Orientation::NoTransforms, profile })
}

/// Encodes a still picture. JPEG knows no transparency: what shows through is white.
pub(super) fn encode(image: DynamicImage, wanted: OutputFormat) -> Result<Vec<u8>, PictureError> {
    let failed = |error: image::ImageError| PictureError::Unencodable { wanted, reason: error.to_string() };
    let mut file = Vec::new();
    match wanted {
        OutputFormat::Png => image.write_to(&mut Cursor::new(&mut file), ImageFormat::Png).map_err(failed)?,
        OutputFormat::Jpg => {
            JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY).encode_image(&on_white(image)).map_err(failed)?;
        }
        OutputFormat::Webp => return encode_webp(&image, WEBP_QUALITY),
        OutputFormat::Avif => {
            // An alpha channel without transparency is left out by the encoder itself. Its other entry, for RGB, is
            // compiled into this crate, which without optimisation takes ten times as long.
            let image = image.into_rgba8();
            // One thread: what is bounded is the number of pictures in work.
            AvifEncoder::new_with_speed_quality(&mut file, AVIF_SPEED, AVIF_QUALITY)
                .with_num_threads(Some(1))
                .write_image(image.as_raw(), image.width(), image.height(), ExtendedColorType::Rgba8)
                .map_err(failed)?;
        }
        OutputFormat::Mp4 | OutputFormat::Gif => {
            return Err(PictureError::Unencodable { wanted, reason: "a clip is not made of a picture".to_owned() });
        }
    }
    Ok(file)
}

pub(super) fn encode_webp(image: &DynamicImage, quality: f32) -> Result<Vec<u8>, PictureError> {
    let (width, height) = (image.width(), image.height());
    let encoded = if image.color().has_alpha() {
        webp::Encoder::from_rgba(image.to_rgba8().as_raw(), width, height).encode_simple(false, quality)
    } else {
        webp::Encoder::from_rgb(image.to_rgb8().as_raw(), width, height).encode_simple(false, quality)
    };
    // Above all: a side longer than 16383 pixels, which the format cannot express.
    encoded
        .map(|memory| memory.to_vec())
        .map_err(|error| PictureError::Unencodable { wanted: OutputFormat::Webp, reason: format!("{error:?}") })
}

fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let source = image.into_rgba8();
    let mut flat = RgbImage::new(source.width(), source.height());
    for (to, from) in flat.pixels_mut().zip(source.pixels()) {
        let [red, green, blue, alpha] = from.0;
        to.0 = [red, green, blue].map(|channel| over_white(channel, alpha));
    }
    flat
}

fn over_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u16::from(channel), u16::from(alpha));
    let mixed = (channel * alpha + 255 * (255 - alpha) + 127) / 255;
    u8::try_from(mixed).expect("a mean of two bytes is a byte")
}
