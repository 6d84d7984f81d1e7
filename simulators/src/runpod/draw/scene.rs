//! `lifestyle`: a scene by its name, its time of day, light and style, with the product standing in front.

use image::{DynamicImage, RgbaImage};

use super::Variety;
use super::canvas::{Canvas, Color, mix};
use super::layer::{self, share, side};
use crate::runpod::product::Order;

/// Where the product stands, a share of the height.
const GROUND: f32 = 0.86;
/// The product's greatest height and width, shares of the picture's.
const PRODUCT: (f32, f32) = (0.5, 0.46);

/// The greatest side of the product before it is cut out.
const SKETCH_SIDE: u32 = 1_024;

/// The colours of a scene.
struct Palette {
    wall: Color,
    floor: Color,
    wood: Color,
    accent: Color,
    sky: (Color, Color),
}

pub(super) fn draw(order: &Order, inputs: &[DynamicImage], variety: &mut Variety) -> Canvas {
    let palette = palette(order, variety);
    let mut canvas = Canvas::new(order.width, order.height);
    furnish(&mut canvas, order.text("scene"), &palette, variety);
    let night = order.text("time_of_day") == "night";
    light(&mut canvas, order.text("lighting"), night);

    let subject = layer::trimmed(&layer::cut_out(sketch(&inputs[0])));
    let room = (side(order.width, PRODUCT.1), side(order.height, PRODUCT.0));
    let product = layer::fitted(&DynamicImage::ImageRgba8(subject), room);
    let x = 0.42 + 0.16 * variety.share();
    let half = layer::part(product.width(), order.width) / 2.0;
    canvas.ellipse((x, GROUND), (half * 1.1, 0.025), palette.floor.map(|channel| mix(channel, 0, 120)));
    canvas.lay(
        &product,
        share(order.width, x) - i64::from(product.width()) / 2,
        share(order.height, GROUND) - i64::from(product.height()),
    );
    canvas
}

/// The product no larger than it can be needed, which saves time with large ones.
fn sketch(product: &DynamicImage) -> RgbaImage {
    if product.width().max(product.height()) <= SKETCH_SIDE {
        product.to_rgba8()
    } else {
        layer::fitted(product, (SKETCH_SIDE, SKETCH_SIDE))
    }
}

fn palette(order: &Order, variety: &mut Variety) -> Palette {
    let accent = variety.color(70);
    let (wall, floor, wood, accent) = match order.text("style") {
        "modern" => ([214, 219, 224], [120, 124, 130], [70, 74, 82], accent),
        "rustic" => ([214, 190, 156], [124, 84, 52], [94, 58, 34], [150, 70, 40]),
        "minimalist" => {
            ([246, 245, 242], [226, 222, 214], [205, 196, 182], accent.map(|channel| mix(channel, 255, 140)))
        }
        "luxury" => ([52, 46, 62], [36, 30, 34], [88, 62, 30], [206, 170, 92]),
        _ => ([228, 218, 200], [168, 130, 92], [120, 86, 58], accent),
    };
    let sky = match order.text("time_of_day") {
        "morning" => ([170, 205, 240], [255, 226, 180]),
        "evening" => ([90, 80, 140], [250, 150, 90]),
        "night" => ([10, 14, 40], [34, 40, 84]),
        _ => ([110, 175, 240], [215, 235, 250]),
    };
    Palette { wall, floor, wood, accent, sky }
}

