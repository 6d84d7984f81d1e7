//! Files of every kind of picture, made from their headers up: the pixels are flat, so that the largest picture is a
//! small file.

#![expect(clippy::cast_possible_truncation, reason = "sizes and bytes of these files are chosen to fit")]

use image::{DynamicImage, ImageFormat, RgbImage, RgbaImage};

/// A kind of picture, and how a file of it is made for a size and an EXIF orientation.
pub(super) struct PictureKind {
    pub(super) name: &'static str,
    pub(super) file: fn(Size, u8) -> Vec<u8>,
}

pub(super) type Size = (u32, u32);

const fn kind(name: &'static str, file: fn(Size, u8) -> Vec<u8>) -> PictureKind {
    PictureKind { name, file }
}

pub(super) const KINDS: [PictureKind; 21] = [
    kind("png grey 1 bit", |size, turn| png(size, (1, 0), false, turn)),
    kind("png grey 8 bits", |size, turn| png(size, (8, 0), false, turn)),
    kind("png grey 16 bits", |size, turn| png(size, (16, 0), false, turn)),
    kind("png grey and alpha 8 bits", |size, turn| png(size, (8, 4), false, turn)),
    kind("png grey and alpha 16 bits", |size, turn| png(size, (16, 4), false, turn)),
    kind("png palette", |size, turn| png(size, (8, 3), false, turn)),
    kind("png rgb 8 bits", |size, turn| png(size, (8, 2), false, turn)),
    kind("png rgb 16 bits", |size, turn| png(size, (16, 2), false, turn)),
    kind("png rgba 8 bits", |size, turn| png(size, (8, 6), false, turn)),
    kind("png rgba 16 bits", |size, turn| png(size, (16, 6), false, turn)),
    kind("png rgba 8 bits interlaced", |size, turn| png(size, (8, 6), true, turn)),
    kind("jpeg", |size, turn| jpeg(size, 3, Scans::Baseline, turn)),
    kind("jpeg grey", |size, turn| jpeg(size, 1, Scans::Baseline, turn)),
    kind("jpeg cmyk", |size, turn| jpeg(size, 4, Scans::Baseline, turn)),
    kind("jpeg with a scan for each component", |size, turn| jpeg(size, 3, Scans::Separate, turn)),
    kind("jpeg progressive", |size, turn| jpeg(size, 3, Scans::Progressive, turn)),
    kind("webp lossless", |size, turn| webp(size, &lossless(size, false), false, turn)),
    kind("webp lossless with alpha", lossless_with_alpha),
    kind("webp lossy", |size, turn| webp(size, &lossy(size), false, turn)),
    kind("webp lossy with alpha", lossy_alpha),
    kind("gif", |size, _| gif(size)),
];

/// Red, green and blue (and an alpha channel) that no encoder makes small, as PNG.
pub(super) fn noise(size: Size, alpha: bool) -> Vec<u8> {
    let mut state = 1_u32;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    let channels = if alpha { 4 } else { 3 };
    let bytes = (0..size.0 as usize * size.1 as usize * channels).map(|_| random()).collect();
    let image: DynamicImage = if alpha {
        RgbaImage::from_raw(size.0, size.1, bytes).unwrap().into()
    } else {
        RgbImage::from_raw(size.0, size.1, bytes).unwrap().into()
    };
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

/// What the orientation `turn` is as EXIF.
fn exif(turn: u8) -> Vec<u8> {
    let tag = [0x12, 0x01, 3, 0, 1, 0, 0, 0, turn, 0, 0, 0];
    [&b"II*\0\x08\0\0\0\x01\0"[..], &tag, &[0; 4]].concat()
}

/// A PNG of zeros with so many bits a channel and that kind of colour.
pub(super) fn png(size: Size, (depth, colour): (u8, u8), interlaced: bool, turn: u8) -> Vec<u8> {
    const PASSES: [(u32, u32, u32, u32); 7] =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    let channels = match colour {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    let rows = |width: u32, height: u32| {
        let row = 1 + (u64::from(width) * channels * u64::from(depth)).div_ceil(8);
        if width == 0 { 0 } else { row * u64::from(height) }
    };
    let pass = |(x, y, across, down): (u32, u32, u32, u32)| {
        rows(size.0.saturating_sub(x).div_ceil(across), size.1.saturating_sub(y).div_ceil(down))
    };
    let bytes = if interlaced { PASSES.into_iter().map(pass).sum() } else { rows(size.0, size.1) };
    let header = [&size.0.to_be_bytes()[..], &size.1.to_be_bytes(), &[depth, colour, 0, 0, interlaced.into()]].concat();
    let palette = if colour == 3 { png_chunk(b"PLTE", &[9, 99, 199]) } else { Vec::new() };
    let transparent = if colour == 3 { png_chunk(b"tRNS", &[99]) } else { Vec::new() };
    let exif = if turn > 1 { png_chunk(b"eXIf", &exif(turn)) } else { Vec::new() };
    let pixels = png_chunk(b"IDAT", &zeros(bytes));
    let start = [&b"\x89PNG\r\n\x1a\n"[..], &png_chunk(b"IHDR", &header)].concat();
    [start, palette, transparent, exif, pixels, png_chunk(b"IEND", &[])].concat()
}

fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    let checksum = !body.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    });
    [&(data.len() as u32).to_be_bytes()[..], &body, &checksum.to_be_bytes()].concat()
}

