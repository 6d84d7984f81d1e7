//! Pictures with other pixels in the same places.

use super::{Arguments, IMAGE, Made, Node, float, image, int};
use crate::runpod::comfy::disk::Disk;
use crate::runpod::comfy::python::Exception;
use raster::Raster;

pub(super) const NODES: &[Node] = &[
    Node {
        class_type: "ImageBlur",
        inputs: &[image("image"), int("blur_radius", 1, 31), float("sigma", 0.1, 10.0)],
        outputs: &[IMAGE],
        is_output: false,
        run: blur,
    },
    Node {
        class_type: "ImageSharpen",
        inputs: &[image("image"), int("sharpen_radius", 1, 31), float("sigma", 0.1, 10.0), float("alpha", 0.0, 5.0)],
        outputs: &[IMAGE],
        is_output: false,
        run: sharpen,
    },
    Node { class_type: "ImageInvert", inputs: &[image("image")], outputs: &[IMAGE], is_output: false, run: invert },
    Node {
        class_type: "ImageAddNoise",
        inputs: &[image("image"), int("seed", 0, u64::MAX), float("strength", 0.0, 1.0)],
        outputs: &[IMAGE],
        is_output: false,
        run: add_noise,
    },
];

/// Edges are mirrored, so there must be enough to mirror.
fn check_radius(picture: &Raster, radius: usize) -> Result<(), Exception> {
    let (width, height) = picture.size();
    if radius < width.min(height) {
        return Ok(());
    }
    let (channels, dimension) = (picture.channels(), if radius < width { 2 } else { 3 });
    let message = format!(
        "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding ({radius}, {radius}) \
         at dimension {dimension} of input [{}, {channels}, {height}, {width}]",
        picture.batch()
    );
    Err(Exception::new("RuntimeError", message))
}

fn blur(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let (picture, radius) = (arguments.image("image")?, arguments.count("blur_radius"));
    check_radius(picture, radius)?;
    Ok(Made::image(picture.blurred(radius, arguments.float32("sigma"))))
}

fn sharpen(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let (picture, radius) = (arguments.image("image")?, arguments.count("sharpen_radius"));
    check_radius(picture, radius)?;
    Ok(Made::image(picture.sharpened(radius, arguments.float32("sigma"), arguments.float32("alpha"))))
}

fn invert(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    Ok(Made::image(arguments.image("image")?.inverted()))
}

fn add_noise(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    Ok(Made::image(picture.with_noise(arguments.whole("seed"), arguments.float32("strength"))))
}
