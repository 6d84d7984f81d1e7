//! Files that are no usable picture, each for a reason of its own.

use std::io::Cursor;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{DynamicImage, Frame, GrayImage, ImageFormat};

use super::Sample;

pub(super) const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Bytes of the header chunk, all in all.
const PNG_HEADER: usize = 25;

/// The first two thirds of a picture: the header is whole, the pixels end early.
///
/// # Panics
/// For a format that the `image` crate does not write.
pub fn truncated(format: ImageFormat) -> Vec<u8> {
    let mut file = Sample::Bottle.file(64, format);
    file.truncate(file.len() * 2 / 3);
    file
}

/// What a text is, whatever its name says.
pub fn text() -> Vec<u8> {
    b"This is no picture, though it may be called one.".to_vec()
}

/// A picture to browsers, and a program.
pub fn svg() -> Vec<u8> {
    br#"<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><script>alert(1)</script></svg>"#.to_vec()
}

/// What a broken server answers in place of a picture.
pub fn html() -> Vec<u8> {
    b"<!doctype html><html><title>404</title><h1>Not found</h1></html>".to_vec()
}

/// A PNG that claims a size and holds no pixels.
pub fn hollow_png(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    [PNG_SIGNATURE, &chunk(b"IHDR", &header), &chunk(b"IDAT", &[0x78, 1]), &chunk(b"IEND", &[])].concat()
}

/// A WebP of 8192 x 8192 equal pixels with an alpha channel, which its EXIF turns by a quarter: a hundred bytes that take
/// half a gigabyte to decode.
pub fn vast_webp() -> Vec<u8> {
    const SIDE: [u8; 3] = [0xFF, 0x1F, 0];
    // The signature, both sides and "there is an alpha channel", then codes that need no bit for any pixel.
    let picture = [0x2F, 0xFF, 0xDF, 0xFF, 0x17, 0x88, 0x88, 0xFE, 0x05];
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let header = [&[0x18, 0, 0, 0][..], &SIDE, &SIDE].concat();
    let chunks = [riff_chunk(b"VP8X", &header), riff_chunk(b"VP8L", &picture), riff_chunk(b"EXIF", exif)];
    riff_chunk(b"RIFF", &[&b"WEBP"[..], &chunks.concat()].concat())
}

fn riff_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("a sample is small");
    [kind, &length.to_le_bytes()[..], data, &vec![0; data.len() % 2]].concat()
}

/// A whole PNG of that many equal pixels: few bytes until it is decoded.
///
/// # Panics
/// Without memory for the pixels.
pub fn flat_png(width: u32, height: u32) -> Vec<u8> {
    super::file(&DynamicImage::ImageLuma8(GrayImage::new(width, height)), ImageFormat::Png)
}

/// An animated PNG by its header: a still picture to those who do not look.
pub fn animated_png() -> Vec<u8> {
    let file = Sample::Bottle.file(32, ImageFormat::Png);
    let (head, tail) = file.split_at(PNG_SIGNATURE.len() + PNG_HEADER);
    [head, &chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]), tail].concat()
}

/// A JPEG that stores red, green and blue as they are, by Adobe's segment: a kind that is not supported.
pub fn rgb_jpeg() -> Vec<u8> {
    let file = Sample::Bottle.file(32, ImageFormat::Jpeg);
    // Behind the marker that every JPEG starts with.
    [&file[..2], b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0\0", &file[2..]].concat()
}

/// A clip of three frames that differ.
///
/// # Panics
/// Never: its frames are small.
pub fn animated_gif() -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = GifEncoder::new(&mut file);
    encoder.set_repeat(Repeat::Infinite).expect("it is written to memory");
    for sample in [Sample::Mug, Sample::Bottle, Sample::Logo] {
        encoder.encode_frame(Frame::new(sample.draw(48).into_rgba8())).expect("it is written to memory");
    }
    drop(encoder);
    file.into_inner()
}

/// A good picture of a format that is not read here.
///
/// # Panics
/// Never: it is small.
pub fn avif() -> Vec<u8> {
    Sample::Bottle.file(32, ImageFormat::Avif)
}

/// The boxes of a clip of that size and length, around no clip.
pub fn mp4(width: u16, height: u16, seconds: u16) -> Vec<u8> {
    let mut track_header = vec![0; 76];
    for side in [width, height] {
        track_header.extend(side.to_be_bytes());
        track_header.extend([0, 0]);
    }
    let mut movie_header = vec![0; 12];
    movie_header.extend(1_000_u32.to_be_bytes());
    movie_header.extend((u32::from(seconds) * 1_000).to_be_bytes());
    movie_header.resize(100, 0);
    let track = boxed(b"trak", &boxed(b"tkhd", &track_header));
    let movie = boxed(b"moov", &[boxed(b"mvhd", &movie_header), track].concat());
    [boxed(b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41"), movie, boxed(b"mdat", &[7; 64])].concat()
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).expect("samples are small");
    [&length.to_be_bytes(), kind.as_slice(), body].concat()
}

pub(super) fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("samples are small");
    let checksum = checksum(&[kind.as_slice(), data].concat());
    [&length.to_be_bytes(), kind.as_slice(), data, &checksum.to_be_bytes()].concat()
}

/// CRC-32 as PNG defines it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    })
}

#[cfg(test)]
mod tests {
    use image::{AnimationDecoder, ImageDecoder, ImageReader, codecs::gif::GifDecoder};

    use super::*;

    #[test]
    fn a_truncated_picture_has_a_whole_header_and_no_whole_pixels() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let file = truncated(format);
            let decoder = ImageReader::with_format(Cursor::new(&file), format).into_decoder().expect("a whole header");
            assert_eq!(decoder.dimensions(), (64, 64), "{format:?}");
            let whole = Sample::Bottle.file(64, format);
            assert!(file.len() < whole.len() && whole.starts_with(&file), "{format:?}");
        }
    }

    #[test]
    fn a_hollow_and_a_flat_picture_say_how_large_they_are() {
        for (file, bytes_max) in [(hollow_png(9_000, 8_000), 200), (flat_png(900, 800), 10_000)] {
            let decoder = ImageReader::with_format(Cursor::new(&file), ImageFormat::Png).into_decoder();
            let (width, height) = decoder.expect("a whole header").dimensions();
            assert_eq!(width * 8, height * 9);
            assert!(file.len() < bytes_max, "{} bytes", file.len());
        }
    }

    #[test]
    fn the_animations_are_whole_files() {
        let frames = GifDecoder::new(Cursor::new(animated_gif())).expect("a GIF").into_frames();
        assert_eq!(frames.collect_frames().expect("whole frames").len(), 3);
        image::load_from_memory(&animated_png()).expect("its first picture");
    }
}
