//! Files that are not what was promised.

use std::sync::OnceLock;

use image::ImageFormat;

use super::draw;
use super::faults::{ImageForm, Spoil};
use super::output::File;

/// Size of a picture spoiled by `many_bytes`.
pub const MANY_BYTES: usize = 64 * 1024 * 1024;
/// Sides of a picture spoiled by `many_pixels`.
pub const MANY_PIXELS_SIDE: u32 = 9_000;

const SVG: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><script>alert(1)</script><rect width="64" height="64"/></svg>"#;

/// Spoils a file that was promised to have `size`. What is about its link or its base64 alone leaves it as it is.
pub(super) fn spoil(file: &mut File, how: Spoil, size: (u32, u32), form: ImageForm) {
    let mut become_text = |text: &str, content_type| *file = File { bytes: text.as_bytes().to_vec(), content_type };
    match how {
        Spoil::Text | Spoil::BadBase64 => become_text("This is no picture.", "text/plain"),
        Spoil::Html => become_text("<!doctype html><title>504</title><h1>Gateway timeout</h1>", "text/html"),
        Spoil::Svg => become_text(SVG, "image/svg+xml"),
        Spoil::Gif => convert(file, size, ImageFormat::Gif),
        Spoil::Jpeg => convert(file, size, ImageFormat::Jpeg),
        Spoil::Webp => convert(file, size, ImageFormat::WebP),
        Spoil::Png => convert(file, size, ImageFormat::Png),
        Spoil::Mp4 => *file = File { bytes: draw::clip(), content_type: "video/mp4" },
        Spoil::Empty => file.bytes.clear(),
        Spoil::Truncated => file.bytes.truncate(file.bytes.len() / 2),
        // Decoders stop at the end of the picture; what follows is only weight.
        Spoil::ManyBytes if form.is_url() => file.bytes.resize(MANY_BYTES, 0),
        Spoil::ManyPixels => *file = File { bytes: many_pixels().to_vec(), content_type: "image/png" },
        Spoil::ManyBytes | Spoil::BrokenLink | Spoil::RedirectLink | Spoil::ForeignLink => {}
    }
}

/// The file as a still picture of that format; one that has it already stays as it is.
fn convert(file: &mut File, size: (u32, u32), format: ImageFormat) {
    if file.content_type == format.to_mime_type() {
        return;
    }
    let bytes = draw::convert(&file.bytes, size, format).expect("a picture just drawn can be encoded again");
    *file = File { bytes, content_type: format.to_mime_type() };
}

fn many_pixels() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        draw::flat(MANY_PIXELS_SIDE, MANY_PIXELS_SIDE).expect("encoding into memory fails only without memory")
    })
}
