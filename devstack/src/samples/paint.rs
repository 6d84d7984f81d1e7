//! Soft-edged shapes on a picture. Coordinates are shares of its sides, so a drawing fits every size.

use image::{Rgba, RgbaImage};

/// x from the left and y from the top, each from 0 to 1.
pub(super) type Point = (f32, f32);
pub(super) type Color = [u8; 3];

/// A picture that shapes are painted on.
pub(super) struct Painting(RgbaImage);

impl Painting {
    /// A ground that goes from one colour at the top to another at the bottom.
    pub(super) fn on(side: u32, top: Color, bottom: Color) -> Self {
        Self(RgbaImage::from_fn(side, side, |_, y| {
            let [red, green, blue] = mix(top, bottom, share(y, side));
            Rgba([red, green, blue, 255])
        }))
    }

    /// Nothing but transparency.
    pub(super) fn on_nothing(side: u32) -> Self {
        Self(RgbaImage::new(side, side))
    }

    pub(super) fn into_image(self) -> RgbaImage {
        self.0
    }

    /// Fills where `distance` is negative; it says how far a point lies outside of the shape.
    pub(super) fn fill(&mut self, distance: impl Fn(Point) -> f32, color: impl Fn(Point) -> Color) {
        let side = self.0.width();
        let pixels = as_f32(side);
        for (x, y, pixel) in self.0.enumerate_pixels_mut() {
            let at = (share(x, side), share(y, side));
            let cover = (0.5 - distance(at) * pixels).clamp(0.0, 1.0);
            if cover > 0.0 {
                blend(pixel, color(at), cover);
            }
        }
    }

    /// A shadow on the ground: darkest in its middle, gone at its edge.
    pub(super) fn shadow(&mut self, middle: Point, (rx, ry): (f32, f32), depth: f32) {
        let side = self.0.width();
        for (x, y, pixel) in self.0.enumerate_pixels_mut() {
            let out = ((share(x, side) - middle.0) / rx).hypot((share(y, side) - middle.1) / ry);
            if out < 1.0 {
                blend(pixel, [20, 22, 30], (1.0 - out) * depth);
            }
        }
    }
}

pub(super) fn ellipse((x, y): Point, (rx, ry): (f32, f32)) -> impl Fn(Point) -> f32 {
    // Exact on the edge, and near enough beside it, where alone it matters.
    move |at| {
        let out = ((at.0 - x) / rx).hypot((at.1 - y) / ry);
        (out - 1.0) * rx.min(ry)
    }
}

/// A box around `middle` with round corners.
pub(super) fn rounded((x, y): Point, (half_width, half_height): (f32, f32), radius: f32) -> impl Fn(Point) -> f32 {
    move |at| {
        let (dx, dy) = ((at.0 - x).abs() - half_width + radius, (at.1 - y).abs() - half_height + radius);
        dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius
    }
}

pub(super) fn polygon(corners: &[Point]) -> impl Fn(Point) -> f32 {
    move |at| {
        let mut nearest = f32::MAX;
        let mut inside = false;
        for (n, from) in corners.iter().enumerate() {
            let to = corners[(n + 1) % corners.len()];
            let (ex, ey) = (to.0 - from.0, to.1 - from.1);
            let (px, py) = (at.0 - from.0, at.1 - from.1);
            let along = ((px * ex + py * ey) / (ex * ex + ey * ey)).clamp(0.0, 1.0);
            nearest = nearest.min((px - ex * along).hypot(py - ey * along));
            if (from.1 <= at.1) != (to.1 <= at.1) && at.0 < from.0 + (at.1 - from.1) / ey * ex {
                inside = !inside;
            }
        }
        if inside { -nearest } else { nearest }
    }
}

/// What is in `shape` and not in `hole`.
pub(super) fn without(shape: impl Fn(Point) -> f32, hole: impl Fn(Point) -> f32) -> impl Fn(Point) -> f32 {
    move |at| shape(at).max(-hole(at))
}

/// `color` with another brightness: 1 leaves it as it is.
pub(super) fn lit(color: Color, brightness: f32) -> Color {
    color.map(|channel| as_byte(f32::from(channel) * brightness))
}

pub(super) fn mix(from: Color, to: Color, share: f32) -> Color {
    [0, 1, 2].map(|n| as_byte(f32::from(from[n]) + (f32::from(to[n]) - f32::from(from[n])) * share))
}

fn blend(pixel: &mut Rgba<u8>, color: Color, cover: f32) {
    let below = f32::from(pixel.0[3]) / 255.0 * (1.0 - cover);
    let alpha = cover + below;
    for (n, channel) in color.into_iter().enumerate() {
        pixel.0[n] = as_byte((f32::from(channel) * cover + f32::from(pixel.0[n]) * below) / alpha);
    }
    pixel.0[3] = as_byte(alpha * 255.0);
}

/// The middle of a pixel.
fn share(pixel: u32, side: u32) -> f32 {
    (as_f32(pixel) + 0.5) / as_f32(side)
}

#[expect(clippy::cast_precision_loss, reason = "sides are at most a few thousand pixels")]
fn as_f32(pixels: u32) -> f32 {
    pixels as f32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates to a channel's range")]
fn as_byte(channel: f32) -> u8 {
    channel.round() as u8
}
