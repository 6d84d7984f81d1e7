//! Graphs on small pictures: what each node makes, and what jobs leave behind.

mod jobs;
mod nodes;

use std::io::Cursor;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, RgbaImage};
use serde_json::{Value, json};

use super::{Failure, Prompt, Worker};

/// A PNG of one row of pixels, as base64.
fn row(pixels: &[[u8; 4]]) -> String {
    let width = u32::try_from(pixels.len()).expect("a short row");
    let picture = DynamicImage::from(RgbaImage::from_raw(width, 1, pixels.concat()).expect("the size fits"));
    let opaque = pixels.iter().all(|pixel| pixel[3] == 255);
    let picture = if opaque { DynamicImage::from(picture.into_rgb8()) } else { picture };
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png).expect("encoding into memory");
    STANDARD.encode(file.into_inner())
}

/// The picture of a file: its size, channels, and bytes.
fn opened(bytes: &[u8]) -> (u32, u32, u8, Vec<u8>) {
    let picture = image::load_from_memory_with_format(bytes, ImageFormat::Png).expect("a PNG");
    (picture.width(), picture.height(), picture.color().channel_count(), picture.into_bytes())
}

fn run(worker: &Arc<Worker>, workflow: &Value, images: &Value) -> Result<Prompt, Failure> {
    Prompt::run(&Arc::new(json!({"workflow": workflow, "images": images})), worker)
}

fn node(class_type: &str, inputs: &Value) -> Value {
    json!({"class_type": class_type, "inputs": inputs})
}

fn save(of: &Value, prefix: &str) -> Value {
    node("SaveImage", &json!({"images": of, "filename_prefix": prefix}))
}
