//! PNG files of one bit a pixel, which the `image` crate does not write.

use super::bad::{PNG_SIGNATURE, chunk};

/// Pixels on each side.
const SIDE: u8 = 64;
/// What Adler-32 counts by.
const ADLER_BASE: u32 = 65_521;

/// A square PNG whose left half has one colour and whose right half has the other: red and blue by a palette, otherwise
/// black and white.
pub fn two_colours(palette: bool) -> Vec<u8> {
    let colours = if palette { 3 } else { 0 };
    let side = u32::from(SIDE).to_be_bytes();
    let header = [&side[..], &side, &[1, colours, 0, 0, 0]].concat();
    let palette = if palette { chunk(b"PLTE", &[200, 30, 30, 20, 40, 220]) } else { Vec::new() };
    // Each row has a filter and eight pixels a byte.
    let rows = [0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF].repeat(usize::from(SIDE));
    let data = chunk(b"IDAT", &stored(&rows));
    [PNG_SIGNATURE, &chunk(b"IHDR", &header), &palette, &data, &chunk(b"IEND", &[])].concat()
}

/// zlib's form of a few bytes, as one block that is not compressed.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a small picture");
    let (low, high) = bytes.iter().fold((1, 0), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % ADLER_BASE;
        (low, (high + low) % ADLER_BASE)
    });
    let block = [&[0x78, 1, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
    [&block, bytes, &(high << 16 | low).to_be_bytes()].concat()
}
