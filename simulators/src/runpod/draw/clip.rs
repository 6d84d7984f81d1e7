//! `video`: a GIF that shows the input pictures one after the other, or the MP4 that is shipped with the simulator.

use std::io::Cursor;
use std::time::Duration;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, ImageResult, RgbaImage};

use super::canvas::mix;
use super::layer;
use crate::runpod::product::Order;

/// A real clip of two seconds; `samples/README.md` says how it was made.
const MP4: &[u8] = include_bytes!("../samples/clip.mp4");

/// Frames of a GIF, whatever its duration.
const FRAMES: u32 = 12;
/// How much of a picture's time is given to the transition to the next, a share.
const TRANSITION: f64 = 0.4;
/// Fixed point of coordinates and angles.
const ONE: f64 = 65_536.0;
/// How far a picture's outer part lies beyond the frame, so that it can move.
const OVERSCAN: u32 = 8;
/// Fastest of the encoder's speeds. Frames have few colours, so that it need not choose any.
const SPEED: i32 = 30;

/// The shipped clip, followed by a box that players skip: no two outputs are the same bytes.
pub(super) fn mp4(digest: &[u8; 32]) -> Vec<u8> {
    let size = u32::try_from(digest.len() + 8).unwrap_or(8);
    [MP4, &size.to_be_bytes(), b"free", digest].concat()
}

/// The same for a GIF: a comment before its last byte.
fn with_comment(mut gif: Vec<u8>, digest: &[u8; 32]) -> Vec<u8> {
    let trailer = gif.pop();
    gif.extend([0x21, 0xfe, 32]);
    gif.extend(digest);
    gif.push(0);
    gif.extend(trailer);
    gif
}

/// # Errors
///
/// The encoder failed, which it does only without memory.
pub(super) fn gif(order: &Order, inputs: &[DynamicImage], index: usize) -> ImageResult<Vec<u8>> {
    let room = (order.width + order.width / OVERSCAN, order.height + order.height / OVERSCAN);
    let fill = |picture: &DynamicImage| {
        picture.resize_to_fill(room.0, room.1, image::imageops::FilterType::Triangle).into_rgba8()
    };
    let pictures: Vec<RgbaImage> = inputs.iter().map(fill).map(opaque).collect();
    let motion = Motion { name: order.text("motion").to_owned(), backwards: index % 2 == 1 };
    let delay = Duration::from_secs_f64(order.number("duration", 1.0) / f64::from(FRAMES));
    let mut file = Cursor::new(Vec::new());
    let mut encoder = GifEncoder::new_with_speed(&mut file, SPEED);
    encoder.set_repeat(Repeat::Infinite)?;
    for frame in 0..FRAMES {
        let time = f64::from(frame) / f64::from(FRAMES) * count(pictures.len());
        let (shown, within) = (as_index(time), time.fract());
        let mut picture = motion.view(&pictures[shown % pictures.len()], order, within);
        let begun = ((within + TRANSITION - 1.0) / TRANSITION).max(0.0);
        if begun > 0.0 && pictures.len() > 1 {
            let next = motion.view(&pictures[(shown + 1) % pictures.len()], order, 0.0);
            change(&mut picture, &next, order.text("transition"), begun);
        }
        few_colors(&mut picture);
        encoder.encode_frame(Frame::from_parts(picture, 0, 0, Delay::from_saturating_duration(delay)))?;
    }
    drop(encoder);
    Ok(with_comment(file.into_inner(), &order.digest(index)))
}

fn opaque(picture: RgbaImage) -> RgbaImage {
    if !layer::is_transparent(&picture) {
        return picture;
    }
    super::canvas::Canvas::of(&picture).into_picture().into_rgba8()
}

struct Motion {
    name: String,
    backwards: bool,
}

