//! What each node makes of a few pixels.

use super::{Value, json, node, opened, row, run, save};

const RED: [u8; 4] = [255, 0, 0, 255];
const GREEN: [u8; 4] = [0, 255, 0, 255];
const GRAY: [u8; 4] = [128, 128, 128, 255];
const GLASS: [u8; 4] = [0, 0, 255, 0];

/// Runs a node on the pictures `a` (red, green), `b` (gray, gray) and `c` (red, and blue that is transparent). Width, height,
/// channels and bytes of what it makes, or the exception's message.
fn made_by(class_type: &str, inputs: &Value) -> Result<(u32, u32, u8, Vec<u8>), String> {
    slot_of(class_type, inputs, 0)
}

/// The same of another slot. A mask is made a picture first.
fn slot_of(class_type: &str, inputs: &Value, slot: usize) -> Result<(u32, u32, u8, Vec<u8>), String> {
    let workflow = json!({
        "a": node("LoadImage", &json!({"image": "a.png"})),
        "b": node("LoadImage", &json!({"image": "b.png"})),
        "c": node("LoadImage", &json!({"image": "c.png"})),
        "alpha": node("JoinImageWithAlpha", &json!({"image": ["c", 0], "alpha": ["c", 1]})),
        "both": node("ImageBatch", &json!({"image1": ["a", 0], "image2": ["b", 0]})),
        "half": node("SolidMask", &json!({"value": 0.5, "width": 1, "height": 1})),
        "node": node(class_type, inputs),
        "as_image": node("MaskToImage", &json!({"mask": ["node", slot]})),
        "save": save(&json!(["node", slot]), "of"),
        "save_mask": save(&json!(["as_image", 0]), "of_mask"),
    });
    let picture = |name: &str, pixels: &[[u8; 4]]| json!({"name": name, "image": row(pixels)});
    let images =
        json!([picture("a.png", &[RED, GREEN]), picture("b.png", &[GRAY, GRAY]), picture("c.png", &[RED, GLASS])]);
    match run(&Default::default(), &workflow, &images) {
        Ok(prompt) => Ok(opened(&prompt.file(0).bytes)),
        Err(failure) => Err([vec![failure.error], failure.details].concat().join("\n")),
    }
}

fn bytes_of(class_type: &str, inputs: &Value) -> Vec<u8> {
    made_by(class_type, inputs).expect("it runs").3
}

#[test]
fn pictures_are_made_of_nothing() {
    let empty = made_by("EmptyImage", &json!({"width": 2, "height": 1, "batch_size": 3, "color": 0x00ff_8001}));
    assert_eq!(empty, Ok((2, 1, 3, vec![255, 128, 1, 255, 128, 1])));
    let solid = made_by("SolidMask", &json!({"value": 0.25, "width": 1, "height": 1}));
    assert_eq!(solid, Ok((1, 1, 3, vec![63; 3])));
}

#[test]
fn pictures_are_read_with_their_alpha_as_a_mask() {
    assert_eq!(made_by("LoadImage", &json!({"image": "c.png"})), Ok((2, 1, 3, vec![255, 0, 0, 0, 0, 255])));
    assert_eq!(slot_of("LoadImage", &json!({"image": "c.png"}), 1), Ok((2, 1, 3, vec![0, 0, 0, 255, 255, 255])));
    // Without alpha the mask is empty, and of another size than the picture.
    assert_eq!(slot_of("LoadImage", &json!({"image": "a.png"}), 1), Ok((64, 64, 3, vec![0; 64 * 64 * 3])));
    for (channel, expected) in [("alpha", [0, 255]), ("red", [255, 0]), ("blue", [0, 255])] {
        let mask = bytes_of("LoadImageMask", &json!({"image": "c.png", "channel": channel}));
        assert_eq!([mask[0], mask[3]], expected, "{channel}");
    }
}

