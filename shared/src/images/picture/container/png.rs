//! PNG: a signature, then chunks of length, type, data and checksum up to `IEND`.

use super::{Broken, Cursor, Survey, index};

const SIGNATURE: usize = 8;
/// Bytes of data in the header.
const HEADER: u32 = 13;
/// Where the header, behind length and type of its chunk, says bits and colours.
const BITS_AND_COLOURS: std::ops::Range<usize> = SIGNATURE + 16..SIGNATURE + 18;
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

pub(super) fn survey(file: &[u8]) -> Result<Survey, Broken> {
    let mut cursor = Cursor::new(file, 0);
    let mut kept = Vec::with_capacity(file.len());
    kept.extend_from_slice(cursor.take(SIGNATURE)?);
    let (mut animated, mut keyed) = (false, false);
    loop {
        let start = cursor.at;
        let length = u32::from_be_bytes(cursor.array()?);
        let kind: [u8; 4] = cursor.array()?;
        cursor.take(index(length))?;
        cursor.take(4)?;
        animated |= &kind == b"acTL";
        // One colour that is transparent: some loaders ignore it.
        keyed |= &kind == b"tRNS";
        if KEPT.contains(&&kind) {
            kept.extend_from_slice(&file[start..cursor.at]);
        }
        if &kind == b"IEND" {
            break;
        }
    }
    let stripped = (kept.len() < file.len()).then_some(kept);
    let colours = file.get(BITS_AND_COLOURS).unwrap_or_default();
    let rgb = colours == RGBA || colours == RGB && !keyed;
    Ok(Survey { animated, stripped, rgb })
}