fn furnish(canvas: &mut Canvas, scene: &str, palette: &Palette, variety: &mut Variety) {
    let Palette { wall, floor, wood, accent, sky } = *palette;
    if scene == "outdoor" {
        return outdoors(canvas, palette, variety);
    }
    canvas.gradient(wall, wall.map(|channel| mix(channel, 0, 40)));
    canvas.block((0.0, 0.72), (1.0, 1.0), floor);
    let at = 0.04 * variety.share();
    match scene {
        "office" => {
            window(canvas, (0.62 + at, 0.1), (0.92 + at, 0.45), sky);
            canvas.block((0.05, 0.62), (0.95, 0.68), wood);
            canvas.block((0.1, 0.68), (0.14, 0.95), wood);
            canvas.block((0.86, 0.68), (0.9, 0.95), wood);
            canvas.block((0.12 + at, 0.36), (0.36 + at, 0.58), [30, 32, 38]);
            canvas.block((0.13 + at, 0.38), (0.35 + at, 0.55), accent);
        }
        "kitchen" => {
            for column in 0..8 {
                let x = super::ratio(column, 8);
                canvas.block((x + 0.004, 0.0), (x + 0.121, 0.22), wood);
                canvas.block((x + 0.004, 0.3), (x + 0.121, 0.44), wall.map(|channel| mix(channel, 255, 120)));
            }
            canvas.block((0.0, 0.62), (1.0, 0.67), [60, 62, 66]);
            canvas.block((0.0, 0.67), (1.0, 0.95), wood);
            canvas.ellipse((0.12 + at, 0.58), (0.05, 0.04), accent);
        }
        "bedroom" => {
            window(canvas, (0.06 + at, 0.1), (0.34 + at, 0.46), sky);
            canvas.block((0.42, 0.34), (0.98, 0.66), wood);
            canvas.block((0.44, 0.52), (0.98, 0.8), [244, 240, 236]);
            canvas.block((0.44, 0.64), (0.98, 0.82), accent);
            canvas.ellipse((0.58, 0.52), (0.1, 0.05), [255, 252, 248]);
        }
        "studio" => {
            canvas.gradient(wall.map(|channel| mix(channel, 255, 150)), accent.map(|channel| mix(channel, 255, 120)));
            canvas.ellipse((0.5, 0.9), (0.42, 0.09), [255, 255, 255]);
        }
        _ => {
            window(canvas, (0.64 + at, 0.08), (0.94 + at, 0.48), sky);
            canvas.block((0.08, 0.44), (0.62, 0.7), accent);
            canvas.block((0.04, 0.56), (0.66, 0.76), accent.map(|channel| mix(channel, 0, 50)));
            canvas.limb((0.8, 0.76), (0.8, 0.52), 0.012, wood);
            canvas.polygon(&[(0.72, 0.54), (0.88, 0.54), (0.84, 0.42), (0.76, 0.42)], [250, 230, 170]);
        }
    }
}

fn outdoors(canvas: &mut Canvas, palette: &Palette, variety: &mut Variety) {
    canvas.gradient(palette.sky.0, palette.sky.1);
    canvas.ellipse((0.15 + 0.7 * variety.share(), 0.18), (0.07, 0.07), [255, 244, 200]);
    canvas.ellipse((0.25, 0.72), (0.5, 0.2), [70, 120, 84]);
    canvas.ellipse((0.85, 0.74), (0.45, 0.22), [58, 104, 74]);
    canvas.block((0.0, 0.72), (1.0, 1.0), [96, 150, 76]);
    for _ in 0..4 {
        let x = variety.share();
        canvas.limb((x, 0.74), (x, 0.62), 0.02, palette.wood);
        canvas.ellipse((x, 0.54), (0.07, 0.1), [44, 96, 58]);
    }
}

fn window(canvas: &mut Canvas, from: (f32, f32), to: (f32, f32), sky: (Color, Color)) {
    canvas.block(from, to, [250, 250, 250]);
    let (left, right, middle) = (from.0 + 0.01, to.0 - 0.01, f32::midpoint(from.1, to.1));
    canvas.block((left, from.1 + 0.01), (right, middle), sky.0);
    canvas.block((left, middle + 0.005), (right, to.1 - 0.01), sky.1);
}

fn light(canvas: &mut Canvas, lighting: &str, night: bool) {
    let lit = |value: u8| match lighting {
        "studio" => mix(value, 255, 40),
        "soft" => mix(value, 190, 60),
        // Dark becomes darker, and light lighter.
        "dramatic" => mix(value, if value < 150 { 0 } else { 255 }, 90),
        _ => value,
    };
    canvas.tone(|value| if night { mix(lit(value), 0, 110) } else { lit(value) });
}
