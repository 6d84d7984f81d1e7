//! PNG: a signature, then chunks of length, type, data and checksum up to `IEND`.

use super::{Broken, Cursor, Survey, index};

const SIGNATURE: usize = 8;
/// Bytes of data in the header.
const HEADER: u32 = 13;

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
    let mut animated = false;
    loop {
        let start = cursor.at;
        let length = u32::from_be_bytes(cursor.array()?);
        let kind: [u8; 4] = cursor.array()?;
        cursor.take(index(length))?;
        cursor.take(4)?;
        animated |= &kind == b"acTL";
        if KEPT.contains(&&kind) {
            kept.extend_from_slice(&file[start..cursor.at]);
        }
        if &kind == b"IEND" {
            break;
        }
    }
    let stripped = (kept.len() < file.len()).then_some(kept);
    Ok(Survey { animated, stripped })
}
