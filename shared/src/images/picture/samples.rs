//! Files to test with, made on the spot.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, Rgba, RgbaImage};

use super::codec;
use crate::workflow::OutputFormat;

/// A picture with edges, slopes and some grain, without transparency.
pub(super) fn opaque(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(pattern(width, height)).into_rgb8())
}

/// The same with a transparent left half.
pub(super) fn transparent(width: u32, height: u32) -> DynamicImage {
    let mut image = pattern(width, height);
    for (x, _, pixel) in image.enumerate_pixels_mut() {
        pixel.0[3] = if x < width / 2 { 0 } else { 255 };
    }
    DynamicImage::ImageRgba8(image)
}

fn pattern(width: u32, height: u32) -> RgbaImage {
    let byte = |value: u32| u8::try_from(value % 256).expect("below 256");
    RgbaImage::from_fn(width, height, |x, y| {
        let grain = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).wrapping_mul(2_246_822_519) >> 29;
        let disc = if (x % 97).abs_diff(48) + (y % 97).abs_diff(48) < 40 { 60 } else { 0 };
        Rgba([byte(x * 255 / width), byte(y * 200 / height + grain), byte(disc + 90 + grain), 255])
    })
}

/// `image` as a still picture of `format`.
pub(super) fn file(image: DynamicImage, format: OutputFormat) -> Vec<u8> {
    codec::encode(image, format).expect("encodes")
}

pub(super) fn gif(frames: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = GifEncoder::new(&mut file);
    for _ in 0..frames {
        encoder.encode_frame(Frame::new(pattern(16, 12))).expect("encodes");
    }
    drop(encoder);
    file
}

pub(super) fn lossless_webp(image: &DynamicImage) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, ImageFormat::WebP).expect("encodes");
    file.into_inner()
}

pub(super) fn animated_webp() -> Vec<u8> {
    let frame = pattern(16, 12);
    let config = webp::WebPConfig::new().expect("a configuration");
    let mut encoder = webp::AnimEncoder::new(16, 12, &config);
    // Frames that are alike would be joined into one.
    let other: Vec<u8> = frame.as_raw().iter().map(|byte| 255 - byte / 2).collect();
    encoder.add_frame(webp::AnimFrame::from_rgba(frame.as_raw(), 16, 12, 0));
    encoder.add_frame(webp::AnimFrame::from_rgba(&other, 16, 12, 100));
    encoder.encode().to_vec()
}

/// The boxes of a clip, around no clip.
pub(super) fn mp4(width: u16, height: u16) -> Vec<u8> {
    let mut track_header = vec![0; 76];
    for side in [width, height] {
        track_header.extend(side.to_be_bytes());
        track_header.extend([0, 0]);
    }
    let track = boxed(b"trak", &boxed(b"tkhd", &track_header));
    let sound = boxed(b"trak", &boxed(b"tkhd", &[0; 84]));
    let movie = boxed(b"moov", &[boxed(b"mvhd", &[0; 100]), sound, track].concat());
    [boxed(b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41"), movie, boxed(b"mdat", &[7; 64])].concat()
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).expect("small");
    [&length.to_be_bytes(), kind.as_slice(), body].concat()
}

/// `file`, a PNG, with a chunk behind its header.
pub(super) fn with_chunk(file: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let behind_header = 8 + 25;
    [&file[..behind_header], &chunk(kind, data), &file[behind_header..]].concat()
}

/// The pixels of `file`, a PNG, as they are packed in it.
pub(super) fn packed(file: &[u8]) -> Vec<u8> {
    let mut at = 8;
    let mut packed = Vec::new();
    while let Some(head) = file.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if &head[4..] == b"IDAT" {
            packed.extend_from_slice(&file[at + 8..at + 8 + length]);
        }
        at += length + 12;
    }
    packed
}

/// A PNG of 8 x 1 pixels with one bit each, in that colour type and with those chunks before its pixels.
pub(super) fn bits_png(colours: u8, chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let header = [&8_u32.to_be_bytes()[..], &1_u32.to_be_bytes(), &[1, colours, 0, 0, 0]].concat();
    let between: Vec<u8> = chunks.iter().flat_map(|(kind, data)| chunk(kind, data)).collect();
    // A stored block of two bytes, a filter and eight pixels, and their Adler-32.
    let pixels = [0x78, 1, 1, 2, 0, 0xFD, 0xFF, 0, 0x55, 0, 0x57, 0, 0x56];
    let ends = [chunk(b"IDAT", &pixels), chunk(b"IEND", &[])].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header), &between, &ends].concat()
}

/// A PNG that claims a size and holds no pixels.
pub(super) fn hollow_png(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header), &chunk(b"IDAT", &[0x78, 1]), &chunk(b"IEND", &[])].concat()
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("small");
    let checksum = checksum(&[kind.as_slice(), data].concat());
    [&length.to_be_bytes(), kind.as_slice(), data, &checksum.to_be_bytes()].concat()
}

/// CRC-32 as PNG defines it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    })
}

/// `file`, a JPEG, with a segment behind its start.
pub(super) fn with_segment(file: &[u8], marker: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).expect("small");
    [&file[..2], &[0xFF, marker], &length.to_be_bytes(), data, &file[2..]].concat()
}

/// An EXIF segment that says: turn a quarter to the right.
pub(super) fn quarter_turn() -> Vec<u8> {
    let tag = [0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
    [&b"Exif\0\0II*\0\x08\0\0\0\x01\0"[..], &tag, &[0; 4]].concat()
}

/// Slopes of colour without grain, which every decoder interpolates alike.
pub(super) fn smooth(width: u32, height: u32) -> image::RgbImage {
    let byte = |value: u32| u8::try_from(value).expect("below 256");
    image::RgbImage::from_fn(width, height, |x, y| {
        let (across, down) = (x * 200 / width, y * 200 / height);
        image::Rgb([byte(20 + across), byte(30 + down), byte(220 - (across + down) / 2)])
    })
}
