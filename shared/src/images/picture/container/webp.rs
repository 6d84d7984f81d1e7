//! WebP: a RIFF file of chunks, each padded to an even length.

use super::{Broken, Cursor, Survey, index, vp8l};

const HEADER: usize = 12;
const FLAGS: usize = 20;
const ANIMATION: u8 = 0x02;
const XMP: u8 = 0x04;
const EXIF: u8 = 0x08;
const ALPHA: u8 = 0x10;

/// Bytes before the codes of a lossless picture, and of an alpha channel.
const LOSSLESS_HEADER: usize = 5;
const ALPHA_HEADER: usize = 1;
/// How an alpha channel is packed, in its first byte.
const ALPHA_PACKING: u8 = 0b11;
const ALPHA_LOSSLESS: u8 = 1;

/// Chunks that change how the picture looks.
const KEPT: [&[u8; 4]; 7] = [b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"];

/// What the chunks tell about the memory that decoding takes.
pub(in super::super) struct Header<'a> {
    pub(in super::super) lossless: bool,
    pub(in super::super) alpha: bool,
    /// What the codes of a lossless picture take, or of such an alpha channel.
    pub(in super::super) codes_bytes: u64,
    pub(in super::super) exif: Option<&'a [u8]>,
}

/// Walks the chunks. The picture must have the size that the file states for it: decoders make room for it before they
/// compare the two.
pub(in super::super) fn header(file: &[u8]) -> Result<Header<'_>, Broken> {
    let mut cursor = Cursor::new(file, HEADER);
    let (mut stated, mut picture, mut packed_alpha, mut exif) = (None, None, None, None);
    // A file that is cut off is found to be so when it is decoded.
    while let Ok((kind, data)) = next_chunk(&mut cursor) {
        match &kind {
            b"VP8X" if stated.is_none() => stated = Some(extended(data)?),
            b"VP8L" if picture.is_none() => picture = Some((Some(data), lossless(data)?)),
            b"VP8 " if picture.is_none() => picture = Some((None, lossy(data)?)),
            b"ALPH" if packed_alpha.is_none() => packed_alpha = Some(data),
            b"EXIF" if exif.is_none() => exif = Some(data),
            // The decoder takes the first of each kind, whichever comes first: there must be one picture.
            b"VP8L" | b"VP8 " | b"VP8X" => return Err(Broken("several pictures in the file")),
            _ => {}
        }
    }
    let ((alpha, size), lossless) = match (stated, picture) {
        // Of an animation the frames are elsewhere, and it is refused.
        (Some((alpha, _)), None) => return Ok(Header { lossless: false, alpha, codes_bytes: 0, exif }),
        (Some((alpha, size)), Some((lossless, (_, own)))) if size == own => ((alpha, size), lossless),
        (None, Some((lossless, (alpha, size)))) => ((alpha, size), lossless),
        (Some(_), Some(_)) => return Err(Broken("two sizes in the file")),
        (None, None) => return Err(Broken("no picture in the file")),
    };
    let codes = match (lossless, packed_alpha) {
        (Some(data), _) => data.get(LOSSLESS_HEADER..),
        (None, Some([how, ..])) if alpha && how & ALPHA_PACKING != ALPHA_LOSSLESS => None,
        (None, Some(data)) if alpha => data.get(ALPHA_HEADER..),
        (None, _) => None,
    };
    let codes_bytes = codes.map_or(Ok(0), |codes| vp8l::codes_bytes(codes, size))?;
    Ok(Header { lossless: lossless.is_some(), alpha, codes_bytes, exif })
}

/// Whether there is an alpha channel, and width and height.
type Stated = (bool, (u32, u32));

fn extended(data: &[u8]) -> Result<Stated, Broken> {
    let mut cursor = Cursor::new(data, 0);
    let [flags, ..]: [u8; 4] = cursor.array()?;
    let [a, b, c, d, e, f] = cursor.array()?;
    let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]) + 1;
    Ok((flags & ALPHA != 0, (side(a, b, c), side(d, e, f))))
}

fn lossless(data: &[u8]) -> Result<Stated, Broken> {
    let bits = u32::from_le_bytes(Cursor::new(data, 1).array()?);
    let side = |bits: u32| (bits & 0x3FFF) + 1;
    Ok((bits >> 28 & 1 != 0, (side(bits), side(bits >> 14))))
}

fn lossy(data: &[u8]) -> Result<Stated, Broken> {
    // Three bytes of flags, three to start.
    let mut cursor = Cursor::new(data, 6);
    let side = |bytes| u32::from(u16::from_le_bytes(bytes) & 0x3FFF);
    Ok((false, (side(cursor.array()?), side(cursor.array()?))))
}

fn next_chunk<'a>(cursor: &mut Cursor<'a>) -> Result<([u8; 4], &'a [u8]), Broken> {
    let kind = cursor.array()?;
    let length = u32::from_le_bytes(cursor.array()?);
    let data = cursor.take(index(length))?;
    if length % 2 == 1 && !cursor.is_at_end() {
        cursor.take(1)?;
    }
    Ok((kind, data))
}

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
        let (kind, data) = next_chunk(&mut cursor)?;
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
