//! How many pictures there are, and how large.

use std::borrow::Cow;

use raster::Method;

use super::scale::resized;
use super::{Arguments, Data, IMAGE, INT, Made, Node, image, int, room};
use crate::runpod::comfy::disk::Disk;
use crate::runpod::comfy::python::Exception;

pub(super) const NODES: &[Node] = &[
    Node {
        class_type: "RepeatImageBatch",
        inputs: &[image("image"), int("amount", 1, 4_096)],
        outputs: &[IMAGE],
        is_output: false,
        run: repeat,
    },
    Node {
        class_type: "ImageBatch",
        inputs: &[image("image1"), image("image2")],
        outputs: &[IMAGE],
        is_output: false,
        run: join,
    },
    Node {
        class_type: "ImageFromBatch",
        inputs: &[image("image"), int("batch_index", 0, 4_095), int("length", 1, 4_096)],
        outputs: &[IMAGE],
        is_output: false,
        run: take,
    },
    Node {
        class_type: "GetImageSize",
        inputs: &[image("image")],
        outputs: &[INT, INT, INT],
        is_output: false,
        run: size,
    },
];

fn repeat(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let (picture, amount) = (arguments.image("image")?, arguments.count("amount"));
    room(picture.batch() * amount, picture.size(), picture.channels())?;
    Ok(Made::image(picture.repeated(amount)))
}

fn join(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let (first, second) = (arguments.image("image1")?, arguments.image("image2")?);
    let second = if first.size() == second.size() {
        Cow::Borrowed(second)
    } else {
        Cow::Owned(resized(second, first.size(), Method::Bilinear, true)?)
    };
    if first.channels() != second.channels() {
        let message = format!(
            "Sizes of tensors must match except in dimension 0. Expected size {} but got size {} for tensor number 1 in the list.",
            first.channels(),
            second.channels()
        );
        return Err(Exception::new("RuntimeError", message));
    }
    room(first.batch() + second.batch(), first.size(), first.channels())?;
    Ok(Made::image(first.joined(&second)))
}

fn take(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    let start = arguments.count("batch_index").min(picture.batch() - 1);
    let length = arguments.count("length").min(picture.batch() - start);
    Ok(Made::image(picture.frames(start, length)))
}

fn size(arguments: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    let picture = arguments.image("image")?;
    let (width, height) = picture.size();
    let number = |count: usize| Data::Int(u64::try_from(count).unwrap_or(u64::MAX));
    Ok(Made::Slots(vec![number(width), number(height), number(picture.batch())]))
}
