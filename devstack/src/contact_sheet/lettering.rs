//! Text on a picture, in a font of fixed width.

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// What stands for a character that the font does not have.
const UNKNOWN: char = '?';

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Style {
    weight: FontWeight,
    height: RasterHeight,
    color: [u8; 3],
}

impl Style {
    pub(super) const TITLE: Self = Self::new(FontWeight::Bold, RasterHeight::Size24, [28, 30, 36]);
    pub(super) const NAME: Self = Self::new(FontWeight::Bold, RasterHeight::Size20, [28, 30, 36]);
    pub(super) const DETAIL: Self = Self::new(FontWeight::Regular, RasterHeight::Size16, [96, 98, 108]);
    pub(super) const HEADING: Self = Self::new(FontWeight::Regular, RasterHeight::Size20, [96, 98, 108]);
    pub(super) const DIM: Self = Self::new(FontWeight::Regular, RasterHeight::Size16, [160, 162, 172]);
    pub(super) const ON_DARK: Self = Self::new(FontWeight::Bold, RasterHeight::Size20, [236, 236, 240]);

    const fn new(weight: FontWeight, height: RasterHeight, color: [u8; 3]) -> Self {
        Self { weight, height, color }
    }

    fn letter_width(self) -> u32 {
        u32::try_from(get_raster_width(self.weight, self.height)).expect("letters are narrow")
    }

    pub(super) fn line_height(self) -> u32 {
        u32::try_from(self.height.val()).expect("letters are low")
    }

    /// How wide `text` becomes.
    pub(super) fn width(self, text: &str) -> u32 {
        let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        letters.saturating_mul(self.letter_width())
    }
}

/// Writes `text` with its upper left corner at `(x, y)`. What would pass `right` is left out.
pub(super) fn write(image: &mut RgbImage, (x, y): (u32, u32), right: u32, style: Style, text: &str) {
    let mut left = x;
    for letter in text.chars() {
        if left + style.letter_width() > right.min(image.width()) {
            return;
        }
        let raster = get_raster(letter, style.weight, style.height)
            .or_else(|| get_raster(UNKNOWN, style.weight, style.height))
            .expect("the font has a question mark");
        for (row, top) in raster.rows().zip(y..image.height()) {
            for (strength, across) in row.iter().zip(left..) {
                ink(image.get_pixel_mut(across, top), style.color, *strength);
            }
        }
        left += style.letter_width();
    }
}

fn ink(pixel: &mut Rgb<u8>, color: [u8; 3], strength: u8) {
    for (channel, wanted) in pixel.0.iter_mut().zip(color) {
        let mixed = (u16::from(wanted) * u16::from(strength) + u16::from(*channel) * u16::from(255 - strength)) / 255;
        *channel = u8::try_from(mixed).expect("a mean of two bytes is a byte");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Rgb<u8> = Rgb([255; 3]);

    fn inked(text: &str, right: u32) -> Vec<(u32, u32)> {
        let mut image = RgbImage::from_pixel(120, 40, WHITE);
        write(&mut image, (10, 8), right, Style::NAME, text);
        image.enumerate_pixels().filter(|(_, _, pixel)| **pixel != WHITE).map(|(x, y, _)| (x, y)).collect()
    }

    #[test]
    fn letters_stand_in_their_box_and_nowhere_else() {
        let pixels = inked("video", 120);
        assert!(pixels.len() > 100, "{} pixels", pixels.len());
        let (right, bottom) = (10 + Style::NAME.width("video"), 8 + Style::NAME.line_height());
        assert!(pixels.iter().all(|(x, y)| (10..right).contains(x) && (8..bottom).contains(y)));
    }

    #[test]
    fn different_texts_look_different_and_unknown_letters_are_shown_as_such() {
        assert_ne!(inked("resize", 120), inked("poster", 120));
        assert_eq!(inked("\u{4e2d}", 120), inked("?", 120));
    }

    #[test]
    fn a_text_too_long_for_its_place_ends_in_time() {
        assert!(inked("graphic_transfer", 60).iter().all(|(x, _)| *x < 60));
    }
}