/// So many zeros, packed as zlib does.
fn zeros(count: u64) -> Vec<u8> {
    /// What one repetition stands for, at most.
    const REPEATED: u64 = 258;
    let mut bits = Bits::default();
    bits.push(1, 1);
    bits.push(1, 2);
    let zero = 0b0000_1100;
    bits.push(zero, 8);
    let left = count - 1;
    for _ in 0..left / REPEATED {
        // The length 258, and the distance 1.
        bits.push(0b1010_0011, 8);
        bits.push(0, 5);
    }
    for _ in 0..left % REPEATED {
        bits.push(zero, 8);
    }
    bits.push(0, 7);
    let checksum = ((count % 65_521) as u32) << 16 | 1;
    [&[0x78, 1][..], &bits.into_bytes(0), &checksum.to_be_bytes()].concat()
}

/// Bits, the lowest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl Bits {
    fn push(&mut self, bits: u64, count: u32) {
        self.pending |= bits << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    fn into_bytes(mut self, fill: u8) -> Vec<u8> {
        if self.count > 0 {
            self.push(u64::from(fill), 8 - self.count);
        }
        self.bytes
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Scans {
    Baseline,
    Separate,
    Progressive,
}

/// A JPEG whose blocks all are flat: each of their codes is one bit, 0.
fn jpeg(size: Size, components: u8, scans: Scans, turn: u8) -> Vec<u8> {
    let segment =
        |marker: u8, data: &[u8]| [&[0xFF, marker][..], &(data.len() as u16 + 2).to_be_bytes(), data].concat();
    let blocks = |components: u64| u64::from(size.0.div_ceil(8)) * u64::from(size.1.div_ceil(8)) * components;
    let scan = |ids: std::ops::RangeInclusive<u8>, spectrum: [u8; 2], bits: u64| {
        let ids: Vec<u8> = ids.collect();
        let tables: Vec<u8> = ids.iter().flat_map(|id| [*id, 0]).collect();
        let header = [&[ids.len() as u8][..], &tables, &spectrum, &[0]].concat();
        let mut data = vec![0; usize::try_from(bits / 8).unwrap()];
        if !bits.is_multiple_of(8) {
            data.push(0xFF >> (bits % 8));
        }
        [segment(0xDA, &header), data].concat()
    };
    let exif = if turn > 1 { segment(0xE1, &[&b"Exif\0\0"[..], &exif(turn)].concat()) } else { Vec::new() };
    let adobe = if components == 4 { segment(0xEE, b"Adobe\0\x64\0\0\0\0\0") } else { Vec::new() };
    let quantisation = segment(0xDB, &[&[0][..], &[1; 64]].concat());
    let sides = [(size.1 as u16).to_be_bytes(), (size.0 as u16).to_be_bytes()].concat();
    let frame: Vec<u8> = (1..=components).flat_map(|id| [id, 0x11, 0]).collect();
    let marker = if scans == Scans::Progressive { 0xC2 } else { 0xC0 };
    let frame = segment(marker, &[&[8][..], &sides, &[components], &frame].concat());
    let one_code = |class: u8| segment(0xC4, &[&[class << 4, 1][..], &[0; 15], &[0]].concat());
    let all = u64::from(components);
    let scans = match scans {
        Scans::Baseline => scan(1..=components, [0, 63], blocks(all) * 2),
        Scans::Separate => (1..=components).flat_map(|id| scan(id..=id, [0, 63], blocks(1) * 2)).collect(),
        Scans::Progressive => {
            let fine = (1..=components).flat_map(|id| scan(id..=id, [1, 63], blocks(1)));
            [scan(1..=components, [0, 0], blocks(all)), fine.collect()].concat()
        }
    };
    [vec![0xFF, 0xD8], exif, adobe, quantisation, frame, one_code(0), one_code(1), scans, vec![0xFF, 0xD9]].concat()
}

/// The chunk of a flat picture: a header, and codes that need no bit for any pixel.
fn lossless(size: Size, alpha: bool) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0x2F, 8);
    bits.push(u64::from(size.0 - 1), 14);
    bits.push(u64::from(size.1 - 1), 14);
    bits.push(alpha.into(), 1);
    bits.push(0, 3 + 3);
    for _green_red_blue in 0..3 {
        bits.push(0b0001, 4);
    }
    bits.push(0x7F << 3 | 0b101, 11);
    bits.push(0b0001, 4);
    riff_chunk(b"VP8L", &bits.into_bytes(0))
}

