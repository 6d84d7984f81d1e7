//! Pictures: real PNGs, the same for the same request, seed and index, and plainly different as soon as one of them differs.

mod canvas;
mod figure;

use std::io::Cursor;

use image::{ImageFormat, ImageResult};

use self::canvas::{Canvas, Color};
use super::product::Order;

/// Shapes strewn over the background.
const SHAPES: usize = 7;

/// A stream of numbers out of a digest: everything a picture varies by.
struct Variety {
    digest: [u8; 32],
    at: usize,
}

impl Variety {
    fn byte(&mut self) -> u8 {
        let byte = self.digest[self.at % self.digest.len()];
        // Later rounds must not repeat the first.
        let round = u8::try_from(self.at / self.digest.len()).unwrap_or(u8::MAX);
        self.at += 1;
        byte.wrapping_mul(1 + 2 * round).wrapping_add(round)
    }

    /// Between 0 and 1.
    fn share(&mut self) -> f32 {
        f32::from(self.byte()) / 255.0
    }

    fn color(&mut self, darkest: u8) -> Color {
        let span = u16::from(255 - darkest) + 1;
        let mut channel = || darkest + u8::try_from(u16::from(self.byte()) % span).unwrap_or(0);
        [channel(), channel(), channel()]
    }
}

/// Draws picture `index` of the order.
///
/// # Errors
///
/// The encoder failed, which it does only without memory.
pub(super) fn picture(order: &Order, index: usize) -> ImageResult<Vec<u8>> {
    let mut variety = Variety { digest: order.digest(index), at: 0 };
    let mut canvas = Canvas::new(order.width, order.height);
    background(&mut canvas, order, &mut variety);
    if order.workflow == "model" {
        figure::draw(&mut canvas, order, &mut variety);
    }
    encode(&canvas.into_pixels(), (order.width, order.height), ImageFormat::Png)
}

/// A flat picture of that size: many pixels in few bytes.
pub(super) fn flat(width: u32, height: u32) -> ImageResult<Vec<u8>> {
    let pixels = usize::try_from(width).unwrap_or(0) * usize::try_from(height).unwrap_or(0);
    let mut file = Cursor::new(Vec::new());
    let gray = image::GrayImage::from_raw(width, height, vec![128; pixels]).unwrap_or_default();
    gray.write_to(&mut file, ImageFormat::Png)?;
    Ok(file.into_inner())
}

/// Writes a PNG anew in another format.
pub(super) fn convert(png: &[u8], format: ImageFormat) -> ImageResult<Vec<u8>> {
    let picture = image::load_from_memory_with_format(png, ImageFormat::Png)?.into_rgb8();
    let size = picture.dimensions();
    encode(picture.as_raw(), size, format)
}

fn encode(pixels: &[u8], (width, height): (u32, u32), format: ImageFormat) -> ImageResult<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    image::write_buffer_with_format(&mut file, pixels, width, height, image::ExtendedColorType::Rgb8, format)?;
    Ok(file.into_inner())
}

fn background(canvas: &mut Canvas, order: &Order, variety: &mut Variety) {
    let (top, bottom) = match order.text("background") {
        "studio_white" => ([252, 252, 250], variety.color(190)),
        "studio_gray" => ([150, 152, 155], variety.color(70)),
        "natural" => ([150, 200, 240], [60, 130, 60]),
        _ => (variety.color(90), variety.color(30)),
    };
    canvas.gradient(top, bottom);
    for shape in 0..SHAPES {
        let color = variety.color(60);
        let (x, y) = (variety.share(), variety.share());
        let (a, b) = (0.03 + 0.09 * variety.share(), 0.03 + 0.09 * variety.share());
        match shape % 3 {
            0 => canvas.ellipse((x, y), (a, b), color),
            1 => canvas.polygon(&[(x - a, y - b), (x + a, y - b), (x + a, y + b), (x - a, y + b)], color),
            _ => canvas.polygon(&[(x, y - b), (x + a, y + b), (x - a, y + b)], color),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn draw(seed: u64, index: usize, pose: &str) -> Vec<u8> {
        let input = json!({"workflow_type": "model", "num_outputs": 2, "seed": seed, "width": 96, "height": 128,
            "input": {"gender": "female", "pose": pose, "age_range": "25-35", "ethnicity": "asian"}});
        let order = Order::read(&input, "job", (64, 64)).expect("valid");
        picture(&order, index).expect("it is drawn")
    }

    #[test]
    fn a_picture_has_the_size_asked_for_and_repeats_with_its_seed() {
        let drawn = draw(1, 0, "standing");
        let read = image::load_from_memory_with_format(&drawn, ImageFormat::Png).expect("a PNG");
        assert_eq!((read.width(), read.height()), (96, 128));
        assert_eq!(drawn, draw(1, 0, "standing"));
    }

    #[test]
    fn seed_index_and_parameters_each_change_the_picture() {
        let drawn = draw(1, 0, "standing");
        for other in [draw(2, 0, "standing"), draw(1, 1, "standing"), draw(1, 0, "walking")] {
            assert_ne!(drawn, other);
        }
    }
}
