//! One tile: a card with a picture and, below it, two lines of text.

use image::imageops::FilterType;
use image::{DynamicImage, Rgb, RgbImage};

use super::lettering::{Style, write};
use super::preview::{Preview, Seen};

/// The square that a picture is fitted into.
const PICTURE: u32 = 288;
const PADDING: u32 = 12;
const CAPTION: u32 = 56;
pub(super) const WIDTH: u32 = PICTURE + 2 * PADDING;
pub(super) const HEIGHT: u32 = PICTURE + 2 * PADDING + CAPTION;
#[cfg(test)]
pub(super) const PICTURE_MIDDLE: u32 = PADDING + PICTURE / 2;

/// Squares of the ground that shows where a picture is transparent.
const CHECK: u32 = 12;
/// Between frames of a clip.
const FRAME_GAP: u32 = 4;
/// Perforation of a film.
const HOLE: u32 = 9;

const CARD: Rgb<u8> = Rgb([255, 255, 255]);
const EDGE: Rgb<u8> = Rgb([219, 219, 222]);
const MAT: Rgb<u8> = Rgb([236, 236, 238]);
const FILM: Rgb<u8> = Rgb([40, 42, 50]);
const PALE: Rgb<u8> = Rgb([236, 236, 240]);

/// Below the name of what has no decoder here.
const NOT_SHOWN: &str = "cannot be shown here";

/// A place on the sheet: left, top, width, height.
type Place = (u32, u32, u32, u32);

/// Draws the tile with its upper left corner at `(x, y)`.
pub(super) fn draw(sheet: &mut RgbImage, (x, y): (u32, u32), name: &str, seen: &Seen) {
    fill(sheet, (x, y, WIDTH, HEIGHT), EDGE);
    fill(sheet, (x + 1, y + 1, WIDTH - 2, HEIGHT - 2), CARD);
    let place = (x + PADDING, y + PADDING, PICTURE, PICTURE);
    fill(sheet, place, MAT);
    match &seen.preview {
        Preview::Picture(image) => picture(sheet, place, image),
        Preview::Frames(frames) => self::frames(sheet, place, frames),
        Preview::Clip { width, height } => film(sheet, fitted(place, *width, *height, true)),
        Preview::Panel(word) => {
            fill(sheet, place, FILM);
            let (left, top, width, height) = place;
            centred(sheet, (left, top, width, height - Style::NAME.line_height()), Style::ON_DARK, word);
            centred(sheet, (left, top + Style::NAME.line_height(), width, height), Style::DIM, NOT_SHOWN);
        }
    }
    let (left, right, below) = (x + PADDING, x + WIDTH - PADDING, y + 2 * PADDING + PICTURE);
    write(sheet, (left, below - 2), right, Style::NAME, name);
    write(sheet, (left, below + Style::NAME.line_height() + 2), right, Style::DETAIL, &seen.detail);
}

/// Shows a picture as large as its place allows, but never enlarged.
fn picture(sheet: &mut RgbImage, place: Place, image: &DynamicImage) {
    let (left, top, width, height) = fitted(place, image.width(), image.height(), false);
    // In one step to twice the size, which is quick, and then finely: a huge picture keeps its look.
    let near = if image.width() > 2 * width { &image.thumbnail_exact(2 * width, 2 * height) } else { image };
    // A line around it, so that light edges of a picture are not taken for the tile.
    fill(sheet, (left - 1, top - 1, width + 2, height + 2), EDGE);
    let small = near.resize_exact(width, height, FilterType::CatmullRom).into_rgba8();
    for (x, y, pixel) in small.enumerate_pixels() {
        let [red, green, blue, alpha] = pixel.0;
        let ground = if (x / CHECK + y / CHECK).is_multiple_of(2) { 255 } else { 214 };
        let over = |channel: u8| {
            let mixed = (u16::from(channel) * u16::from(alpha) + ground * u16::from(255 - alpha)) / 255;
            u8::try_from(mixed).expect("a mean of two bytes is a byte")
        };
        sheet.put_pixel(left + x, top + y, Rgb([over(red), over(green), over(blue)]));
    }
}

/// Frames in a row or in a column, whichever shows them larger.
fn frames(sheet: &mut RgbImage, (left, top, width, height): Place, frames: &[DynamicImage]) {
    let count = u32::try_from(frames.len()).unwrap_or(1).max(1);
    let is_wide = frames.first().is_some_and(|frame| frame.width() > frame.height());
    let share = |whole: u32| (whole - FRAME_GAP * (count - 1)) / count;
    for (n, frame) in (0..count).zip(frames) {
        let place = if is_wide {
            (left, top + n * (share(height) + FRAME_GAP), width, share(height))
        } else {
            (left + n * (share(width) + FRAME_GAP), top, share(width), height)
        };
        picture(sheet, place, frame);
    }
}

