//! Filled shapes and pictures on a grid of RGB pixels. Shapes have shares of the width and height as coordinates, so a drawing
//! fits every size; pictures are laid at pixels.

use image::{DynamicImage, RgbImage, RgbaImage};

pub(super) type Color = [u8; 3];
/// x from the left and y from the top, each from 0 to 1.
pub(super) type Point = (f32, f32);

/// Sides of the polygon that stands for an ellipse.
const ELLIPSE_SIDES: u8 = 48;

pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Self {
        let (width, height) = (usize::try_from(width).unwrap_or(1), usize::try_from(height).unwrap_or(1));
        Self { width, height, pixels: vec![0; width * height * 3] }
    }

    /// A canvas with the picture on it; what is transparent in it is white.
    pub(super) fn of(picture: &RgbaImage) -> Self {
        let mut canvas = Self::new(picture.width(), picture.height());
        canvas.pixels.fill(255);
        canvas.lay(picture, 0, 0);
        canvas
    }

    pub(super) fn into_picture(self) -> DynamicImage {
        let (width, height) = self.size();
        RgbImage::from_raw(width, height, self.pixels).map(DynamicImage::ImageRgb8).unwrap_or_default()
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (u32::try_from(self.width).unwrap_or(u32::MAX), u32::try_from(self.height).unwrap_or(u32::MAX))
    }

    /// Width divided by height.
    pub(super) fn aspect(&self) -> f32 {
        as_f32(self.width) / as_f32(self.height)
    }

    pub(super) fn gradient(&mut self, top: Color, bottom: Color) {
        for y in 0..self.height {
            let share = as_f32(y) / as_f32(self.height);
            let mix = |n: usize| round(f32::from(top[n]) * (1.0 - share) + f32::from(bottom[n]) * share);
            self.span(y, 0, self.width, [mix(0), mix(1), mix(2)]);
        }
    }

    pub(super) fn ellipse(&mut self, (x, y): Point, (rx, ry): (f32, f32), color: Color) {
        let corner = |n: u8| {
            let angle = std::f32::consts::TAU * f32::from(n) / f32::from(ELLIPSE_SIDES);
            (x + rx * angle.cos(), y + ry * angle.sin())
        };
        let corners: Vec<Point> = (0..ELLIPSE_SIDES).map(corner).collect();
        self.polygon(&corners, color);
    }

    /// A thick line with round ends; `width` is a share of the height.
    pub(super) fn limb(&mut self, from: Point, to: Point, width: f32, color: Color) {
        let aspect = self.aspect();
        let (dx, dy) = ((to.0 - from.0) * aspect, to.1 - from.1);
        let length = dx.hypot(dy).max(f32::EPSILON);
        let (nx, ny) = (-dy / length * width / 2.0 / aspect, dx / length * width / 2.0);
        let corners =
            [(from.0 + nx, from.1 + ny), (to.0 + nx, to.1 + ny), (to.0 - nx, to.1 - ny), (from.0 - nx, from.1 - ny)];
        self.polygon(&corners, color);
        for end in [from, to] {
            self.ellipse(end, (width / 2.0 / aspect, width / 2.0), color);
        }
    }

    /// Lays a picture with its upper left corner at this pixel, which may lie outside. What is transparent shows what is below.
    pub(super) fn lay(&mut self, picture: &RgbaImage, left: i64, top: i64) {
        let pixels = |side: u32| usize::try_from(side).unwrap_or(0);
        let (skipped, left) = (usize::try_from(-left).unwrap_or(0), usize::try_from(left).unwrap_or(0));
        let (above, top) = (usize::try_from(-top).unwrap_or(0), usize::try_from(top).unwrap_or(0));
        let columns = pixels(picture.width()).saturating_sub(skipped).min(self.width.saturating_sub(left));
        let rows = pixels(picture.height()).saturating_sub(above).min(self.height.saturating_sub(top));
        for row in 0..rows {
            let from = ((above + row) * pixels(picture.width()) + skipped) * 4;
            let to = ((top + row) * self.width + left) * 3;
            let over = &picture.as_raw()[from..from + columns * 4];
            let under = &mut self.pixels[to..to + columns * 3];
            for (under, over) in under.chunks_exact_mut(3).zip(over.chunks_exact(4)) {
                match over[3] {
                    0 => {}
                    255 => under.copy_from_slice(&over[..3]),
                    alpha => (0..3).for_each(|n| under[n] = mix(under[n], over[n], alpha)),
                }
            }
        }
    }

    /// Gives every channel of every pixel another value.
    pub(super) fn tone(&mut self, value: impl Fn(u8) -> u8) {
        let table: [u8; 256] = std::array::from_fn(|n| value(u8::try_from(n).unwrap_or(u8::MAX)));
        for channel in &mut self.pixels {
            *channel = table[usize::from(*channel)];
        }
    }

    /// Fills a rectangle.
    pub(super) fn block(&mut self, (left, top): Point, (right, bottom): Point, color: Color) {
        self.polygon(&[(left, top), (right, top), (right, bottom), (left, bottom)], color);
    }

    /// Fills a rectangle of pixels, as far as it lies inside.
    pub(super) fn pixels(&mut self, (left, top): (usize, usize), (width, height): (usize, usize), color: Color) {
        for y in top..(top + height).min(self.height) {
            self.span(y, left, left + width, color);
        }
    }

    /// Fills by the even-odd rule.
    pub(super) fn polygon(&mut self, corners: &[Point], color: Color) {
        let (width, height) = (as_f32(self.width), as_f32(self.height));
        let corners: Vec<Point> = corners.iter().map(|(x, y)| (x * width, y * height)).collect();
        let top = corners.iter().map(|corner| corner.1).fold(height, f32::min);
        let bottom = corners.iter().map(|corner| corner.1).fold(0.0, f32::max);
        let mut crossings: Vec<f32> = Vec::with_capacity(corners.len());
        for y in as_index(top)..(as_index(bottom) + 1).min(self.height) {
            let line = as_f32(y) + 0.5;
            crossings.clear();
            for (n, (x0, y0)) in corners.iter().enumerate() {
                let (x1, y1) = corners[(n + 1) % corners.len()];
                if (*y0 <= line) != (y1 <= line) {
                    crossings.push(x0 + (line - y0) / (y1 - y0) * (x1 - x0));
                }
            }
            crossings.sort_by(f32::total_cmp);
            for pair in crossings.chunks_exact(2) {
                self.span(y, as_index(pair[0].round()), as_index(pair[1].round()), color);
            }
        }
    }

    /// Fills part of a row. Doubling copies keep it fast in an unoptimised build as well.
    fn span(&mut self, y: usize, from: usize, to: usize, color: Color) {
        let to = to.min(self.width);
        if from >= to {
            return;
        }
        let start = (y * self.width + from) * 3;
        let row = &mut self.pixels[start..start + (to - from) * 3];
        row[..3].copy_from_slice(&color);
        let mut filled = 3;
        while filled < row.len() {
            let more = filled.min(row.len() - filled);
            row.copy_within(..more, filled);
            filled += more;
        }
    }
}

/// A channel of what lies over another; `alpha` 255 hides what is under it.
pub(super) fn mix(under: u8, over: u8, alpha: u8) -> u8 {
    let (under, over, alpha) = (u32::from(under), u32::from(over), u32::from(alpha));
    u8::try_from((under * (255 - alpha) + over * alpha + 127) / 255).unwrap_or(u8::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "sides are at most a few thousand pixels")]
fn as_f32(pixels: usize) -> f32 {
    pixels as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates: what is left of the picture becomes 0"
)]
fn as_index(pixels: f32) -> usize {
    pixels as usize
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates to a channel's range")]
fn round(channel: f32) -> u8 {
    channel.round() as u8
}