#[test]
fn pictures_are_scaled_to_a_size_a_factor_or_a_number_of_pixels() {
    let scale = |width: u32, height: u32, crop: &str| {
        let inputs = json!({"image": ["a", 0], "upscale_method": "nearest-exact", "width": width, "height": height, "crop": crop});
        made_by("ImageScale", &inputs).expect("it runs")
    };
    assert_eq!(scale(4, 1, "disabled"), (4, 1, 3, vec![255, 0, 0, 255, 0, 0, 0, 255, 0, 0, 255, 0]));
    assert_eq!((scale(0, 3, "disabled").0, scale(6, 0, "disabled").1, scale(0, 0, "disabled").0), (6, 3, 2));
    assert_eq!(scale(2, 2, "center").3.len(), 12);
    let by = made_by("ImageScaleBy", &json!({"image": ["a", 0], "upscale_method": "area", "scale_by": 2.5}));
    assert_eq!(by.map(|made| (made.0, made.1)), Ok((5, 2)));
    let total = json!({"image": ["a", 0], "upscale_method": "bilinear", "megapixels": 0.01});
    assert_eq!(made_by("ImageScaleToTotalPixels", &total).map(|made| (made.0, made.1)), Ok((145, 72)));
    let nothing = made_by("ImageScaleBy", &json!({"image": ["a", 0], "upscale_method": "bilinear", "scale_by": 0.1}));
    assert!(nothing.is_err_and(|error| error.contains("Input and output sizes should be greater than 0")));
}

#[test]
fn pixels_change_their_places() {
    let (red, green) = ([255, 0, 0], [0, 255, 0]);
    assert_eq!(bytes_of("ImageCrop", &json!({"image": ["a", 0], "width": 9, "height": 9, "x": 1, "y": 7})), green);
    let flip = |method: &str| bytes_of("ImageFlip", &json!({"image": ["a", 0], "flip_method": method}));
    assert_eq!(flip("y-axis: horizontally"), [green, red].concat());
    assert_eq!(flip("x-axis: vertically"), [red, green].concat());
    let turned = made_by("ImageRotate", &json!({"image": ["a", 0], "rotation": "270 degrees"}));
    assert_eq!(turned, Ok((1, 2, 3, [green, red].concat())));
    let pad = json!({"image": ["a", 0], "left": 1, "top": 0, "right": 0, "bottom": 0, "feathering": 0});
    assert_eq!(made_by("ImagePadForOutpaint", &pad), Ok((3, 1, 3, [[127; 3], red, green].concat())));
    assert_eq!(slot_of("ImagePadForOutpaint", &pad, 1), Ok((3, 1, 3, [[255; 3], [0; 3], [0; 3]].concat())));
}

#[test]
fn pixels_change_their_values() {
    assert_eq!(bytes_of("ImageInvert", &json!({"image": ["a", 0]})), [0, 255, 255, 255, 0, 255]);
    let noise = |seed: u64| bytes_of("ImageAddNoise", &json!({"image": ["b", 0], "seed": seed, "strength": 0.5}));
    assert_eq!(noise(1), noise(1));
    assert_ne!(noise(1), noise(u64::MAX));
    let blur = json!({"image": ["a", 0], "blur_radius": 1, "sigma": 1.0});
    assert!(made_by("ImageBlur", &blur).is_err_and(|error| error.contains("Padding size should be less than")));
    let sharpen = json!({"image": ["a", 0], "sharpen_radius": 1, "sigma": 1.0, "alpha": 1.0});
    assert!(made_by("ImageSharpen", &sharpen).is_err_and(|error| error.contains("Padding size should be less than")));
}

#[test]
fn pictures_are_laid_over_each_other() {
    let composite = |mask: Value, x: u32| {
        let inputs =
            json!({"destination": ["a", 0], "source": ["b", 0], "x": x, "y": 0, "resize_source": false, "mask": mask});
        bytes_of("ImageCompositeMasked", &inputs)
    };
    assert_eq!(composite(Value::Null, 1), [255, 0, 0, 128, 128, 128]);
    assert_eq!(composite(json!(["half", 0]), 0), [191, 64, 64, 64, 191, 64]);
    assert_eq!(composite(json!(["c", 1]), 0), [255, 0, 0, 128, 128, 128]);
    assert_eq!(composite(Value::Null, 2), [255, 0, 0, 0, 255, 0]);
    let blend = |mode: &str| {
        let inputs = json!({"image1": ["a", 0], "image2": ["b", 0], "blend_factor": 1, "blend_mode": mode});
        bytes_of("ImageBlend", &inputs)
    };
    assert_eq!(blend("multiply"), [128, 0, 0, 0, 128, 0]);
    assert_eq!(blend("screen")[..3], [255, 128, 128]);
}

