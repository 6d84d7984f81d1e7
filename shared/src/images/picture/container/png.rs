//! PNG: a signature, then chunks of length, type, data and checksum up to `IEND`.

use super::{Broken, Cursor, Survey, index};

const SIGNATURE: usize = 8;
/// Bytes of data in the header.
const HEADER: u32 = 13;
/// Where the header tells the bits of a channel, and behind them the kind of colour.
const DEPTH: usize = 24;
const GREY: u8 = 0;
const GREY_ALPHA: u8 = 4;
const COLOURS_RGBA: u8 = 6;
const RGB: [u8; 2] = [8, 2];
const RGBA: [u8; 2] = [8, 6];

/// Chunks that change how the picture looks. Text, EXIF, times and private chunks do not.
const KEPT: [&[u8; 4]; 16] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs",
    b"cICP", b"mDCV", b"cLLI", b"hIST",
];

/// Width and height by the header, which stands first. Nothing behind it is read: a colour profile, say, may inflate to a
/// thousand times its bytes.
pub(in super::super) fn size(file: &[u8]) -> Result<(u32, u32), Broken> {
    let mut cursor = Cursor::new(file, SIGNATURE);
    let length = u32::from_be_bytes(cursor.array()?);
    let kind: [u8; 4] = cursor.array()?;
    if (length, &kind) != (HEADER, b"IHDR") {
        return Err(Broken("it does not begin with its header"));
    }
    Ok((u32::from_be_bytes(cursor.array()?), u32::from_be_bytes(cursor.array()?)))
}

/// What the chunks tell about the memory that decoding takes.
pub(in super::super) struct Header<'a> {
    /// Of a decoded pixel: palettes are resolved, and a transparent colour becomes an alpha channel.
    pub(in super::super) channels: u64,
    pub(in super::super) bytes_per_channel: u64,
    /// RGB or RGBA of eight bits, without one colour that is transparent.
    pub(in super::super) stores_rgb: bool,
    /// Bytes of the chunks that hold packed texts or profiles.
    pub(in super::super) packed_bytes: u64,
    pub(in super::super) exif: Option<&'a [u8]>,
}

/// Walks the chunks without unpacking any.
pub(in super::super) fn header(file: &[u8]) -> Result<Header<'_>, Broken> {
    size(file)?;
    let [depth, colour] = *file.get(DEPTH..DEPTH + 2).ok_or(Broken("the file is cut off"))? else {
        return Err(Broken("the file is cut off"));
    };
    let (mut transparent, mut packed_bytes, mut exif) = (0, 0, None);
    let mut cursor = Cursor::new(file, SIGNATURE);
    // A file that is cut off is found to be so when it is decoded.
    while let Ok((kind, data)) = next_chunk(&mut cursor) {
        match &kind {
            b"tRNS" => transparent = 1,
            b"iCCP" | b"zTXt" | b"iTXt" | b"tEXt" => packed_bytes += data.len() as u64,
            b"eXIf" => exif = Some(data),
            _ => {}
        }
    }
    let channels = match colour {
        GREY => 1 + transparent,
        GREY_ALPHA => 2,
        COLOURS_RGBA => 4,
        _ => 3 + transparent,
    };
    let stores_rgb = stores_rgb(&[depth, colour], transparent > 0);
    Ok(Header { channels, bytes_per_channel: if depth == 16 { 2 } else { 1 }, stores_rgb, packed_bytes, exif })
}

/// One colour that is transparent makes it something else: some loaders ignore it.
fn stores_rgb(depth_and_colour: &[u8], keyed: bool) -> bool {
    depth_and_colour == RGBA || depth_and_colour == RGB && !keyed
}

fn next_chunk<'a>(cursor: &mut Cursor<'a>) -> Result<([u8; 4], &'a [u8]), Broken> {
    let length = u32::from_be_bytes(cursor.array()?);
    let kind = cursor.array()?;
    let data = cursor.take(index(length))?;
    cursor.take(4)?;
    Ok((kind, data))
}

pub(super) fn survey(file: &[u8]) -> Result<Survey, Broken> {
    let mut cursor = Cursor::new(file, 0);
    let mut kept = Vec::with_capacity(file.len());
    kept.extend_from_slice(cursor.take(SIGNATURE)?);
    let (mut animated, mut keyed) = (false, false);
    loop {
        let start = cursor.at;
        let (kind, _) = next_chunk(&mut cursor)?;
        animated |= &kind == b"acTL";
        keyed |= &kind == b"tRNS";
        if KEPT.contains(&&kind) {
            kept.extend_from_slice(&file[start..cursor.at]);
        }
        if &kind == b"IEND" {
            break;
        }
    }
    let stripped = (kept.len() < file.len()).then_some(kept);
    let rgb = stores_rgb(file.get(DEPTH..DEPTH + 2).unwrap_or_default(), keyed);
    Ok(Survey { animated, stripped, rgb })
}
