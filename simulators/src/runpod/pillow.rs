//! Pictures as Pillow reads them for ComfyUI's loaders, where that is not what the `image` crate makes of them.

use image::{DynamicImage, GrayImage, Luma};

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Where the header of a PNG says the bits of a channel and the kind of colour.
const BITS_AND_COLOURS: std::ops::Range<usize> = 24..26;
const GREY: u8 = 0;
const RGB: u8 = 2;

/// A decoded file in Pillow's view.
pub(super) struct Opened {
    pub(super) picture: DynamicImage,
    /// Has an alpha channel, or a palette with transparent colours. A single transparent colour of a grey or RGB PNG
    /// is no alpha channel: `LoadImage` ignores it.
    pub(super) alpha: bool,
}

/// What Pillow opens `file` as, which the `image` crate has decoded to `picture`.
pub(super) fn open(file: &[u8], picture: DynamicImage) -> Opened {
    let header = if file.starts_with(PNG_SIGNATURE) { file.get(BITS_AND_COLOURS) } else { None };
    match header {
        Some([16, GREY]) => Opened { picture: clipped(&picture).into(), alpha: false },
        Some([_, GREY | RGB]) => Opened { picture, alpha: false },
        _ => Opened { alpha: picture.color().has_alpha(), picture },
    }
}

/// 16-bit grey is mode `I;16`. `ImageOps` and `LoadImage` scale mode `I` only, and `convert("RGB")` clips `I;16`: all
/// above 255 is white.
fn clipped(picture: &DynamicImage) -> GrayImage {
    let grey = picture.to_luma16();
    GrayImage::from_fn(grey.width(), grey.height(), |x, y| {
        Luma([u8::try_from(grey.get_pixel(x, y).0[0]).unwrap_or(u8::MAX)])
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageBuffer, ImageFormat, LumaA};

    use super::*;

    fn opened(picture: &DynamicImage) -> Opened {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, ImageFormat::Png).expect("it is written to memory");
        let file = file.into_inner();
        open(&file, image::load_from_memory(&file).expect("a PNG"))
    }

    #[test]
    fn grey_of_sixteen_bits_is_clipped_and_of_eight_is_not() {
        let slope = |bits: u16| ImageBuffer::from_fn(4, 1, move |x, _| Luma([u16::try_from(x).expect("small") * bits]));
        let white = opened(&DynamicImage::ImageLuma16(slope(0x5555))).picture.into_rgb8();
        assert_eq!(white.as_raw()[..], [[0; 3], [255; 3], [255; 3], [255; 3]].concat());
        let dark = opened(&DynamicImage::ImageLuma16(slope(80))).picture.into_rgb8();
        assert_eq!(dark.as_raw()[..], [[0; 3], [80; 3], [160; 3], [240; 3]].concat());
        let eight = DynamicImage::ImageLuma16(slope(0x5555)).into_luma8();
        assert_eq!(opened(&eight.clone().into()).picture.into_luma8(), eight);
    }

    #[test]
    fn grey_with_alpha_of_sixteen_bits_is_scaled() {
        let half = ImageBuffer::from_pixel(1, 1, LumaA([0x8080_u16, 0x4040]));
        let opened = opened(&DynamicImage::ImageLumaA16(half));
        assert!(opened.alpha);
        assert_eq!(opened.picture.into_rgba8().as_raw()[..], [0x80, 0x80, 0x80, 0x40]);
    }
}