#[test]
fn this_version_pads_the_wrong_picture_where_only_the_first_has_alpha() {
    let inputs = json!({"destination": ["alpha", 0], "source": ["b", 0], "x": 0, "y": 0, "resize_source": false});
    let error = made_by("ImageCompositeMasked", &inputs).expect_err("it fails");
    assert!(
        error.ends_with("The size of tensor a (3) must match the size of tensor b (5) at non-singleton dimension 1\n")
    );
    let inputs = json!({"destination": ["b", 0], "source": ["alpha", 0], "x": 0, "y": 0, "resize_source": true});
    assert_eq!(made_by("ImageCompositeMasked", &inputs).map(|made| made.2), Ok(3));
    assert!(made_by("ImageBatch", &json!({"image1": ["a", 0], "image2": ["alpha", 0]})).is_err());
}

#[test]
fn batches_grow_and_are_measured() {
    let repeated = |amount: u32| {
        let inputs = json!({"image": ["a", 0], "amount": amount});
        let workflow = json!({
            "a": node("LoadImage", &json!({"image": "a.png"})),
            "node": node("RepeatImageBatch", &inputs),
            "size": node("GetImageSize", &json!({"image": ["node", 0]})),
            "square": node("SolidMask", &json!({"value": 1, "width": ["size", 0], "height": ["size", 2]})),
            "image": node("MaskToImage", &json!({"mask": ["square", 0]})),
            "1": save(&json!(["node", 0]), "of"),
            "2": save(&json!(["image", 0]), "size"),
        });
        let images = json!([{"name": "a.png", "image": row(&[RED, GREEN])}]);
        run(&Default::default(), &workflow, &images).expect("it runs")
    };
    let prompt = repeated(3);
    assert_eq!((prompt.outputs(), prompt.size(0), prompt.size(3)), (4, (2, 1), (2, 3)));
    assert_eq!(bytes_of("ImageFromBatch", &json!({"image": ["both", 0], "batch_index": 1, "length": 9})), [128; 6]);
}

#[test]
fn alpha_is_joined_and_split() {
    let join = json!({"image": ["a", 0], "alpha": ["c", 1]});
    assert_eq!(made_by("JoinImageWithAlpha", &join), Ok((2, 1, 4, vec![255, 0, 0, 255, 0, 255, 0, 0])));
    let split = json!({"image": ["alpha", 0]});
    assert_eq!(made_by("SplitImageWithAlpha", &split).map(|made| made.2), Ok(3));
    assert_eq!(slot_of("SplitImageWithAlpha", &split, 1).map(|made| made.3), Ok(vec![0, 0, 0, 255, 255, 255]));
    assert_eq!(bytes_of("InvertMask", &json!({"mask": ["c", 1]})), [255, 255, 255, 0, 0, 0]);
    assert_eq!(bytes_of("ImageToMask", &json!({"image": ["a", 0], "channel": "green"})), [0, 0, 0, 255, 255, 255]);
    let none = made_by("ImageToMask", &json!({"image": ["a", 0], "channel": "alpha"}));
    assert!(none.is_err_and(|error| error.contains("index 3 is out of bounds for dimension 3 with size 3")));
    // Two pictures and one mask make one picture.
    let inputs = json!({"image": ["both", 0], "alpha": ["c", 1]});
    assert_eq!(made_by("JoinImageWithAlpha", &inputs).map(|made| made.2), Ok(4));
}

#[test]
fn what_no_memory_holds_fails_as_without_memory() {
    let inputs = json!({"width": 16_384, "height": 16_384, "batch_size": 4_096, "color": 0});
    assert!(made_by("EmptyImage", &inputs).is_err_and(|error| error.contains("can't allocate memory")));
}

#[test]
fn a_value_where_a_picture_belongs_passes_validation_and_fails_in_the_node() {
    let error = made_by("ImageInvert", &json!({"image": "a.png"})).expect_err("it fails");
    assert!(error.contains("Node Type: ImageInvert, Node ID: node, Message: 'str' object has no attribute 'shape'"));
}
