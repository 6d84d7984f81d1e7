//! `graphic_transfer`: the graphic on the base, its middle at the position, as large as the scale makes it.

use image::{DynamicImage, Rgba, RgbaImage};

use super::Variety;
use super::canvas::mix;
use super::layer;
use crate::runpod::product::Order;

/// How much larger than the base a graphic becomes at most.
const OVER_BASE_MAX: f64 = 2.0;
/// How narrow its upper edge becomes in perspective.
const PERSPECTIVE: f32 = 0.7;

pub(super) fn draw(order: &Order, inputs: &[DynamicImage], variety: &mut Variety, index: usize) -> RgbaImage {
    let mut base = layer::stretched(&inputs[0], (order.width, order.height));
    // The base itself may have been scaled down; the graphic goes along.
    let shrunk = f64::from(order.width) / f64::from(inputs[0].width().max(1));
    let scale = order.number("scale", 1.0) * shrunk;
    let graphic = layer::stretched(&inputs[1], size(&inputs[1], scale, order));
    let graphic = if order.flag("match_perspective", false) { leaning(&graphic) } else { graphic };
    let position = |name: &str| order.object("position").and_then(|at| at.get(name)?.as_f64()).unwrap_or(0.5);
    // A further output puts it a little aside.
    let aside = |variety: &mut Variety| if index == 0 { 0.0 } else { f64::from(variety.share() - 0.5) * 0.06 };
    let corner = |share: f64, side: u32, own: u32| as_pixels(share * f64::from(side)) - i64::from(own) / 2;
    let left = corner(position("x") + aside(variety), base.width(), graphic.width());
    let top = corner(position("y") + aside(variety), base.height(), graphic.height());
    blend(&mut base, &graphic, (left, top), order.text("blend_mode"));
    base
}

fn size(graphic: &DynamicImage, scale: f64, order: &Order) -> (u32, u32) {
    let (width, height) = (f64::from(graphic.width()) * scale, f64::from(graphic.height()) * scale);
    let room = (f64::from(order.width) * OVER_BASE_MAX / width).min(f64::from(order.height) * OVER_BASE_MAX / height);
    let side = |side: f64| u32::try_from(as_pixels(side * room.min(1.0)).max(1)).unwrap_or(1);
    (side(width), side(height))
}

fn blend(base: &mut RgbaImage, graphic: &RgbaImage, (left, top): (i64, i64), mode: &str) {
    let within = |start: i64, own: u32, side: u32| {
        let end = (start + i64::from(own)).min(i64::from(side));
        start.max(0)..end
    };
    let columns = within(left, graphic.width(), base.width());
    for y in within(top, graphic.height(), base.height()) {
        for x in columns.clone() {
            let at = |n: i64| u32::try_from(n).unwrap_or(0);
            let over = graphic.get_pixel(at(x - left), at(y - top)).0;
            if over[3] == 0 {
                continue;
            }
            let under = &mut base.get_pixel_mut(at(x), at(y)).0;
            for n in 0..3 {
                let color = match mode {
                    "multiply" => product(under[n], over[n]),
                    "overlay" if under[n] < 128 => product(under[n], over[n]).saturating_mul(2),
                    "overlay" => 255 - product(255 - under[n], 255 - over[n]).saturating_mul(2),
                    _ => over[n],
                };
                under[n] = mix(under[n], color, over[3]);
            }
            under[3] = under[3].max(over[3]);
        }
    }
}

fn product(one: u8, other: u8) -> u8 {
    u8::try_from((u32::from(one) * u32::from(other) + 127) / 255).unwrap_or(u8::MAX)
}

/// As if it leaned back: the upper rows are narrower.
fn leaning(graphic: &RgbaImage) -> RgbaImage {
    let (width, height) = graphic.dimensions();
    let mut leaning = RgbaImage::new(width, height);
    for y in 0..height {
        let down = f64::from(y) / f64::from(height);
        let row = f64::from(PERSPECTIVE) + (1.0 - f64::from(PERSPECTIVE)) * down;
        let margin = as_pixels(f64::from(width) * (1.0 - row) / 2.0);
        let margin = u32::try_from(margin).unwrap_or(0).min(width / 2);
        let columns = u64::from((width - 2 * margin).max(1));
        for x in margin..(width - margin) {
            let from = u64::from(x - margin) * u64::from(width) / columns;
            let pixel: Rgba<u8> = *graphic.get_pixel(u32::try_from(from).unwrap_or(0).min(width - 1), y);
            leaning.put_pixel(x, y, pixel);
        }
    }
    leaning
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and what is outside is not drawn")]
fn as_pixels(pixels: f64) -> i64 {
    pixels.round() as i64
}
