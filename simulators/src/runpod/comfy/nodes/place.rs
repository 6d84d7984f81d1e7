//! Pixels in other places.

use std::sync::Arc;

use raster::Margin;

use super::{Arguments, Data, IMAGE, MASK, Made, Node, RESOLUTION_MAX, choice, image, int, room};
use crate::runpod::comfy::disk::Disk;
use crate::runpod::comfy::python::Exception;

pub(super) const NODES: &[Node] = &[
    Node {
        class_type: "ImageCrop",
        inputs: &[
            image("image"),
            int("width", 1, RESOLUTION_MAX),
            int("height", 1, RESOLUTION_MAX),
            int("x", 0, RESOLUTION_MAX),
            int("y", 0, RESOLUTION_MAX),
        ],
        outputs: &[IMAGE],
        is_output: false,
        run: crop,
    },
    Node {
        class_type: "ImageFlip",
        inputs: &[image("image"), choice("flip_method", &["x-axis: vertically", "y-axis: horizontally"])],
        outputs: &[IMAGE],
        is_output: false,
        run: flip,
    },
    Node {
        class_type: "ImageRotate",
        inputs: &[image("image"), choice("rotation", &["none", "90 degrees", "180 degrees", "270 degrees"])],
        outputs: &[IMAGE],
        is_output: false,
        run: rotate,
    },
    Node {
        class_type: "ImagePadForOutpaint",
        inputs: &[
            image("image"),
            int("left", 0, RESOLUTION_MAX),
            int("top", 0, RESOLUTION_MAX),
            int("right", 0, RESOLUTION_MAX),
            int("bottom", 0, RESOLUTION_MAX),
            int("feathering", 0, RESOLUTION_MAX),
        ],
        outputs: &[IMAGE, MASK],
        is_output: false,
        run: pad,
    },
];

/// What the ground of a padded picture is filled with.
const PADDING: f32 = 0.5;

fn crop(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    let (width, height) = picture.size();
    let start = (arguments.count("x").min(width - 1), arguments.count("y").min(height - 1));
    Ok(Made::image(picture.cropped(start, (arguments.count("width"), arguments.count("height")))))
}

fn flip(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    let upside_down = arguments.text("flip_method").starts_with('x');
    Ok(Made::image(if upside_down { picture.flipped_vertically() } else { picture.flipped_horizontally() }))
}

fn rotate(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let quarters = match arguments.text("rotation") {
        "90 degrees" => 1,
        "180 degrees" => 2,
        "270 degrees" => 3,
        _ => 0,
    };
    Ok(Made::image(arguments.image("image")?.turned(quarters)))
}

fn pad(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    let [left, top, right, bottom] = ["left", "top", "right", "bottom"].map(|side| arguments.count(side));
    let margin = Margin { left, top, right, bottom };
    let (width, height) = picture.size();
    room(picture.batch(), (width + left + right, height + top + bottom), picture.channels())?;
    let mask = picture.padding_mask(margin, arguments.count("feathering"));
    Ok(Made::Slots(vec![Data::Image(Arc::new(picture.padded(margin, PADDING))), Data::Mask(Arc::new(mask))]))
}
