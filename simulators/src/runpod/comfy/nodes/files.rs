//! Pictures from the worker's disk and to it.

use std::io::Cursor;
use std::sync::Arc;

use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use raster::{CHANNELS_MAX, Raster};

use super::{Arguments, Data, Input, Made, Node, Takes, choice, image, input, room};
use crate::runpod::comfy::disk::{Disk, OUTPUT, TEMP, Target, annotated_path};
use crate::runpod::comfy::python::{Exception, repr_text};
use crate::runpod::pillow::{self, Opened};

/// Side of the empty mask that a picture without alpha has.
const EMPTY_MASK_SIDE: usize = 64;

const FILE: Input = input("image", Takes::File);

pub(super) const NODES: &[Node] = &[
    Node { class_type: "LoadImage", inputs: &[FILE], outputs: &["IMAGE", "MASK"], is_output: false, run: load_image },
    Node {
        class_type: "LoadImageMask",
        inputs: &[FILE, choice("channel", &["alpha", "red", "green", "blue"])],
        outputs: &["MASK"],
        is_output: false,
        run: load_mask,
    },
    Node {
        class_type: "SaveImage",
        inputs: &[image("images"), input("filename_prefix", Takes::Text)],
        outputs: &[],
        is_output: true,
        run: save,
    },
    Node { class_type: "PreviewImage", inputs: &[image("images")], outputs: &[], is_output: true, run: preview },
];

/// Reads a picture and turns it upright. Of an animation only the first picture is read here.
fn load(arguments: &Arguments<'_>, disk: &Disk) -> Result<Opened, Exception> {
    let path = annotated_path(arguments.text("image"));
    let Some(bytes) = disk.read(&path) else {
        let message = format!("[Errno 2] No such file or directory: {}", repr_text(&path));
        return Err(Exception::new("FileNotFoundError", message));
    };
    let unidentified = || {
        let message = format!("cannot identify image file {}", repr_text(&path));
        Exception::new("PIL.UnidentifiedImageError", message)
    };
    let reader = ImageReader::new(Cursor::new(&*bytes)).with_guessed_format().map_err(|_| unidentified())?;
    let mut decoder = reader.into_decoder().map_err(|_| unidentified())?;
    let (width, height) = decoder.dimensions();
    room(1, (side(width), side(height)), CHANNELS_MAX)?;
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder)
        .map_err(|_| Exception::new("OSError", "image file is truncated (0 bytes not processed)"))?;
    picture.apply_orientation(orientation);
    Ok(pillow::open(&bytes, picture))
}

fn load_image(arguments: &Arguments<'_>, disk: &Disk) -> Result<Made, Exception> {
    let Opened { picture, alpha } = load(arguments, disk)?;
    let size = size(&picture);
    let mask = if alpha {
        Raster::from_bytes(size, 4, &picture.to_rgba8()).channel(3).inverted()
    } else {
        Raster::filled(1, (EMPTY_MASK_SIDE, EMPTY_MASK_SIDE), &[0.0])
    };
    let picture = Raster::from_bytes(size, 3, &picture.into_rgb8());
    Ok(Made::Slots(vec![Data::Image(Arc::new(picture)), Data::Mask(Arc::new(mask))]))
}

fn load_mask(arguments: &Arguments<'_>, disk: &Disk) -> Result<Made, Exception> {
    let Opened { picture, .. } = load(arguments, disk)?;
    let size = size(&picture);
    let channels = Raster::from_bytes(size, 4, &picture.into_rgba8());
    Ok(Made::mask(match arguments.text("channel") {
        "red" => channels.channel(0),
        "green" => channels.channel(1),
        "blue" => channels.channel(2),
        _ => channels.channel(3).inverted(),
    }))
}

fn side(pixels: u32) -> usize {
    usize::try_from(pixels).unwrap_or(usize::MAX)
}

fn size(picture: &DynamicImage) -> (usize, usize) {
    (side(picture.width()), side(picture.height()))
}

fn save(arguments: &Arguments<'_>, disk: &Disk) -> Result<Made, Exception> {
    let images = arguments.image("images")?;
    let size = pixels(images);
    let target = Target::read(OUTPUT, arguments.text("filename_prefix"), size)?;
    let files = (0..images.batch()).map(|index| encode(images, index)).collect::<Result<_, _>>()?;
    Ok(Made::Files(disk.save(&target, files, size)))
}

fn preview(arguments: &Arguments<'_>, disk: &Disk) -> Result<Made, Exception> {
    let images = arguments.image("images")?;
    let size = pixels(images);
    let target = Target::read(TEMP, "ComfyUI_temp_simul", size)?;
    let files = (0..images.batch()).map(|index| encode(images, index)).collect::<Result<_, _>>()?;
    disk.save(&target, files, size);
    Ok(Made::Previews)
}

fn pixels(images: &Raster) -> (u32, u32) {
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    (side(images.size().0), side(images.size().1))
}

fn encode(images: &Raster, index: usize) -> Result<Arc<[u8]>, Exception> {
    let color = match images.channels() {
        3 => ColorType::Rgb8,
        4 => ColorType::Rgba8,
        channels => {
            let (width, height) = images.size();
            let message = format!("Cannot handle this data type: (1, 1, {channels}), |u1 ({width}x{height})");
            return Err(Exception::new("TypeError", message));
        }
    };
    let (width, height) = pixels(images);
    let mut file = Cursor::new(Vec::new());
    image::write_buffer_with_format(&mut file, &images.to_bytes(index), width, height, color, ImageFormat::Png)
        .map_err(|error| Exception::new("OSError", error.to_string()))?;
    Ok(file.into_inner().into())
}
