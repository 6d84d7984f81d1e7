//! Encoding a customer's picture anew, with as little loss as its size allows.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ImageEncoder, ImageError};

use super::super::PictureError;
use super::super::codec::{self, BoundedFile};
use super::InputError;
use crate::workflow::OutputFormat;

/// Above what outputs get: a model works on these pixels, and finds what an eye overlooks.
const JPEG_QUALITY: u8 = 90;
const WEBP_QUALITY: f32 = 90.0;

/// Where a colour profile names the colours that it is about.
const COLOURS: std::ops::Range<usize> = 16..20;

/// `image` as PNG, JPEG or WebP. A profile for RGB goes with it into PNG and JPEG, so that colours stay what they were.
pub(super) fn encode(
    image: &DynamicImage,
    format: OutputFormat,
    profile: Option<&[u8]>,
) -> Result<Vec<u8>, InputError> {
    // A profile for ink or greys does not fit the pixels that decoders make of such files.
    let profile = profile.filter(|profile| profile.get(COLOURS) == Some(b"RGB ")).map(<[u8]>::to_vec);
    let mut file = BoundedFile::default();
    match format {
        OutputFormat::Jpg => {
            let encoder = JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY);
            match image {
                DynamicImage::ImageRgb8(_) => write(image, encoder, profile),
                other => write(&other.to_rgb8().into(), encoder, profile),
            }
        }
        OutputFormat::Png => write(image, PngEncoder::new(&mut file), profile),
        OutputFormat::Webp => return Ok(codec::encode_webp(image, WEBP_QUALITY)?),
        OutputFormat::Avif | OutputFormat::Gif | OutputFormat::Mp4 => {
            return Err(InputError::Unsupported { found: format });
        }
    }
    .map_err(|error| match error {
        // The only failure of writing to memory.
        ImageError::IoError(error) => InputError::TooLarge { reason: error.to_string() },
        other => PictureError::Unencodable { wanted: format, reason: other.to_string() }.into(),
    })?;
    Ok(file.0)
}

fn write(image: &DynamicImage, mut encoder: impl ImageEncoder, profile: Option<Vec<u8>>) -> Result<(), ImageError> {
    if let Some(profile) = profile {
        // An encoder that cannot write it refuses before it has written anything: the picture matters more.
        let _ = encoder.set_icc_profile(profile);
    }
    image.write_with_encoder(encoder)
}
