//! The frames of picture and clip files, walked without touching a pixel.
//!
//! Decoders forgive much: a cut-off JPEG becomes a half grey picture, the first frame of an animation a still. Walking
//! the frame finds both, and finds what a customer should not receive: generators write their whole prompt and graph
//! into text chunks, which are left out here without encoding the picture anew.

pub(super) mod bmff;
mod gif;
pub(super) mod jpeg;
pub(super) mod png;
mod vp8l;
pub(super) mod webp;

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::workflow::OutputFormat;

/// What the frame tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// More than one picture in the file.
    pub(super) animated: bool,
    /// The same picture without metadata; `None` when the file holds none.
    pub(super) stripped: Option<Vec<u8>>,
    /// Its pixels are stored as RGB or RGBA of 8 bits, which every loader reads alike.
    pub(super) rgb: bool,
}

/// The frame ends early or contradicts itself.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub(super) struct Broken(pub(super) &'static str);

/// Walks the whole file. Every step goes forward, so the file's length bounds it.
pub(super) fn survey(format: OutputFormat, file: &[u8]) -> Result<Survey, Broken> {
    match format {
        OutputFormat::Png => png::survey(file),
        OutputFormat::Jpg => jpeg::survey(file),
        OutputFormat::Webp => webp::survey(file),
        OutputFormat::Gif => gif::survey(file),
        OutputFormat::Avif => bmff::survey_avif(file),
        OutputFormat::Mp4 => bmff::survey_mp4(file),
    }
}

/// Reads forward through a file and never past its end.
struct Cursor<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(file: &'a [u8], at: usize) -> Self {
        Self { file, at }
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.file.len()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let end = self.at.checked_add(length).ok_or(Broken("a length that no file has"))?;
        let taken = self.file.get(self.at..end).ok_or(Broken("the file is cut off"))?;
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Broken> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        Ok(self.take(N)?.try_into().expect("take gives what it was asked for"))
    }
}

/// A length read from a file, as an index. Saturates where `usize` is small; `take` then finds the file too short.
fn index(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
