//! Pictures and masks out of nothing.

use raster::Raster;

use super::{Arguments, IMAGE, MASK, Made, Node, RESOLUTION_MAX, float, int, room};
use crate::runpod::comfy::disk::Disk;
use crate::runpod::comfy::python::Exception;

pub(super) const NODES: &[Node] = &[
    Node {
        class_type: "EmptyImage",
        inputs: &[
            int("width", 1, RESOLUTION_MAX),
            int("height", 1, RESOLUTION_MAX),
            int("batch_size", 1, 4_096),
            int("color", 0, 0x00ff_ffff),
        ],
        outputs: &[IMAGE],
        is_output: false,
        run: empty_image,
    },
    Node {
        class_type: "SolidMask",
        inputs: &[float("value", 0.0, 1.0), int("width", 1, RESOLUTION_MAX), int("height", 1, RESOLUTION_MAX)],
        outputs: &[MASK],
        is_output: false,
        run: solid_mask,
    },
];

fn size(arguments: &Arguments<'_>) -> (usize, usize) {
    (arguments.count("width"), arguments.count("height"))
}

fn empty_image(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let (size, batch) = (size(arguments), arguments.count("batch_size"));
    room(batch, size, 3)?;
    let [.., red, green, blue] = arguments.whole("color").to_be_bytes();
    let pixel = [red, green, blue].map(|channel| f32::from(channel) / 255.0);
    Ok(Made::image(Raster::filled(batch, size, &pixel)))
}

fn solid_mask(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    room(1, size(arguments), 1)?;
    Ok(Made::mask(Raster::filled(1, size(arguments), &[arguments.float32("value")])))
}
