//! Pictures in other sizes.

use raster::{Method, Raster};

use super::{
    Arguments, IMAGE, Input, Made, Node, RESOLUTION_MAX, as_f64, choice, float, image, int, optional, room, round,
};
use crate::runpod::comfy::disk::Disk;
use crate::runpod::comfy::python::Exception;

const METHOD: Input = choice("upscale_method", &["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]);
/// What ComfyUI calls a megapixel.
const MEGAPIXEL: f64 = 1024.0 * 1024.0;

pub(super) const NODES: &[Node] = &[
    Node {
        class_type: "ImageScale",
        inputs: &[
            image("image"),
            METHOD,
            int("width", 0, RESOLUTION_MAX),
            int("height", 0, RESOLUTION_MAX),
            choice("crop", &["disabled", "center"]),
        ],
        outputs: &[IMAGE],
        is_output: false,
        run: scale,
    },
    Node {
        class_type: "ImageScaleBy",
        inputs: &[image("image"), METHOD, float("scale_by", 0.01, 8.0)],
        outputs: &[IMAGE],
        is_output: false,
        run: scale_by,
    },
    Node {
        class_type: "ImageScaleToTotalPixels",
        // Later versions require `resolution_steps`; this one would ignore it, so a graph that is to run on both gives it.
        inputs: &[image("image"), METHOD, float("megapixels", 0.01, 16.0), optional(int("resolution_steps", 1, 256))],
        outputs: &[IMAGE],
        is_output: false,
        run: scale_to_total_pixels,
    },
];

fn method(arguments: &Arguments<'_>) -> Method {
    match arguments.text("upscale_method") {
        "nearest-exact" => Method::NearestExact,
        "bilinear" => Method::Bilinear,
        "area" => Method::Area,
        "bicubic" => Method::Bicubic,
        _ => Method::Lanczos,
    }
}

/// ComfyUI's `common_upscale`.
pub(super) fn resized(
    picture: &Raster,
    size: (usize, usize),
    method: Method,
    crop_center: bool,
) -> Result<Raster, Exception> {
    let (old_width, old_height) = picture.size();
    if old_width * old_height * size.0 * size.1 == 0 {
        return Err(match method {
            Method::Lanczos => Exception::new("ValueError", "height and width must be > 0"),
            _ => Exception::new(
                "RuntimeError",
                format!(
                    "Input and output sizes should be greater than 0, but got input (H: {old_height}, W: {old_width}) output \
                     (H: {}, W: {})",
                    size.1, size.0
                ),
            ),
        });
    }
    room(picture.batch(), size, picture.channels())?;
    room(picture.batch(), (size.0, old_height), picture.channels())?;
    Ok(if crop_center { picture.middle(size).resized(size, method) } else { picture.resized(size, method) })
}

fn scale(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    let (old_width, old_height) = picture.size();
    let share = |of: usize, side: usize, old: usize| round(as_f64(of) * as_f64(side) / as_f64(old)).max(1);
    let size = match (arguments.count("width"), arguments.count("height")) {
        (0, 0) => return Ok(Made::image(picture.clone())),
        (0, height) => (share(old_width, height, old_height), height),
        (width, 0) => (width, share(old_height, width, old_width)),
        size => size,
    };
    let crop_center = arguments.text("crop") == "center";
    resized(picture, size, method(arguments), crop_center).map(Made::image)
}

fn scale_by(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    let by = |side: usize| round(as_f64(side) * arguments.float("scale_by"));
    let size = (by(picture.size().0), by(picture.size().1));
    resized(picture, size, method(arguments), false).map(Made::image)
}

fn scale_to_total_pixels(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    let (width, height) = picture.size();
    let total = (arguments.float("megapixels") * MEGAPIXEL).floor();
    let by = (total / as_f64(width * height)).sqrt();
    let size = (round(as_f64(width) * by), round(as_f64(height) * by));
    resized(picture, size, method(arguments), false).map(Made::image)
}
