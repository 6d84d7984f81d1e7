//! Pixels in and out. All of it is work for a blocking thread.

use std::io::{self, Write};

use image::codecs::avif::AvifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, Limits, RgbImage, RgbaImage};

use super::PictureError;
use super::inspect::{BYTES_MAX, DECODED_BYTES_MAX, decoder};
use crate::workflow::OutputFormat;

const JPEG_QUALITY: u8 = 85;
const WEBP_QUALITY: f32 = 80.0;
const AVIF_QUALITY: u8 = 80;
/// The fastest: the slower ones take several times as long for a few per cent of size.
const AVIF_SPEED: u8 = 10;

/// Up to here the WebP encoder may take more memory to be faster: no picture takes it beyond what is counted.
const WEBP_NOTED_PIXELS_MAX: u64 = 1024 * 1024;

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
    if format == OutputFormat::Gif {
        // A frame may be larger than the screen that the pixels were counted of.
        let mut limits = Limits::default();
        limits.max_alloc = Some(decoder.total_bytes());
        decoder.set_limits(limits).map_err(PictureError::broken)?;
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
    let mut file = BoundedFile::default();
    match wanted {
        OutputFormat::Png => image.write_with_encoder(PngEncoder::new(&mut file)).map_err(failed)?,
        OutputFormat::Jpg => {
            JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY).encode_image(&on_white(image)).map_err(failed)?;
        }
        OutputFormat::Webp => return encode_webp(&flattened(image), WEBP_QUALITY),
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
    Ok(file.0)
}

/// A file that is being written, as long as it is none that could not be stored.
#[derive(Default)]
pub(super) struct BoundedFile(pub(super) Vec<u8>);

impl Write for BoundedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > BYTES_MAX {
            return Err(io::Error::other("the file becomes too large"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lossy WebP. The encoder makes a copy of its own: an alpha channel that hides nothing should be gone by now.
pub(super) fn encode_webp(image: &DynamicImage, quality: f32) -> Result<Vec<u8>, PictureError> {
    let unencodable = |reason| PictureError::Unencodable { wanted: OutputFormat::Webp, reason };
    let (width, height) = (image.width(), image.height());
    let mut config = webp::WebPConfig::new().map_err(|()| unencodable("no configuration".to_owned()))?;
    config.quality = quality;
    config.alpha_compression = 1;
    // Otherwise it notes each of its decisions, which for a noisy picture takes several times the picture's memory.
    config.low_memory = i32::from(u64::from(width) * u64::from(height) > WEBP_NOTED_PIXELS_MAX);
    let encoded = match image {
        DynamicImage::ImageRgba8(image) => webp::Encoder::from_rgba(image, width, height).encode_advanced(&config),
        DynamicImage::ImageRgb8(image) => webp::Encoder::from_rgb(image, width, height).encode_advanced(&config),
        other if other.color().has_alpha() => {
            webp::Encoder::from_rgba(&other.to_rgba8(), width, height).encode_advanced(&config)
        }
        other => webp::Encoder::from_rgb(&other.to_rgb8(), width, height).encode_advanced(&config),
    };
    // Above all: a side longer than 16383 pixels, which the format cannot express.
    encoded.map(|memory| memory.to_vec()).map_err(|error| unencodable(format!("{error:?}")))
}

/// Whether nothing shows through.
pub(super) fn is_opaque(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageRgba8(image) => image.pixels().all(|pixel| pixel.0[3] == u8::MAX),
        DynamicImage::ImageRgba16(image) => image.pixels().all(|pixel| pixel.0[3] == u16::MAX),
        DynamicImage::ImageLumaA8(image) => image.pixels().all(|pixel| pixel.0[1] == u8::MAX),
        DynamicImage::ImageLumaA16(image) => image.pixels().all(|pixel| pixel.0[1] == u16::MAX),
        other => !other.color().has_alpha(),
    }
}

/// The picture without an alpha channel that hides nothing.
fn flattened(image: DynamicImage) -> DynamicImage {
    if image.color().has_alpha() && is_opaque(&image) {
        return without_alpha(image.into_rgba8(), |channel, _| channel).into();
    }
    image
}

/// Eight bits of red, green and blue for each pixel, on white where something shows through.
fn on_white(image: DynamicImage) -> RgbImage {
    if image.color().has_alpha() { without_alpha(image.into_rgba8(), over_white) } else { image.into_rgb8() }
}

/// The colours that `with` makes of each colour and its opacity, in the place where they lie: a large picture is not
/// copied.
pub(super) fn without_alpha(image: RgbaImage, with: impl Fn(u8, u8) -> u8) -> RgbImage {
    let (width, height) = image.dimensions();
    let mut bytes = image.into_raw();
    let pixels = bytes.len() / 4;
    for pixel in 0..pixels {
        let alpha = bytes[pixel * 4 + 3];
        for channel in 0..3 {
            bytes[pixel * 3 + channel] = with(bytes[pixel * 4 + channel], alpha);
        }
    }
    bytes.truncate(pixels * 3);
    RgbImage::from_raw(width, height, bytes).expect("three bytes for each pixel")
}

fn over_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u16::from(channel), u16::from(alpha));
    let mixed = (channel * alpha + 255 * (255 - alpha) + 127) / 255;
    u8::try_from(mixed).expect("a mean of two bytes is a byte")
}
