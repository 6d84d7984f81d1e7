//! Making pictures small enough to be sent together. All of it is work for a blocking thread.

use std::borrow::Cow;

use bytes::Bytes;
use image::imageops::FilterType;
use image::{DynamicImage, RgbaImage};

use super::super::cost::Needs;
use super::super::{PictureError, codec, inspect};
use super::encode::encode;
use super::{InputError, InputPicture};
use crate::workflow::OutputFormat;

/// How often one picture is tried at another size. Each try aims below the bound, so the second or third meets it.
const ROUNDS_MAX: usize = 6;

/// A longer side is never scaled below this: less is no picture to work from.
const SIDE_MIN: u32 = 512;

/// The longest side that both JPEG and WebP can express.
const SIDE_MAX: u32 = 16_383;

/// Each try aims at so many per cent of the side that should do: sizes do not shrink quite like areas.
const AIM_PERCENT: u64 = 95;

/// Whether the pictures together have at most `bytes_max` bytes.
pub(super) fn fits(pictures: &[InputPicture], bytes_max: usize) -> bool {
    pictures.iter().map(|picture| picture.bytes.len()).sum::<usize>() <= bytes_max
}

/// Reduces the largest until all fit. One that was reduced is below the share of every later round, so that none is
/// reduced twice.
pub(super) fn fit_now(mut pictures: Vec<InputPicture>, bytes_max: usize) -> Result<Vec<InputPicture>, InputError> {
    for _ in 0..pictures.len() {
        if fits(&pictures, bytes_max) {
            break;
        }
        let share = share(&pictures, bytes_max);
        if let Some(largest) = pictures.iter_mut().max_by_key(|picture| picture.bytes.len()) {
            *largest = reduce(largest, share)?;
        }
    }
    if fits(&pictures, bytes_max) { Ok(pictures) } else { Err(too_large()) }
}

/// The size to which the larger ones must come down, so that together with the smaller ones they fit.
pub(super) fn share(pictures: &[InputPicture], bytes_max: usize) -> usize {
    let mut sizes: Vec<usize> = pictures.iter().map(|picture| picture.bytes.len()).collect();
    sizes.sort_unstable();
    let mut left = bytes_max;
    for (passed, size) in sizes.iter().enumerate() {
        let share = left / (sizes.len() - passed);
        if *size > share {
            return share;
        }
        left -= size;
    }
    bytes_max
}

/// The same picture in at most `bytes_max` bytes, as large as that can be had within the rounds.
pub(super) fn reduce(picture: &InputPicture, bytes_max: usize) -> Result<InputPicture, InputError> {
    let decoded = codec::decode(&picture.bytes, picture.format)?;
    let found = inspect(&picture.bytes)?;
    let pixels_max = Needs::of(&picture.bytes, &found).map_err(PictureError::from)?.fit_pixels_max();
    let canvas = Canvas::of(decoded.image, pixels_max);
    let longer = picture.width.max(picture.height);
    let side_max = canvas.image.width().max(canvas.image.height());
    let floor = longer.min(SIDE_MIN);
    let mut side = side_max.min(SIDE_MAX);
    for _ in 0..ROUNDS_MAX {
        let image = canvas.scaled(scale(picture.width, side, longer), scale(picture.height, side, longer));
        let bytes = encode(&image, canvas.format(), decoded.profile.as_deref())?;
        if bytes.len() <= bytes_max {
            let (width, height) = (image.width(), image.height());
            return Ok(InputPicture { bytes: Bytes::from(bytes), format: canvas.format(), width, height });
        }
        if side == floor {
            break;
        }
        side = next_side(side, bytes.len(), bytes_max).max(floor);
    }
    Err(too_large())
}

fn too_large() -> InputError {
    InputError::TooLarge { reason: "it cannot be scaled down far enough to be sent".to_owned() }
}

fn scale(length: u32, side: u32, longer: u32) -> u32 {
    let scaled = u64::from(length) * u64::from(side) / u64::from(longer);
    u32::try_from(scaled).expect("no longer than the side it is scaled to").max(1)
}

/// The side at which a picture of `size` bytes should have `bytes_max`: its square shrinks as the bytes do.
fn next_side(side: u32, size: usize, bytes_max: usize) -> u32 {
    let (size, bytes_max) = (size as u64, bytes_max as u64);
    let area = u64::from(side).pow(2).saturating_mul(bytes_max) / size.max(1);
    u32::try_from(area.isqrt() * AIM_PERCENT / 100).unwrap_or(u32::MAX).min(side - 1)
}

/// Pixels to scale from, eight bits a channel.
struct Canvas {
    image: DynamicImage,
    /// Something shows through. Colours are multiplied by their opacity, or hidden ones would bleed into the edges.
    transparent: bool,
}

impl Canvas {
    fn of(image: DynamicImage, pixels_max: u64) -> Self {
        if !image.color().has_alpha() {
            return Self { image: bounded(image.into_rgb8().into(), pixels_max), transparent: false };
        }
        let mut image = image.into_rgba8();
        if image.pixels().all(|pixel| pixel.0[3] == u8::MAX) {
            let image = codec::without_alpha(image, |channel, _| channel);
            return Self { image: bounded(image.into(), pixels_max), transparent: false };
        }
        recolour(&mut image, |channel, alpha| ratio(channel, alpha, u8::MAX));
        Self { image: bounded(image.into(), pixels_max), transparent: true }
    }

    const fn format(&self) -> OutputFormat {
        if self.transparent { OutputFormat::Webp } else { OutputFormat::Jpg }
    }

    fn scaled(&self, width: u32, height: u32) -> Cow<'_, DynamicImage> {
        let image = if (width, height) == (self.image.width(), self.image.height()) {
            Cow::Borrowed(&self.image)
        } else {
            Cow::Owned(self.image.resize_exact(width, height, FilterType::Lanczos3))
        };
        if !self.transparent {
            return image;
        }
        let mut image = image.into_owned().into_rgba8();
        recolour(&mut image, |channel, alpha| ratio(channel, u8::MAX, alpha));
        Cow::Owned(image.into())
    }
}

/// As large as it can be scaled finely in the memory that there is: a larger one is averaged down to that first.
fn bounded(image: DynamicImage, pixels_max: u64) -> DynamicImage {
    let (width, height) = (image.width(), image.height());
    let pixels = u64::from(width) * u64::from(height);
    if pixels <= pixels_max {
        return image;
    }
    let longer = width.max(height);
    let side = (u128::from(longer).pow(2) * u128::from(pixels_max) / u128::from(pixels)).isqrt();
    let side = u32::try_from(side).expect("shorter than the side it is made of").max(1);
    image.thumbnail_exact(scale(width, side, longer), scale(height, side, longer))
}

/// Gives every channel of colour the value that `with` makes of it and of the pixel's opacity.
fn recolour(image: &mut RgbaImage, with: impl Fn(u8, u8) -> u8) {
    for pixel in image.pixels_mut() {
        let [red, green, blue, alpha] = pixel.0;
        pixel.0 = [with(red, alpha), with(green, alpha), with(blue, alpha), alpha];
    }
}

/// `channel` times `of` over `by`, within a byte; nothing where there is nothing to see.
fn ratio(channel: u8, of: u8, by: u8) -> u8 {
    let (channel, of, by) = (u32::from(channel), u32::from(of), u32::from(by));
    if by == 0 {
        return 0;
    }
    u8::try_from((channel * of + by / 2) / by).unwrap_or(u8::MAX)
}
