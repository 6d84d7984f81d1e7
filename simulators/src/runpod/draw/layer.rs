//! Input pictures as layers: brought to a size, and their subject told from what is around it.

use image::imageops::FilterType;
use image::{DynamicImage, Rgba, RgbaImage};

use super::canvas::{Canvas, Point};

/// How far a pixel's channels, together, may lie from the background's before it belongs to the subject.
const UNLIKE_MIN: i32 = 60;
/// The share of pixels, in a hundred, that a subject has at least and at most; beside that none was found.
const SUBJECT_PERCENT: std::ops::RangeInclusive<usize> = 4..=92;
/// Fixed point: whole and broken parts of a colour while the background is stepped along a row.
const ONE: i32 = 1 << 12;

/// The picture in exactly that size, stretched if need be.
pub(super) fn stretched(picture: &DynamicImage, (width, height): (u32, u32)) -> RgbaImage {
    if (picture.width(), picture.height()) == (width, height) {
        return picture.to_rgba8();
    }
    picture.resize_exact(width.max(1), height.max(1), FilterType::Triangle).into_rgba8()
}

/// The picture as large as fits, in its own shape.
pub(super) fn fitted(picture: &DynamicImage, (width, height): (u32, u32)) -> RgbaImage {
    picture.resize(width.max(1), height.max(1), FilterType::Triangle).into_rgba8()
}

/// Whether something shows through the picture.
pub(super) fn is_transparent(picture: &RgbaImage) -> bool {
    picture.as_raw().iter().skip(3).step_by(4).any(|alpha| *alpha < 128)
}

/// Lets only what lies inside the outline be seen; its corners are shares of the width and height.
pub(super) fn cut(picture: &mut RgbaImage, outline: &[Point]) {
    let mut stencil = Canvas::new(picture.width(), picture.height());
    stencil.polygon(outline, [255; 3]);
    let stencil = stencil.into_picture().into_rgb8();
    for (pixel, stencil) in picture.chunks_exact_mut(4).zip(stencil.as_raw().chunks_exact(3)) {
        pixel[3] = pixel[3].min(stencil[0]);
    }
}

/// How far each pixel belongs to the subject, 0 or 255: what is opaque of a picture with transparency, else what is unlike the
/// background that the four corners tell. None where nothing stands out.
pub(super) fn subject(picture: &RgbaImage) -> Option<Vec<u8>> {
    if is_transparent(picture) {
        return Some(picture.as_raw().iter().skip(3).step_by(4).copied().collect());
    }
    let (width, height) = picture.dimensions();
    let (right, bottom) = (width - 1, height - 1);
    let corner = |x, y| picture.get_pixel(x, y).0.map(i32::from);
    let (top, low) = ([corner(0, 0), corner(right, 0)], [corner(0, bottom), corner(right, bottom)]);
    let steps = i32::try_from(right.max(1)).ok()?;
    let rows = i32::try_from(bottom.max(1)).ok()?;
    let mut mask = Vec::with_capacity(picture.as_raw().len() / 4);
    for (y, row) in (0..).zip(picture.as_raw().chunks_exact(usize::try_from(width).ok()? * 4)) {
        let between = |upper: i32, lower: i32| (upper * ONE) + (lower - upper) * ONE / rows * y;
        let mut color: [i32; 3] = std::array::from_fn(|n| between(top[0][n], low[0][n]));
        let step: [i32; 3] = std::array::from_fn(|n| (between(top[1][n], low[1][n]) - color[n]) / steps);
        for pixel in row.chunks_exact(4) {
            let unlike = |n: usize| (i32::from(pixel[n]) - color[n] / ONE).abs();
            mask.push(if unlike(0) + unlike(1) + unlike(2) >= UNLIKE_MIN { 255 } else { 0 });
            color[0] += step[0];
            color[1] += step[1];
            color[2] += step[2];
        }
    }
    let of_subject = mask.iter().filter(|alpha| **alpha > 0).count();
    SUBJECT_PERCENT.contains(&(of_subject * 100 / mask.len().max(1))).then_some(mask)
}

/// The picture with nothing around its subject; where none stands out, an oval of its middle is kept.
pub(super) fn cut_out(mut picture: RgbaImage) -> RgbaImage {
    match subject(&picture) {
        Some(mask) => {
            for (pixel, alpha) in picture.chunks_exact_mut(4).zip(mask) {
                pixel[3] = alpha;
            }
        }
        None => cut(&mut picture, &oval()),
    }
    picture
}

/// The picture without the rows and columns at its edges in which nothing is to be seen.
pub(super) fn trimmed(picture: &RgbaImage) -> RgbaImage {
    let seen = |pixel: &Rgba<u8>| pixel.0[3] >= 128;
    let rows: Vec<u32> = (0..).zip(picture.rows()).filter(|(_, row)| row.clone().any(seen)).map(|(y, _)| y).collect();
    let (Some(top), Some(bottom)) = (rows.first().copied(), rows.last().copied()) else { return picture.clone() };
    let is_column = |x: &u32| (top..=bottom).any(|y| seen(picture.get_pixel(*x, y)));
    let left = (0..picture.width()).find(is_column).unwrap_or(0);
    let right = (left..picture.width()).rev().find(is_column).unwrap_or(left);
    let whole = DynamicImage::ImageRgba8(picture.clone());
    whole.crop_imm(left, top, right - left + 1, bottom - top + 1).into_rgba8()
}

/// An oval that leaves a margin.
pub(super) fn oval() -> Vec<Point> {
    const CORNERS: u8 = 64;
    let angle = |n: u8| std::f32::consts::TAU * f32::from(n) / f32::from(CORNERS);
    (0..CORNERS).map(|n| (0.5 + 0.42 * angle(n).cos(), 0.5 + 0.42 * angle(n).sin())).collect()
}

/// The share that some pixels have of a side.
#[expect(clippy::cast_precision_loss, reason = "sides are at most a few thousand pixels")]
pub(super) fn part(pixels: u32, of: u32) -> f32 {
    pixels as f32 / of.max(1) as f32
}

/// A share of a side in pixels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "sides are at most a few thousand pixels"
)]
pub(super) fn share(side: u32, share: f32) -> i64 {
    (side as f32 * share).round() as i64
}

/// The same for a side of something, which has at least one pixel.
pub(super) fn side(of: u32, part: f32) -> u32 {
    u32::try_from(share(of, part).max(1)).unwrap_or(u32::MAX)
}
