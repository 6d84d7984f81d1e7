//! Masks, and the alpha of pictures. A mask is 1 where a picture is transparent.

use std::sync::Arc;

use raster::{Method, Raster};

use super::scale::resized;
use super::{Arguments, Data, IMAGE, MASK, Made, Node, choice, image, mask, room};
use crate::runpod::comfy::disk::Disk;
use crate::runpod::comfy::python::Exception;

const CHANNELS: [&str; 4] = ["red", "green", "blue", "alpha"];

pub(super) const NODES: &[Node] = &[
    Node { class_type: "MaskToImage", inputs: &[mask("mask")], outputs: &[IMAGE], is_output: false, run: to_image },
    Node {
        class_type: "ImageToMask",
        inputs: &[image("image"), choice("channel", &CHANNELS)],
        outputs: &[MASK],
        is_output: false,
        run: to_mask,
    },
    Node { class_type: "InvertMask", inputs: &[mask("mask")], outputs: &[MASK], is_output: false, run: invert },
    Node {
        class_type: "JoinImageWithAlpha",
        inputs: &[image("image"), mask("alpha")],
        outputs: &[IMAGE],
        is_output: false,
        run: join,
    },
    Node {
        class_type: "SplitImageWithAlpha",
        inputs: &[image("image")],
        outputs: &[IMAGE, MASK],
        is_output: false,
        run: split,
    },
];

fn to_image(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let mask = arguments.image("mask")?;
    room(mask.batch(), mask.size(), 3)?;
    Ok(Made::image(mask.spread(3)))
}

fn to_mask(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    let channel = CHANNELS.iter().position(|name| *name == arguments.text("channel")).unwrap_or_default();
    if channel >= picture.channels() {
        let message = format!("index {channel} is out of bounds for dimension 3 with size {}", picture.channels());
        return Err(Exception::new("IndexError", message));
    }
    Ok(Made::mask(picture.channel(channel)))
}

fn invert(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    Ok(Made::mask(arguments.image("mask")?.inverted()))
}

/// As many pictures come out as the shorter of both batches has: four pictures and one mask make one.
fn join(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let (picture, alpha) = (arguments.image("image")?, arguments.image("alpha")?);
    let batch = picture.batch().min(alpha.batch());
    let alpha = resized(alpha, picture.size(), Method::Bilinear, false)?.frames(0, batch).inverted();
    room(batch, picture.size(), 4)?;
    Ok(Made::image(picture.frames(0, batch).first_channels(3).with_channel(&alpha)))
}

fn split(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    let mask = if picture.channels() > 3 {
        picture.channel(3).inverted()
    } else {
        Raster::filled(picture.batch(), picture.size(), &[0.0])
    };
    let colors = picture.first_channels(3);
    Ok(Made::Slots(vec![Data::Image(Arc::new(colors)), Data::Mask(Arc::new(mask))]))
}
