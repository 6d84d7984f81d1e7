//! `color_change`: the input in the target colour, as bright and dark as it was, where the mask allows it.

use image::{DynamicImage, RgbaImage};

use super::canvas::{Color, mix};
use super::layer;
use crate::runpod::product::{Order, read_color};

/// Brightness relative to the mean: 256 is the mean itself.
const MEAN: u32 = 256;
/// Nothing is lit by more than this.
const LIGHT_MAX: u32 = 350;
/// Below this it is a shadow.
const SHADOW: u32 = 180;
/// How much brighter each further output is.
const INDEX_STEP: u32 = 14;

pub(super) fn draw(order: &Order, inputs: &[DynamicImage], index: usize) -> RgbaImage {
    let size = (order.width, order.height);
    let mut picture = layer::stretched(&inputs[0], size);
    let target = read_color(order.text("target_color")).unwrap_or_default();
    let mask = match inputs.get(1) {
        Some(mask) => {
            let mask = DynamicImage::ImageRgba8(layer::stretched(mask, size));
            Some(mask.to_luma8().into_raw())
        }
        None => layer::subject(&picture),
    };
    let mask = mask.unwrap_or_else(|| vec![255; picture.as_raw().len() / 4]);
    let mean = mean_light(&picture, &mask);
    let shades = shades(order, target, index);
    for (pixel, alpha) in picture.chunks_exact_mut(4).zip(mask) {
        if alpha == 0 {
            continue;
        }
        let light = (light(pixel) * MEAN / mean).min(LIGHT_MAX - 1);
        let color = shades[usize::try_from(light).unwrap_or(0)];
        (0..3).for_each(|n| pixel[n] = mix(pixel[n], color[n], alpha));
    }
    picture
}

fn light(pixel: &[u8]) -> u32 {
    (u32::from(pixel[0]) * 77 + u32::from(pixel[1]) * 150 + u32::from(pixel[2]) * 29) >> 8
}

/// How bright it is where the mask lets it be changed, and at least 1.
fn mean_light(picture: &RgbaImage, mask: &[u8]) -> u32 {
    let (mut sum, mut count) = (0_u64, 0_u64);
    // Every seventh pixel tells enough.
    for (pixel, _) in picture.as_raw().chunks_exact(4).zip(mask).step_by(7).filter(|(_, alpha)| **alpha > 0) {
        sum += u64::from(light(pixel));
        count += 1;
    }
    u32::try_from(sum / count.max(1)).unwrap_or(0).max(1)
}

/// The target colour in every brightness.
fn shades(order: &Order, target: Color, index: usize) -> Vec<Color> {
    let (texture, shadows) = (order.flag("preserve_texture", true), order.flag("maintain_shadows", true));
    let step = INDEX_STEP * u32::try_from(index).unwrap_or(0);
    let shade = |light: u32| {
        let light = if texture || light < SHADOW { light } else { MEAN };
        let light = if shadows { light } else { light.max(SHADOW) } + step;
        target.map(|channel| u8::try_from(u32::from(channel) * light / MEAN).unwrap_or(u8::MAX))
    };
    (0..LIGHT_MAX).map(shade).collect()
}