/// A strip of film with the sign for playing it.
fn film(sheet: &mut RgbImage, place: Place) {
    let (left, top, width, height) = place;
    fill(sheet, place, FILM);
    for x in (left + HOLE..left + width - HOLE).step_by(2 * 9) {
        fill(sheet, (x, top + HOLE / 2, HOLE, HOLE), PALE);
        fill(sheet, (x, top + height - HOLE - HOLE / 2, HOLE, HOLE), PALE);
    }
    // A triangle that points to the right, a third as high as the film.
    let half = height / 6;
    let (middle_x, middle_y) = (left + width / 2, top + height / 2);
    for y in 0..=2 * half {
        let across = 2 * half.min(y).min(2 * half - y);
        fill(sheet, (middle_x - half * 3 / 4, middle_y - half + y, across * 6 / 7 + 1, 1), PALE);
    }
}

fn centred(sheet: &mut RgbImage, (left, top, width, height): Place, style: Style, word: &str) {
    let x = left + width.saturating_sub(style.width(word)) / 2;
    write(sheet, (x, top + (height - style.line_height()) / 2), left + width, style, word);
}

/// The largest place in the middle of `place` with the proportions of `width` to `height`; no larger than that unless
/// `enlarged`.
fn fitted((left, top, wide, high): Place, width: u32, height: u32, enlarged: bool) -> Place {
    let (width, height) = (width.max(1), height.max(1));
    let (mut across, mut down) = (width, height);
    if width > wide || height > high || enlarged {
        (across, down) = (wide, share(wide, height, width));
        if down > high {
            (across, down) = (share(high, width, height), high);
        }
    }
    (left + (wide - across) / 2, top + (high - down) / 2, across, down)
}

/// `of * part / whole`, rounded, at least 1.
fn share(of: u32, part: u32, whole: u32) -> u32 {
    let share = (u64::from(of) * u64::from(part) + u64::from(whole) / 2) / u64::from(whole);
    u32::try_from(share).unwrap_or(u32::MAX).max(1)
}

fn fill(sheet: &mut RgbImage, (left, top, width, height): Place, color: Rgb<u8>) {
    for y in top..(top + height).min(sheet.height()) {
        for x in left..(left + width).min(sheet.width()) {
            sheet.put_pixel(x, y, color);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Rgb<u8> = Rgb([200, 20, 30]);

    fn red(width: u32, height: u32) -> Seen {
        let image = DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, RED));
        Seen { preview: Preview::Picture(image), detail: "a detail".to_owned() }
    }

    /// The red area of a tile that was drawn at (7, 9): left, top, width, height.
    fn red_place(seen: &Seen) -> Place {
        let mut sheet = RgbImage::from_pixel(WIDTH + 20, HEIGHT + 20, Rgb([0, 0, 0]));
        draw(&mut sheet, (7, 9), "name", seen);
        let found: Vec<_> = sheet.enumerate_pixels().filter(|(_, _, p)| **p == RED).map(|(x, y, _)| (x, y)).collect();
        let left = found.iter().map(|at| at.0).min().expect("something red");
        let top = found.iter().map(|at| at.1).min().expect("something red");
        let (right, bottom) = (found.iter().map(|at| at.0).max(), found.iter().map(|at| at.1).max());
        (left - 7, top - 9, right.unwrap_or(0) - left + 1, bottom.unwrap_or(0) - top + 1)
    }

    #[test]
    fn a_large_picture_is_scaled_to_its_place_with_its_proportions() {
        assert_eq!(red_place(&red(4_000, 1_000)), (PADDING, PADDING + PICTURE * 3 / 8, PICTURE, PICTURE / 4));
        assert_eq!(red_place(&red(600, 1_200)), (PADDING + PICTURE / 4, PADDING, PICTURE / 2, PICTURE));
        assert_eq!(red_place(&red(8_000, 8_000)), (PADDING, PADDING, PICTURE, PICTURE));
    }

    #[test]
    fn a_small_picture_keeps_its_size() {
        let middle = PADDING + PICTURE / 2;
        assert_eq!(red_place(&red(40, 20)), (middle - 20, middle - 10, 40, 20));
    }

    #[test]
    fn transparency_shows_a_checked_ground() {
        let image = DynamicImage::ImageRgba8(image::RgbaImage::new(100, 100));
        let mut sheet = RgbImage::new(WIDTH, HEIGHT);
        draw(&mut sheet, (0, 0), "", &Seen { preview: Preview::Picture(image), detail: String::new() });
        let at = PADDING + (PICTURE - 100) / 2;
        assert_eq!(sheet.get_pixel(at + 2, at + 2).0, [255; 3]);
        assert_eq!(sheet.get_pixel(at + 2 + CHECK, at + 2).0, [214; 3]);
    }

    #[test]
    fn both_lines_are_written_below_the_picture() {
        let mut sheet = RgbImage::new(WIDTH, HEIGHT);
        draw(&mut sheet, (0, 0), "resize", &red(10, 10));
        let dark = |from: u32, to: u32| {
            (from..to).flat_map(|y| (0..WIDTH).map(move |x| (x, y))).filter(|(x, y)| sheet.get_pixel(*x, *y).0[0] < 150)
        };
        let below = 2 * PADDING + PICTURE - 2;
        let line = Style::NAME.line_height();
        assert!(dark(below, below + line).count() > 60);
        assert!(dark(below + line + 2, HEIGHT - 2).count() > 60);
    }
}