impl Motion {
    /// What is seen of a picture at a share of its time. The picture is larger than the view.
    fn view(&self, picture: &RgbaImage, order: &Order, within: f64) -> RgbaImage {
        let share = if self.backwards { 1.0 - within } else { within };
        let (width, height) = (f64::from(order.width), f64::from(order.height));
        let spare = f64::from(picture.width()) - width;
        let (zoom, angle, aside) = match self.name.as_str() {
            "zoom" => (1.0 - 0.35 * share, 0.0, 0.0),
            "rotate" => (0.8, (share - 0.5) * 0.5, 0.0),
            "pan" => (1.0, 0.0, (share - 0.5) * spare),
            // Even a clip without motion is no still picture.
            _ => (1.0 - 0.02 * share, 0.0, 0.0),
        };
        let (right, down) = ((as_fixed(angle.cos() * zoom), as_fixed(angle.sin() * zoom)), angle);
        let middle = (f64::from(picture.width()) / 2.0 + aside, f64::from(picture.height()) / 2.0);
        let mut view = RgbaImage::new(order.width, order.height);
        let row_bytes = usize::try_from(order.width).unwrap_or(1) * 4;
        let source_row = usize::try_from(picture.width()).unwrap_or(1);
        let (last_x, last_y) = (i64::from(picture.width()) - 1, i64::from(picture.height()) - 1);
        for (y, row) in (0_u32..).zip(view.chunks_exact_mut(row_bytes)) {
            let (dx, dy) = (-width / 2.0 * zoom, (f64::from(y) - height / 2.0) * zoom);
            let mut x = as_fixed(middle.0 + dx * down.cos() - dy * down.sin());
            let mut y = as_fixed(middle.1 + dx * down.sin() + dy * down.cos());
            for pixel in row.chunks_exact_mut(4) {
                let column = usize::try_from((x >> 16).clamp(0, last_x)).unwrap_or(0);
                let line = usize::try_from((y >> 16).clamp(0, last_y)).unwrap_or(0);
                let from = (line * source_row + column) * 4;
                pixel.copy_from_slice(&picture.as_raw()[from..from + 4]);
                x += right.0;
                y += right.1;
            }
        }
        view
    }
}

/// Brings in the next picture, by this share.
fn change(picture: &mut RgbaImage, next: &RgbaImage, transition: &str, share: f64) {
    let (width, height) = picture.dimensions();
    let done = u32::try_from(as_index(f64::from(width) * share)).unwrap_or(width).min(width);
    match transition {
        "slide" => over(picture, next, (done, height), (i64::from(width - done), 0)),
        "zoom" => {
            let size = (done.max(1), (done * height / width).max(1));
            let small = layer::stretched(&DynamicImage::ImageRgba8(next.clone()), size);
            let corner = (i64::from(width - size.0) / 2, i64::from(height - size.1) / 2);
            over(picture, &small, size, corner);
        }
        _ => {
            let alpha = u8::try_from(as_index(share * 255.0)).unwrap_or(u8::MAX);
            let row_bytes = usize::try_from(width).unwrap_or(1) * 4;
            for (y, (under, over)) in picture.chunks_exact_mut(row_bytes).zip(next.chunks_exact(row_bytes)).enumerate()
            {
                // A fade goes through all rows at once, a morph in waves.
                let ahead = if transition == "morph" { u8::try_from(y % 32 * 4).unwrap_or(0) } else { 0 };
                let alpha = alpha.saturating_add(ahead);
                under.iter_mut().zip(over).for_each(|(under, over)| *under = mix(*under, *over, alpha));
            }
        }
    }
}

/// Lays part of a picture over another.
fn over(picture: &mut RgbaImage, next: &RgbaImage, (columns, rows): (u32, u32), (left, top): (i64, i64)) {
    let (Ok(left), Ok(top)) = (u32::try_from(left), u32::try_from(top)) else { return };
    for y in 0..rows.min(picture.height() - top) {
        for x in 0..columns.min(picture.width() - left) {
            *picture.get_pixel_mut(left + x, top + y) = *next.get_pixel(x, y);
        }
    }
}

/// Brings every pixel to one of 252 colours, which a GIF can hold without a choice; the pattern hides the steps.
fn few_colors(picture: &mut RgbaImage) {
    const PATTERN: [u8; 4] = [0, 12, 18, 6];
    let level = |value: u8, step: u16| {
        let levels = u16::from(value) / step;
        u8::try_from(levels * 255 / (255 / step)).unwrap_or(u8::MAX)
    };
    let red: [u8; 256] = std::array::from_fn(|n| level(u8::try_from(n).unwrap_or(u8::MAX), 51));
    let green: [u8; 256] = std::array::from_fn(|n| level(u8::try_from(n).unwrap_or(u8::MAX), 42));
    let width = usize::try_from(picture.width()).unwrap_or(1);
    for (y, row) in picture.chunks_exact_mut(width * 4).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(4).enumerate() {
            let lift = PATTERN[x % 2 + y % 2 * 2];
            pixel[0] = red[usize::from(pixel[0].saturating_add(lift))];
            pixel[1] = green[usize::from(pixel[1].saturating_add(lift))];
            pixel[2] = red[usize::from(pixel[2].saturating_add(lift))];
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "coordinates are at most a few thousand pixels")]
fn as_fixed(pixels: f64) -> i64 {
    (pixels * ONE) as i64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
fn as_index(value: f64) -> usize {
    value as usize
}

fn count(pictures: usize) -> f64 {
    f64::from(u32::try_from(pictures).unwrap_or(u32::MAX))
}
