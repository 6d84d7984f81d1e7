//! Input pictures and a complete request for each workflow.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::{Value, json};

pub(crate) const RED: [u8; 3] = [200, 40, 40];
pub(crate) const WHITE: [u8; 3] = [255; 3];

/// All that can be asked for.
pub(crate) const WORKFLOWS: [&str; 10] = [
    "model",
    "tryon",
    "color_change",
    "upscale",
    "graphic_transfer",
    "resize",
    "background",
    "lifestyle",
    "video",
    "poster",
];

/// Everything in one colour.
pub(crate) fn plain(width: u32, height: u32, color: [u8; 3]) -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, Rgb(color)))
}

/// A red square in the middle of white, half as wide and high.
pub(crate) fn product(width: u32, height: u32) -> DynamicImage {
    let within = |n: u32, side: u32| (side / 4..side - side / 4).contains(&n);
    let color = |x, y| Rgb(if within(x, width) && within(y, height) { RED } else { WHITE });
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, color))
}

/// A blue square with transparency around it.
pub(crate) fn graphic(side: u32) -> DynamicImage {
    let within = |n: u32| (side / 4..side - side / 4).contains(&n);
    let color = |x, y| Rgba(if within(x) && within(y) { [20, 60, 220, 255] } else { [0; 4] });
    DynamicImage::ImageRgba8(RgbaImage::from_fn(side, side, color))
}

pub(crate) fn bytes(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// As a PNG, the way a picture is sent.
pub(crate) fn sent(picture: &DynamicImage) -> String {
    STANDARD.encode(bytes(picture, ImageFormat::Png))
}

/// The parameters a workflow cannot do without. The first input is 96 by 64, where there is one.
pub(crate) fn parameters(workflow: &str) -> Value {
    let picture = sent(&product(96, 64));
    match workflow {
        "model" => json!({"gender": "male", "pose": "action", "age_range": "35-50", "ethnicity": "asian"}),
        "tryon" => {
            json!({"model_image": sent(&plain(96, 64, [90, 120, 90])), "garment_image": picture, "garment_type": "top"})
        }
        "color_change" => json!({"input_image": picture, "target_color": "#2050D0"}),
        "upscale" => json!({"input_image": picture, "upscale_level": 2}),
        "graphic_transfer" => json!({"base_image": picture, "graphic_image": sent(&graphic(32)),
            "position": {"x": 0.5, "y": 0.5}, "scale": 1}),
        "resize" => {
            json!({"input_image": picture, "target_width": 128, "target_height": 72, "maintain_aspect": true})
        }
        "background" => json!({"input_image": picture, "prompt": "a quiet beach", "style": "minimal"}),
        "lifestyle" => json!({"product_image": picture, "scene": "kitchen", "lighting": "soft"}),
        "video" => json!({"input_images": [picture, sent(&plain(64, 64, [0, 90, 200]))], "duration": 2,
            "transition": "fade"}),
        "poster" => json!({"input_image": picture, "platform": "instagram_post",
            "dimensions": {"width": 120, "height": 90}, "text_overlay": {"text": "Sale"}}),
        unknown => panic!("there is no {unknown}"),
    }
}

/// A complete request for two outputs.
pub(crate) fn request(workflow: &str, parameters: &Value) -> Value {
    json!({"input": {"workflow_type": workflow, "num_outputs": 2, "seed": 5, "input": parameters}})
}
