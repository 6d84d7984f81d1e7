//! `tryon`: the model's picture with the garment on its body, cut to the outline of its kind.

use image::DynamicImage;

use super::Variety;
use super::canvas::{Canvas, Point};
use super::layer::{self, share, side};
use crate::runpod::product::Order;

/// Where a kind of garment lies: its middle, and its width and height as shares of the picture's height.
struct Place {
    middle: Point,
    width: f32,
    height: f32,
    outline: Vec<Point>,
}

pub(super) fn draw(order: &Order, inputs: &[DynamicImage], variety: &mut Variety, index: usize) -> Canvas {
    let mirrored = (index % 2 == 1).then(|| inputs[0].fliph());
    let mut canvas =
        Canvas::of(&layer::stretched(mirrored.as_ref().unwrap_or(&inputs[0]), (order.width, order.height)));
    let place = place(order.text("garment_type"));
    let fit = match order.text("fit_adjustment") {
        "tight" => 0.85,
        "loose" => 1.2,
        _ => 1.0,
    };
    let size = (side(order.height, place.width * fit).min(order.width), side(order.height, place.height));
    let mut garment = layer::stretched(&inputs[1], size);
    if !layer::is_transparent(&garment) {
        layer::cut(&mut garment, &place.outline);
    }
    // Two tries never sit alike.
    let sway = if index == 0 { 0.0 } else { (variety.share() - 0.5) * 0.04 };
    let left = share(order.width, place.middle.0 + sway) - i64::from(size.0) / 2;
    let top = share(order.height, place.middle.1) - i64::from(size.1) / 2;
    canvas.lay(&garment, left, top);
    canvas
}

fn place(garment_type: &str) -> Place {
    let (middle, width, height) = match garment_type {
        "bottom" => ((0.5, 0.72), 0.3, 0.4),
        "dress" => ((0.5, 0.54), 0.36, 0.52),
        "outerwear" => ((0.5, 0.48), 0.46, 0.44),
        "accessory" => ((0.5, 0.5), 0.14, 0.14),
        _ => ((0.5, 0.44), 0.38, 0.32),
    };
    let outline = match garment_type {
        "bottom" => vec![(0.15, 0.0), (0.85, 0.0), (1.0, 1.0), (0.62, 1.0), (0.5, 0.3), (0.38, 1.0), (0.0, 1.0)],
        "dress" => vec![(0.3, 0.0), (0.7, 0.0), (0.68, 0.35), (1.0, 1.0), (0.0, 1.0), (0.32, 0.35)],
        "accessory" => layer::oval(),
        _ => vec![
            (0.28, 0.0),
            (0.42, 0.07),
            (0.58, 0.07),
            (0.72, 0.0),
            (1.0, 0.24),
            (0.88, 0.44),
            (0.76, 0.34),
            (0.76, 1.0),
            (0.24, 1.0),
            (0.24, 0.34),
            (0.12, 0.44),
            (0.0, 0.24),
        ],
    };
    Place { middle, width, height, outline }
}