/// The chunk of a flat picture with so many groups of codes beside the one it uses: each is ten bytes here, and 70 kB to
/// a decoder.
pub(super) fn lossless_with_codes(size: Size, groups: u16) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0x2F, 8);
    bits.push(u64::from(size.0 - 1), 14);
    bits.push(u64::from(size.1 - 1), 14);
    bits.push(0, 1 + 3);
    push_codes(&mut bits, groups);
    webp(size, &riff_chunk(b"VP8L", &bits.into_bytes(0)), false, 1)
}

/// The same as the alpha channel of a lossy picture.
pub(super) fn alpha_with_codes(size: Size, groups: u16) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(1, 8);
    push_codes(&mut bits, groups);
    webp(size, &[riff_chunk(b"ALPH", &bits.into_bytes(0)), lossy(size)].concat(), true, 1)
}

fn push_codes(bits: &mut Bits, groups: u16) {
    let single = |bits: &mut Bits, symbol: u8| bits.push(u64::from(symbol) << 3 | 0b101, 11);
    // No transform, 2048 colours that have numbers, and a picture of the groups' numbers, which all are the last.
    bits.push(0, 1);
    bits.push(11 << 1 | 1, 5);
    bits.push(7 << 1 | 1, 4);
    bits.push(0, 1);
    let [high, low] = groups.to_be_bytes();
    for symbol in [low, high, 0, 0, 0] {
        single(bits, symbol);
    }
    for _ in 0..groups {
        // Of the lengths of symbols only 11 is used, which so takes no bit, by 2048 symbols.
        bits.push(11 << 1, 5);
        bits.push(1 << (14 * 3), 15 * 3);
        bits.push(2046 << 4 | 5 << 1 | 1, 16);
        for _ in 0..4 {
            bits.push(0b0001, 4);
        }
    }
    for _ in 0..5 {
        single(bits, 0);
    }
}

pub(super) fn lossless_with_alpha(size: Size, turn: u8) -> Vec<u8> {
    webp(size, &lossless(size, true), true, turn)
}

/// The chunk of a flat picture. Only the encoder in use can make one.
fn lossy(size: Size) -> Vec<u8> {
    let file = webp::Encoder::from_rgb(&vec![90; size.0 as usize * size.1 as usize * 3], size.0, size.1).encode(50.0);
    file[12..].to_vec()
}

fn lossy_alpha(size: Size, turn: u8) -> Vec<u8> {
    let pixels: Vec<u8> = (0..size.0 as usize * size.1 as usize).flat_map(|n| [90, 90, 90, (n >> 12) as u8]).collect();
    let file = webp::Encoder::from_rgba(&pixels, size.0, size.1).encode(50.0);
    // Behind the header that says there is an alpha channel.
    webp(size, &file[12 + 18..], true, turn)
}

fn webp(size: Size, picture: &[u8], alpha: bool, turn: u8) -> Vec<u8> {
    let flags = if alpha { 0x10 } else { 0 } | if turn > 1 { 0x08 } else { 0 };
    let side = |side: u32| (side - 1).to_le_bytes()[..3].to_vec();
    let header = riff_chunk(b"VP8X", &[vec![flags, 0, 0, 0], side(size.0), side(size.1)].concat());
    let exif = if turn > 1 { riff_chunk(b"EXIF", &exif(turn)) } else { Vec::new() };
    riff_chunk(b"RIFF", &[b"WEBP", &header[..], picture, &exif].concat())
}

fn riff_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let padding = vec![0; data.len() % 2];
    [kind, &(data.len() as u32).to_le_bytes()[..], data, &padding].concat()
}

fn gif(size: Size) -> Vec<u8> {
    let sides = [(size.0 as u16).to_le_bytes(), (size.1 as u16).to_le_bytes()].concat();
    let mut bits = Bits::default();
    for _two in 0..(u64::from(size.0) * u64::from(size.1)).div_ceil(2) {
        // Start anew, then a pixel of the first colour twice: so codes never grow.
        bits.push(0b000_000_100, 9);
    }
    bits.push(5, 3);
    let blocks = bits.into_bytes(0).chunks(255).flat_map(|block| [&[block.len() as u8], block].concat()).collect();
    let head = [&b"GIF89a"[..], &sides, &[0x80, 0, 0, 1, 2, 3, 4, 5, 6, 0x2C, 0, 0, 0, 0], &sides, &[0, 2]].concat();
    [head, blocks, vec![0, 0x3B]].concat()
}
