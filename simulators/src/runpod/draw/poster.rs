//! `poster`: the input in a frame, in the platform's size, with a band of text.

use image::DynamicImage;

use super::Variety;
use super::canvas::{Canvas, Color, mix};
use super::layer::{self, share, side};
use super::text;
use crate::runpod::product::{Order, read_color};

/// The height of the band, a share of the picture's.
const BAND: f32 = 0.2;
/// How much of what is left the input takes.
const FRAME: f32 = 0.9;
/// Shapes on a lively ground.
const SHAPES: usize = 9;

pub(super) fn draw(order: &Order, inputs: &[DynamicImage], variety: &mut Variety, index: usize) -> Canvas {
    let size = (order.width, order.height);
    let mut canvas = Canvas::new(size.0, size.1);
    let accent = ground(&mut canvas, order.text("style"), variety);
    let overlay = order.object("text_overlay");
    let text = |name: &str| overlay.and_then(|overlay| overlay.get(name)?.as_str()).unwrap_or_default();
    let (band, middle) = match text("position") {
        "top" => (0.0, f32::midpoint(1.0, BAND)),
        "center" => (0.5 - BAND / 2.0, 0.5),
        _ => (1.0 - BAND, (1.0 - BAND) / 2.0),
    };
    // In the centre the band lies over the picture, which then has all the room.
    let room = if text("position") == "center" { 1.0 } else { 1.0 - BAND };
    let frame = FRAME - 0.05 * super::ratio(index, 4);
    let picture = layer::fitted(&inputs[0], (side(size.0, frame), side(size.1, room * frame)));
    let left = (i64::from(size.0) - i64::from(picture.width())) / 2;
    let top = share(size.1, middle) - i64::from(picture.height()) / 2;
    canvas.lay(&picture, left, top);

    canvas.block((0.0, band), (1.0, band + BAND), accent);
    if overlay.is_some() {
        let color = read_color(text("color")).unwrap_or([255; 3]);
        text::write(&mut canvas, text("text"), (band, band + BAND), color, text("font"));
    } else {
        let light = accent.map(|channel| mix(channel, 255, 120));
        canvas.block((0.3, band + BAND * 0.45), (0.7, band + BAND * 0.55), light);
    }
    canvas
}

/// Draws what is behind, and tells the colour of the band.
fn ground(canvas: &mut Canvas, style: &str, variety: &mut Variety) -> Color {
    let color = variety.color(50);
    match style {
        "vibrant" => {
            canvas.gradient(color, variety.color(120));
            for _ in 0..SHAPES {
                canvas.ellipse(variety.point(), (0.08, 0.08), variety.color(130));
            }
            [20, 20, 30]
        }
        "professional" => {
            canvas.gradient([28, 44, 78], [18, 28, 50]);
            canvas.polygon(&[(0.0, 0.0), (0.5, 0.0), (0.0, 0.4 + 0.3 * variety.share())], [44, 70, 120]);
            color.map(|channel| mix(channel, 0, 130))
        }
        "artistic" => {
            canvas.gradient([245, 235, 220], color);
            for _ in 0..SHAPES {
                canvas.limb(variety.point(), variety.point(), 0.03, variety.color(90));
            }
            color.map(|channel| mix(channel, 0, 100))
        }
        _ => {
            canvas.gradient([250, 249, 246], color.map(|channel| mix(channel, 255, 200)));
            color.map(|channel| mix(channel, 0, 120))
        }
    }
}
