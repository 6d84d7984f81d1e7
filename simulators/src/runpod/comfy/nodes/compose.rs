//! Two pictures become one.

use std::borrow::Cow;

use raster::{Blend, Method, Raster};

use super::scale::resized;
use super::{
    Arguments, IMAGE, Made, Node, RESOLUTION_MAX, Takes, choice, float, image, input, int, mask, mismatch, optional,
    room,
};
use crate::runpod::comfy::disk::Disk;
use crate::runpod::comfy::python::Exception;

pub(super) const NODES: &[Node] = &[
    Node {
        class_type: "ImageCompositeMasked",
        inputs: &[
            image("destination"),
            image("source"),
            int("x", 0, RESOLUTION_MAX),
            int("y", 0, RESOLUTION_MAX),
            input("resize_source", Takes::Boolean),
            optional(mask("mask")),
        ],
        outputs: &[IMAGE],
        is_output: false,
        run: composite,
    },
    Node {
        class_type: "ImageBlend",
        inputs: &[
            image("image1"),
            image("image2"),
            float("blend_factor", 0.0, 1.0),
            choice("blend_mode", &["normal", "multiply", "screen", "overlay", "soft_light", "difference"]),
        ],
        outputs: &[IMAGE],
        is_output: false,
        run: blend,
    },
];

/// The second picture without the alpha that the first lacks. The other way round this version pads the wrong one of them, and
/// fails.
fn without_extra_alpha<'a>(first: &Raster, second: &'a Raster, dimension: usize) -> Result<Cow<'a, Raster>, Exception> {
    match (first.channels(), second.channels()) {
        (first, second) if first > second => Err(mismatch(second, first + 1, dimension)),
        (channels, other) if channels < other => Ok(Cow::Owned(second.first_channels(channels))),
        _ => Ok(Cow::Borrowed(second)),
    }
}

fn composite(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let (destination, source) = (arguments.image("destination")?, arguments.image("source")?);
    let source = without_extra_alpha(destination, source, 1)?;
    let source = if arguments.flag("resize_source") {
        Cow::Owned(resized(&source, destination.size(), Method::Bilinear, false)?)
    } else {
        source
    };
    room(destination.batch(), source.size(), source.channels())?;
    let source = source.of_batch(destination.batch());
    let mask = match arguments.raster("mask")? {
        Some(mask) => Some(resized(mask, source.size(), Method::Bilinear, false)?.of_batch(source.batch())),
        None => None,
    };
    let place = (arguments.count("x"), arguments.count("y"));
    Ok(Made::image(destination.pasted(&source, place, mask.as_ref())))
}

fn blend(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let (below, above) = (arguments.image("image1")?, arguments.image("image2")?);
    let above = without_extra_alpha(below, above, 3)?;
    let above = if above.size() == below.size() {
        above
    } else {
        Cow::Owned(resized(&above, below.size(), Method::Bicubic, true)?)
    };
    if below.batch() != above.batch() && below.batch() != 1 && above.batch() != 1 {
        return Err(mismatch(below.batch(), above.batch(), 0));
    }
    room(above.batch().max(below.batch()), below.size(), below.channels())?;
    let blend = match arguments.text("blend_mode") {
        "normal" => Blend::Normal,
        "multiply" => Blend::Multiply,
        "screen" => Blend::Screen,
        "overlay" => Blend::Overlay,
        "soft_light" => Blend::SoftLight,
        _ => Blend::Difference,
    };
    Ok(Made::image(below.blended(&above, blend, arguments.float32("blend_factor"))))
}
