//! What is made of an order: real files, the same for the same request, seed and index, and plainly different as soon as one of
//! them differs. Every workflow but `model` and `lifestyle`'s scene is drawn from its input pictures.

mod backdrop;
mod canvas;
mod clip;
mod figure;
mod graphic;
mod layer;
mod poster;
mod recolor;
mod reshape;
mod scene;
#[cfg(test)]
mod tests;
mod text;
mod tryon;
mod variety;

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageResult};

use self::variety::Variety;
use super::output::File;
use super::product::{Order, Workflow};
use super::work::Format;

/// One pixel of so many gets a grain, by which two seeds differ where nothing else does.
const GRAIN_STEP: usize = 211;

/// Makes the first `count` outputs of the order, which may be more than it asks for.
///
/// # Errors
///
/// An encoder failed, which it does only without memory.
pub(super) fn files(order: &Order, count: usize) -> ImageResult<Vec<File>> {
    let inputs = inputs(order);
    (0..count).map(|index| file(order, &inputs, index)).collect()
}

fn file(order: &Order, inputs: &[DynamicImage], index: usize) -> ImageResult<File> {
    let bytes = match order.format {
        Format::Mp4 => clip::mp4(&order.digest(index)),
        Format::Gif => clip::gif(order, inputs, index)?,
        Format::Png => encode(&picture(order, inputs, index), ImageFormat::Png)?,
    };
    Ok(File { bytes, content_type: order.format.media_type() })
}

/// The input pictures of the order. All were decoded before, when it was read.
fn inputs(order: &Order) -> Vec<DynamicImage> {
    let names: &[&str] = match order.workflow {
        Workflow::Model => &[],
        Workflow::Tryon => &["model_image", "garment_image"],
        Workflow::ColorChange => &["input_image", "mask"],
        Workflow::GraphicTransfer => &["base_image", "graphic_image"],
        Workflow::Lifestyle => &["product_image"],
        Workflow::Upscale | Workflow::Resize | Workflow::Background | Workflow::Poster => &["input_image"],
        Workflow::Video if order.format == Format::Mp4 => &[],
        Workflow::Video => return order.pictures("input_images"),
    };
    names.iter().filter_map(|name| order.picture(name)).collect()
}

fn picture(order: &Order, inputs: &[DynamicImage], index: usize) -> DynamicImage {
    let mut variety = Variety::new(order.digest(index));
    let drawn = match order.workflow {
        Workflow::Model => figure::draw(order, &mut variety).into_picture(),
        Workflow::Tryon => tryon::draw(order, inputs, &mut variety, index).into_picture(),
        Workflow::ColorChange => DynamicImage::ImageRgba8(recolor::draw(order, inputs, index)),
        Workflow::Upscale => reshape::upscale(order, inputs),
        Workflow::GraphicTransfer => DynamicImage::ImageRgba8(graphic::draw(order, inputs, &mut variety, index)),
        Workflow::Resize => reshape::resize(order, inputs),
        Workflow::Background => backdrop::draw(order, inputs, &mut variety, index),
        Workflow::Lifestyle => scene::draw(order, inputs, &mut variety).into_picture(),
        Workflow::Video => return inputs.first().cloned().unwrap_or_default(),
        Workflow::Poster => poster::draw(order, inputs, &mut variety, index).into_picture(),
    };
    grain(drawn, &mut variety)
}

/// Changes few pixels by little: two of them could not be told apart by eye.
fn grain(picture: DynamicImage, variety: &mut Variety) -> DynamicImage {
    let opaque = |picture: &image::RgbaImage| !layer::is_transparent(picture);
    let mut pixels = match picture {
        DynamicImage::ImageRgba8(pixels) if !opaque(&pixels) => {
            let mut pixels = pixels;
            for pixel in pixels.chunks_exact_mut(4).step_by(GRAIN_STEP).filter(|pixel| pixel[3] > 0) {
                pixel[0] ^= variety.byte() & 3;
            }
            return DynamicImage::ImageRgba8(pixels);
        }
        picture => picture.into_rgb8(),
    };
    for pixel in pixels.chunks_exact_mut(3).step_by(GRAIN_STEP) {
        pixel[0] ^= variety.byte() & 3;
    }
    DynamicImage::ImageRgb8(pixels)
}

/// A flat picture of that size: many pixels in few bytes.
pub(super) fn flat(width: u32, height: u32) -> ImageResult<Vec<u8>> {
    let pixels = usize::try_from(width).unwrap_or(0) * usize::try_from(height).unwrap_or(0);
    let gray = image::GrayImage::from_raw(width, height, vec![128; pixels]).unwrap_or_default();
    encode(&DynamicImage::ImageLuma8(gray), ImageFormat::Png)
}

/// Writes a picture anew in another format; of a GIF the first frame, of an MP4 a flat picture.
pub(super) fn convert(file: &[u8], size: (u32, u32), format: ImageFormat) -> ImageResult<Vec<u8>> {
    let picture = match image::load_from_memory(file) {
        Ok(picture) => picture,
        Err(_) => image::load_from_memory(&flat(size.0, size.1)?)?,
    };
    encode(&DynamicImage::ImageRgb8(picture.into_rgb8()), format)
}

/// The shipped clip, in place of what was asked for.
pub(super) fn clip() -> Vec<u8> {
    clip::mp4(&[0; 32])
}

fn encode(picture: &DynamicImage, format: ImageFormat) -> ImageResult<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format)?;
    Ok(file.into_inner())
}

/// `part` of `whole`, from 0 to 1.
fn ratio(part: usize, whole: usize) -> f32 {
    let small = |n: usize| f32::from(u16::try_from(n).unwrap_or(u16::MAX));
    small(part) / small(whole.max(1))
}
