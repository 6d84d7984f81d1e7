//! `upscale` and `resize`: the input in exactly the size asked for. Transparency stays.

use image::DynamicImage;
use image::imageops::FilterType;

use super::canvas::Canvas;
use super::layer::{self, side};
use crate::runpod::product::Order;

/// What surrounds a letterboxed picture.
const BARS: [u8; 3] = [24, 24, 28];
/// How much of the picture, in its middle, `content_aware` leaves in its proportions.
const KEPT: f32 = 0.5;

pub(super) fn upscale(order: &Order, inputs: &[DynamicImage]) -> DynamicImage {
    let filter = if order.flag("add_details", false) { FilterType::Lanczos3 } else { FilterType::CatmullRom };
    let denoise = order.number("denoise_strength", 0.0);
    if denoise > 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
        let smooth = inputs[0].fast_blur(denoise as f32);
        return smooth.resize_exact(order.width, order.height, filter);
    }
    inputs[0].resize_exact(order.width, order.height, filter)
}

pub(super) fn resize(order: &Order, inputs: &[DynamicImage]) -> DynamicImage {
    let (picture, size) = (&inputs[0], (order.width, order.height));
    let default = if order.flag("maintain_aspect", true) { "letterbox" } else { "stretch" };
    match Some(order.text("fill_mode")).filter(|mode| !mode.is_empty()).unwrap_or(default) {
        "crop" => picture.resize_to_fill(size.0, size.1, FilterType::Triangle),
        "letterbox" => letterbox(picture, size),
        "content_aware" => content_aware(picture, size),
        _ => picture.resize_exact(size.0, size.1, FilterType::Triangle),
    }
}

fn letterbox(picture: &DynamicImage, (width, height): (u32, u32)) -> DynamicImage {
    let inner = layer::fitted(picture, (width, height));
    let mut canvas = Canvas::new(width, height);
    canvas.block((0.0, 0.0), (1.0, 1.0), BARS);
    let left = (i64::from(width) - i64::from(inner.width())) / 2;
    let top = (i64::from(height) - i64::from(inner.height())) / 2;
    canvas.lay(&inner, left, top);
    canvas.into_picture()
}

/// The middle keeps its proportions and the outer parts make up for it, along the side that has to change more.
fn content_aware(picture: &DynamicImage, (width, height): (u32, u32)) -> DynamicImage {
    let wider = u64::from(width) * u64::from(picture.height()) >= u64::from(height) * u64::from(picture.width());
    if !wider {
        let turned = content_aware(&picture.rotate90(), (height, width));
        return turned.rotate270();
    }
    let scaled = picture.resize_exact(
        u32::try_from(u64::from(picture.width()) * u64::from(height) / u64::from(picture.height()).max(1))
            .unwrap_or(width)
            .clamp(3, width.max(3)),
        height,
        FilterType::Triangle,
    );
    let kept = side(scaled.width(), KEPT).min(scaled.width() - 2);
    let outer = (scaled.width() - kept) / 2;
    let (left, right) = ((width - kept) / 2, width - kept - (width - kept) / 2);
    let mut canvas = Canvas::new(width, height);
    let stretch =
        |from: u32, columns: u32, to: u32| layer::stretched(&scaled.crop_imm(from, 0, columns, height), (to, height));
    canvas.lay(&stretch(0, outer, left), 0, 0);
    canvas.lay(&scaled.crop_imm(outer, 0, kept, height).into_rgba8(), i64::from(left), 0);
    canvas.lay(&stretch(outer + kept, scaled.width() - outer - kept, right), i64::from(left + kept), 0);
    canvas.into_picture()
}
