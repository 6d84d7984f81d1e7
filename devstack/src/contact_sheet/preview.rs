//! What a tile shows of a file: the picture, frames of a clip, or a panel where nothing can be decoded here.

use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, DynamicImage, ImageFormat};
use shared::images::inspect;
use shared::workflow::OutputFormat;

/// Frames of a clip that are looked at.
const FRAMES_MAX: usize = 400;

/// What there is to see.
pub(super) enum Preview {
    Picture(DynamicImage),
    /// Of a clip: the first frame, one from the middle, the last.
    Frames(Vec<DynamicImage>),
    /// A clip of these proportions, whose frames cannot be decoded here.
    Clip {
        width: u32,
        height: u32,
    },
    /// A file that cannot be decoded here, and the word for it.
    Panel(String),
}

/// A file as far as it can be read: what to show, and a line about it.
pub(super) struct Seen {
    pub(super) preview: Preview,
    pub(super) detail: String,
}

/// Reads a file of any kind; never fails.
pub(super) fn read(file: &[u8]) -> Seen {
    let Ok(found) = inspect(file) else {
        return Seen { preview: Preview::Panel("unreadable".to_owned()), detail: format!("{} bytes", file.len()) };
    };
    let (width, height) = (found.width, found.height);
    let mut detail = format!("{width} x {height} {}", found.format);
    let preview = match found.format {
        OutputFormat::Png => decoded(file, ImageFormat::Png),
        OutputFormat::Jpg => decoded(file, ImageFormat::Jpeg),
        OutputFormat::Webp => decoded(file, ImageFormat::WebP),
        OutputFormat::Gif => {
            let (count, frames) = frames(file);
            detail.push_str(&format!(", {count} frames"));
            if frames.is_empty() { Preview::Panel("unreadable".to_owned()) } else { Preview::Frames(frames) }
        }
        OutputFormat::Avif => Preview::Panel("AVIF".to_owned()),
        OutputFormat::Mp4 => {
            if let Some(seconds) = clip_seconds(file) {
                detail.push_str(&format!(", {seconds:.1} s"));
            }
            Preview::Clip { width, height }
        }
    };
    detail.push_str(&format!(", {} kB", file.len().div_ceil(1_000)));
    Seen { preview, detail }
}

fn decoded(file: &[u8], format: ImageFormat) -> Preview {
    match image::load_from_memory_with_format(file, format) {
        Ok(image) => Preview::Picture(image),
        Err(_) => Preview::Panel("unreadable".to_owned()),
    }
}

/// How many frames there are, and three of them.
fn frames(file: &[u8]) -> (usize, Vec<DynamicImage>) {
    let Ok(decoder) = GifDecoder::new(Cursor::new(file)) else { return (0, Vec::new()) };
    let frames: Vec<_> = decoder.into_frames().take(FRAMES_MAX).map_while(Result::ok).collect();
    let count = frames.len();
    let mut shown = vec![0, count / 2, count.saturating_sub(1)];
    shown.dedup();
    let frames = frames.into_iter().enumerate().filter(|(n, _)| shown.contains(n));
    (count, frames.map(|(_, frame)| DynamicImage::ImageRgba8(frame.into_buffer())).collect())
}

/// How long an MP4 plays, as its movie header says.
fn clip_seconds(file: &[u8]) -> Option<f64> {
    let header = child(child(file, b"moov")?, b"mvhd")?;
    let number = |at: usize| header.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    // The newer form has times of eight bytes; no clip is so long that the upper four would matter.
    let (scale, duration) = if *header.first()? == 1 { (number(20)?, number(28)?) } else { (number(12)?, number(16)?) };
    (scale > 0).then(|| f64::from(duration) / f64::from(scale))
}

/// The content of the first box of that kind.
fn child<'a>(mut boxes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    while let Some((length, rest)) = boxes.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (kind, _) = rest.split_first_chunk::<4>()?;
        if kind == wanted {
            return boxes.get(8..length);
        }
        boxes = boxes.get(length.max(8)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Sample, bad};

    #[test]
    fn a_picture_is_shown_and_described() {
        for (format, word) in [(ImageFormat::Png, "png"), (ImageFormat::Jpeg, "jpg"), (ImageFormat::WebP, "webp")] {
            let seen = read(&Sample::Mug.file(40, format));
            assert!(matches!(&seen.preview, Preview::Picture(image) if image.width() == 40));
            assert!(seen.detail.starts_with(&format!("40 x 40 {word}, ")), "{}", seen.detail);
        }
    }

    #[test]
    fn a_clip_shows_its_first_middle_and_last_frame() {
        let seen = read(&bad::animated_gif());
        let Preview::Frames(frames) = seen.preview else { panic!("no frames: {}", seen.detail) };
        assert_eq!(frames.len(), 3);
        assert_ne!(frames[0], frames[2]);
        assert!(seen.detail.starts_with("48 x 48 gif, 3 frames"), "{}", seen.detail);
    }

    #[test]
    fn an_mp4_says_how_large_and_how_long_it_is() {
        let seen = read(&bad::mp4(640, 360, 3));
        assert!(matches!(seen.preview, Preview::Clip { width: 640, height: 360 }));
        assert!(seen.detail.starts_with("640 x 360 mp4, 3.0 s, "), "{}", seen.detail);
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        for file in [bad::text(), bad::svg(), bad::truncated(ImageFormat::Png), Vec::new()] {
            assert!(matches!(read(&file).preview, Preview::Panel(word) if word == "unreadable"));
        }
        assert!(matches!(read(&bad::avif()).preview, Preview::Panel(word) if word == "AVIF"));
    }
}
