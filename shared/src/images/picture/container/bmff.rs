//! AVIF and MP4: boxes within boxes. Neither is decoded here; type, size and completeness come from the boxes.

use super::{Broken, Cursor, Survey, index};
use crate::workflow::OutputFormat;

/// Brands of a file type box that are looked at.
const BRANDS_MAX: usize = 32;

/// AVIF or MP4 by the brands of the file type box, if `file` starts with one.
pub(in super::super) fn recognise(file: &[u8]) -> Option<OutputFormat> {
    let mut boxes = Boxes(Cursor::new(file, 0));
    let (kind, body) = boxes.next()?.ok()?;
    if &kind != b"ftyp" {
        return None;
    }
    let brands: Vec<&[u8]> = body.chunks_exact(4).take(BRANDS_MAX).collect();
    let has = |names: &[&[u8; 4]]| brands.iter().any(|brand| names.iter().any(|name| brand == name));
    if has(&[b"avif", b"avis"]) {
        return Some(OutputFormat::Avif);
    }
    has(&[b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V "]).then_some(OutputFormat::Mp4)
}

/// Width and height of the largest item: a picture of tiles states its whole beside theirs.
pub(in super::super) fn avif_size(file: &[u8]) -> Result<(u32, u32), Broken> {
    let meta = child(file, b"meta")?;
    // A full box: version and flags come before the children.
    let items = child(child(meta.get(4..).ok_or(Broken("the file is cut off"))?, b"iprp")?, b"ipco")?;
    let mut largest = None;
    for entry in Boxes(Cursor::new(items, 0)) {
        let (kind, body) = entry?;
        if &kind == b"ispe" {
            let mut cursor = Cursor::new(body, 4);
            let size = (u32::from_be_bytes(cursor.array()?), u32::from_be_bytes(cursor.array()?));
            largest = largest.max(Some((u64::from(size.0) * u64::from(size.1), size)));
        }
    }
    largest.map(|(_, size)| size).ok_or(Broken("no size in the file"))
}

/// Width and height of the first track that shows anything.
pub(in super::super) fn mp4_size(file: &[u8]) -> Result<(u32, u32), Broken> {
    for entry in Boxes(Cursor::new(child(file, b"moov")?, 0)) {
        let (kind, body) = entry?;
        if &kind != b"trak" {
            continue;
        }
        let header = child(body, b"tkhd")?;
        let size = header.last_chunk::<8>().ok_or(Broken("the file is cut off"))?;
        // Fixed point: sixteen bits before it, sixteen behind.
        let width = u32::from(u16::from_be_bytes([size[0], size[1]]));
        let height = u32::from(u16::from_be_bytes([size[4], size[5]]));
        if width > 0 && height > 0 {
            return Ok((width, height));
        }
    }
    Err(Broken("no size in the file"))
}

pub(super) fn survey_avif(file: &[u8]) -> Result<Survey, Broken> {
    require(file, &[b"ftyp", b"meta", b"mdat"])?;
    let major = file.get(8..12);
    Ok(Survey { animated: major == Some(b"avis"), stripped: None, rgb: false })
}

pub(super) fn survey_mp4(file: &[u8]) -> Result<Survey, Broken> {
    require(file, &[b"ftyp", b"moov", b"mdat"])?;
    Ok(Survey::default())
}

/// Whether the boxes fill the file to its end and these are among them.
fn require(file: &[u8], wanted: &[&[u8; 4]]) -> Result<(), Broken> {
    let kinds = Boxes(Cursor::new(file, 0)).map(|entry| entry.map(|(kind, _)| kind)).collect::<Result<Vec<_>, _>>()?;
    if wanted.iter().all(|kind| kinds.contains(kind)) {
        return Ok(());
    }
    Err(Broken("a part of the file is missing"))
}

fn child<'a>(parent: &'a [u8], wanted: &[u8; 4]) -> Result<&'a [u8], Broken> {
    for entry in Boxes(Cursor::new(parent, 0)) {
        let (kind, body) = entry?;
        if &kind == wanted {
            return Ok(body);
        }
    }
    Err(Broken("a part of the file is missing"))
}

/// The boxes of one level: kind and content. Ends after the first that does not fit.
struct Boxes<'a>(Cursor<'a>);

impl<'a> Boxes<'a> {
    fn read(&mut self) -> Result<([u8; 4], &'a [u8]), Broken> {
        let cursor = &mut self.0;
        let start = cursor.at;
        let short = u32::from_be_bytes(cursor.array()?);
        let kind = cursor.array()?;
        let length = match short {
            0 => cursor.file.len() - start,
            1 => usize::try_from(u64::from_be_bytes(cursor.array()?)).unwrap_or(usize::MAX),
            length => index(length),
        };
        let header = cursor.at - start;
        let body = cursor.take(length.checked_sub(header).ok_or(Broken("a box shorter than its header"))?)?;
        Ok((kind, body))
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<([u8; 4], &'a [u8]), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_at_end() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.0.at = self.0.file.len();
        }
        Some(read)
    }
}
