//! JPEG: marked segments, with the compressed scans between them, up to the end-of-image marker.

mod entropy;
mod kind;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;

use self::entropy::Entropy;
use self::kind::{Kind, Refused};
use super::{Broken, Cursor, Survey};

const START: [u8; 2] = [0xFF, 0xD8];
const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;
const EXIF_SEGMENT: u8 = 0xE1;
const EXIF: &[u8] = b"Exif\0\0";
const JFIF: &[u8] = b"JFIF\0";
const COLOUR_TRANSFORM: &[u8] = b"Adobe";
const COLOUR_PROFILE: &[u8] = b"ICC_PROFILE\0";

/// What the segments before the first scan tell about the memory that decoding takes.
pub(in super::super) struct Header<'a> {
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
    pub(in super::super) components: usize,
    /// Samples of all components, as whole blocks.
    pub(in super::super) samples: u64,
    /// Their coefficients are kept until the last scan: it is progressive, or has a scan for each component.
    pub(in super::super) buffered: bool,
    pub(in super::super) exif: Option<&'a [u8]>,
}

/// Walks the segments up to the first scan.
pub(in super::super) fn header(file: &[u8]) -> Result<Header<'_>, Broken> {
    let mut cursor = Cursor::new(file, START.len());
    let (mut frame, mut exif) = (None, None);
    loop {
        let marker = next_marker(&mut cursor)?;
        let body = next_body(&mut cursor)?;
        match marker {
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF if frame.is_none() => {
                frame = Some(read_frame(marker, body)?);
            }
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(Broken("several pictures in the file"));
            }
            EXIF_SEGMENT => exif = body.strip_prefix(EXIF).or(exif),
            START_OF_SCAN => {
                let mut header: Header<'_> = frame.ok_or(Broken("a scan of no picture"))?;
                let scanned = body.first().copied().ok_or(Broken("the file is cut off"))?;
                header.buffered |= usize::from(scanned) != header.components;
                return Ok(Header { exif, ..header });
            }
            _ => {}
        }
    }
}

/// The reason why a JPEG is of a kind that is not supported, by the segments up to its first scan. `None` for the
/// supported kinds, and for files whose headers are damaged: [`survey`] finds those.
pub(in super::super) fn unsupported(file: &[u8]) -> Option<&'static str> {
    match kind(file) {
        Err(Refused::Unsupported(reason)) => Some(reason),
        Ok(()) | Err(Refused::Broken(_)) => None,
    }
}

fn kind(file: &[u8]) -> Result<(), Refused> {
    let mut cursor = Cursor::new(file, START.len());
    let mut kind = Kind::default();
    loop {
        let marker = next_marker(&mut cursor)?;
        let body = next_body(&mut cursor)?;
        if marker == START_OF_SCAN {
            return kind.check_scan(body);
        }
        kind.learn(marker, body)?;
    }
}

fn read_frame(marker: u8, body: &[u8]) -> Result<Header<'static>, Broken> {
    let mut cursor = Cursor::new(body, 1);
    let height = u16::from_be_bytes(cursor.array()?);
    let width = u16::from_be_bytes(cursor.array()?);
    let components = usize::from(cursor.byte()?);
    let mut factors = Vec::new();
    for _ in 0..components {
        let [_, sampling, _] = cursor.array()?;
        factors.push((u64::from(sampling >> 4).max(1), u64::from(sampling & 15).max(1)));
    }
    let across_max = factors.iter().map(|(across, _)| *across).max().unwrap_or(1);
    let down_max = factors.iter().map(|(_, down)| *down).max().unwrap_or(1);
    let columns = u64::from(width).div_ceil(8 * across_max);
    let rows = u64::from(height).div_ceil(8 * down_max);
    // Where only rows are shared, the decoder makes room as if they were not.
    let spare = (down_max / across_max).max(1);
    let samples = factors.iter().map(|(across, down)| columns * rows * 64 * across * down * spare).sum();
    let buffered = !matches!(marker, 0xC0 | 0xC1);
    Ok(Header { width: width.into(), height: height.into(), components, samples, buffered, exif: None })
}

pub(super) fn survey(file: &[u8]) -> Result<Survey, Broken> {
    let mut cursor = Cursor::new(file, 0);
    if cursor.array()? != START {
        return Err(Broken("no start-of-image marker"));
    }
    let mut kept = Vec::with_capacity(file.len());
    kept.extend_from_slice(&START);
    let mut entropy = Entropy::default();
    let mut kind = Kind::default();
    loop {
        let marker = next_marker(&mut cursor)?;
        if marker == END_OF_IMAGE {
            kept.extend_from_slice(&[0xFF, END_OF_IMAGE]);
            break;
        }
        let start = cursor.at;
        let body = next_body(&mut cursor)?;
        if marker == START_OF_SCAN {
            kind.check_scan(body)?;
            let data = cursor.at;
            skip_scan(&mut cursor)?;
            entropy.check(body, &file[data..cursor.at])?;
        } else {
            kind.learn(marker, body)?;
            entropy.learn(marker, body)?;
        }
        if is_kept(marker, body) {
            kept.extend_from_slice(&[0xFF, marker]);
            kept.extend_from_slice(&file[start..cursor.at]);
        }
    }
    let stripped = (kept.len() < file.len()).then_some(kept);
    Ok(Survey { animated: false, stripped, rgb: kind.components() == 3 })
}

/// Any number of fill bytes may stand before a marker.
fn next_marker(cursor: &mut Cursor<'_>) -> Result<u8, Broken> {
    if cursor.byte()? != 0xFF {
        return Err(Broken("no marker where one must be"));
    }
    loop {
        match cursor.byte()? {
            0xFF => {}
            0x00 | 0xD0..=0xD8 => return Err(Broken("a marker out of place")),
            marker => return Ok(marker),
        }
    }
}

/// What stands behind a marker and its length.
fn next_body<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Broken> {
    let length = usize::from(u16::from_be_bytes(cursor.array()?));
    cursor.take(length.checked_sub(2).ok_or(Broken("a segment shorter than its length"))?)
}

/// Stops before the first marker that is no restart and no stuffed byte.
fn skip_scan(cursor: &mut Cursor<'_>) -> Result<(), Broken> {
    loop {
        let rest = &cursor.file[cursor.at..];
        let found = rest.iter().position(|byte| *byte == 0xFF).ok_or(Broken("the file is cut off"))?;
        match rest.get(found + 1) {
            None => return Err(Broken("the file is cut off")),
            Some(0x00 | 0xD0..=0xD7) => cursor.at += found + 2,
            Some(0xFF) => cursor.at += found + 1,
            Some(_) => {
                cursor.at += found;
                return Ok(());
            }
        }
    }
}

/// Leaves out comments and application data but for JFIF, Adobe's colour transform and the colour profile.
fn is_kept(marker: u8, body: &[u8]) -> bool {
    match marker {
        0xE2 => body.starts_with(COLOUR_PROFILE),
        0xE0 => body.starts_with(JFIF),
        0xEE => body.starts_with(COLOUR_TRANSFORM),
        0xE1..=0xEF | 0xFE => false,
        _ => true,
    }
}
