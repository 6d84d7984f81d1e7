//! WebP: a RIFF file of chunks, each padded to an even length.

use super::{Broken, Cursor, Survey, index};

const HEADER: usize = 12;
const FLAGS: usize = 20;
const ANIMATION: u8 = 0x02;
const XMP: u8 = 0x04;
const EXIF: u8 = 0x08;

/// Chunks that change how the picture looks.
const KEPT: [&[u8; 4]; 7] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"];

pub(super) fn survey(file: &[u8]) -> Result<Survey, Broken> {
    let mut cursor = Cursor::new(file, 4);
    let declared = index(u32::from_le_bytes(cursor.array()?)).saturating_add(8);
    let body = file.get(..declared).ok_or(Broken("the file is cut off"))?;
    let mut cursor = Cursor::new(body, HEADER);
    let mut kept = body.get(..HEADER).ok_or(Broken("the file is cut off"))?.to_vec();
    let mut animated = false;
    let mut dropped = body.len() < file.len();
    while !cursor.is_at_end() {
        let start = cursor.at;
        let kind: [u8; 4] = cursor.array()?;
        let length = u32::from_le_bytes(cursor.array()?);
        let data = cursor.take(index(length))?;
        if length % 2 == 1 && !cursor.is_at_end() {
            cursor.take(1)?;
        }
        animated |= &kind == b"ANMF" || (&kind == b"VP8X" && data.first().is_some_and(|flags| flags & ANIMATION != 0));
        if KEPT.contains(&&kind) {
            kept.extend_from_slice(&body[start..cursor.at]);
        } else {
            dropped = true;
        }
    }
    let stripped = dropped.then(|| seal(kept)).transpose()?;
    Ok(Survey { animated, stripped, rgb: true })
}

/// Makes the header true again: the length, and the flags for what is gone.
fn seal(mut kept: Vec<u8>) -> Result<Vec<u8>, Broken> {
    if kept.len() % 2 == 1 {
        kept.push(0);
    }
    let length = u32::try_from(kept.len() - 8).map_err(|_| Broken("a length that no file has"))?;
    kept[4..8].copy_from_slice(&length.to_le_bytes());
    if kept.get(HEADER..HEADER + 4) == Some(b"VP8X") {
        let flags = kept.get_mut(FLAGS).ok_or(Broken("the file is cut off"))?;
        *flags &= !(EXIF | XMP);
    }
    Ok(kept)
}
