//! `background`: the input's subject alone, or before a background drawn from prompt and style.

use image::{DynamicImage, RgbaImage};

use super::Variety;
use super::canvas::{Canvas, Color, mix};
use super::layer;
use crate::runpod::product::Order;

/// Shapes of a busy background.
const SHAPES: usize = 14;
/// How much of the background's light falls on the subject.
const REFLECTION: u8 = 36;

/// Words of a prompt that tell a colour.
const WORDS: [(&str, Color); 20] = [
    ("red", [190, 50, 45]),
    ("green", [70, 150, 80]),
    ("blue", [65, 110, 190]),
    ("yellow", [230, 200, 80]),
    ("orange", [230, 140, 60]),
    ("pink", [235, 160, 185]),
    ("purple", [130, 90, 170]),
    ("white", [240, 240, 238]),
    ("black", [40, 40, 44]),
    ("gray", [140, 142, 146]),
    ("grey", [140, 142, 146]),
    ("gold", [200, 165, 85]),
    ("beach", [225, 200, 155]),
    ("sea", [70, 150, 190]),
    ("sky", [140, 190, 235]),
    ("forest", [55, 105, 65]),
    ("sunset", [235, 130, 90]),
    ("night", [30, 35, 65]),
    ("wood", [150, 105, 70]),
    ("marble", [225, 222, 218]),
];

pub(super) fn draw(order: &Order, inputs: &[DynamicImage], variety: &mut Variety, index: usize) -> DynamicImage {
    let mut subject = layer::cut_out(layer::stretched(&inputs[0], (order.width, order.height)));
    if order.flag("remove_only", false) {
        if index > 0 {
            // Another try cuts a little closer.
            tighten(&mut subject, index);
        }
        return DynamicImage::ImageRgba8(subject);
    }
    let color = prompt_color(order.text("prompt")).unwrap_or_else(|| variety.color(60));
    let mut canvas = Canvas::new(order.width, order.height);
    paint(&mut canvas, order.text("style"), color, variety);
    if order.flag("match_lighting", true) {
        for pixel in subject.chunks_exact_mut(4).filter(|pixel| pixel[3] > 0) {
            (0..3).for_each(|n| pixel[n] = mix(pixel[n], color[n], REFLECTION));
        }
    }
    canvas.lay(&subject, 0, 0);
    canvas.into_picture()
}

/// Takes away an edge of the picture as wide as the output is late.
fn tighten(subject: &mut RgbaImage, index: usize) {
    let margin = u32::try_from(index).unwrap_or(0);
    let (width, height) = subject.dimensions();
    for (x, y, pixel) in subject.enumerate_pixels_mut() {
        if x.min(y) < margin || width - x <= margin || height - y <= margin {
            pixel.0 = [0; 4];
        }
    }
}

fn prompt_color(prompt: &str) -> Option<Color> {
    let prompt = prompt.to_lowercase();
    let mut words = prompt.split(|letter: char| !letter.is_alphabetic());
    words.find_map(|word| WORDS.iter().find(|(known, _)| *known == word)).map(|(_, color)| *color)
}

fn paint(canvas: &mut Canvas, style: &str, color: Color, variety: &mut Variety) {
    let lighter = color.map(|channel| mix(channel, 255, 110));
    let darker = color.map(|channel| mix(channel, 0, 90));
    match style {
        "minimal" => {
            canvas.gradient(lighter, color);
            canvas.ellipse(
                (0.3 + 0.4 * variety.share(), 0.86),
                (0.5, 0.12),
                color.map(|channel| mix(channel, 255, 60)),
            );
        }
        "abstract" => {
            canvas.gradient(color, darker);
            for _ in 0..SHAPES {
                let corners = [variety.point(), variety.point(), variety.point()];
                canvas.polygon(&corners, near(color, variety));
            }
        }
        "artistic" => {
            canvas.gradient(lighter, darker);
            for _ in 0..SHAPES {
                let (x, y) = variety.point();
                let lean = variety.share() * 0.3;
                canvas.limb((x - 0.2, y - lean), (x + 0.2, y + lean), 0.06, near(color, variety));
            }
        }
        _ => {
            let horizon = 0.55 + 0.2 * variety.share();
            canvas.gradient(lighter, color);
            canvas.ellipse((variety.share(), 0.2), (0.09, 0.09), lighter.map(|channel| mix(channel, 255, 160)));
            canvas.block((0.0, horizon), (1.0, 1.0), darker);
            for n in 0..SHAPES {
                let x = variety.share();
                let depth = horizon + (1.0 - horizon) * super::ratio(n, SHAPES);
                canvas.ellipse((x, depth), (0.12, 0.015), darker.map(|channel| mix(channel, 255, 40)));
            }
        }
    }
}

/// A colour that goes with this one.
fn near(color: Color, variety: &mut Variety) -> Color {
    color.map(|channel| mix(channel, variety.byte(), 110))
}
