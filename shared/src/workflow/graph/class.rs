//! The node classes that templates may use, with their inputs and outputs: those of a plain ComfyUI 0.3. Pure.
//!
//! None of them needs a model or a custom node. A class that is not listed here cannot be run by accident.

/// A class of nodes.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) inputs: &'static [Field],
    /// What its output slots carry, in order.
    pub(super) outputs: &'static [Wire],
}

/// An input of a class.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// What is linked into it, or `None` where it takes a scalar.
    pub(super) wire: Option<Wire>,
    pub(super) is_optional: bool,
}

/// What runs along a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Image,
    Mask,
}

use Wire::{Image, Mask};

/// Every class that a template may use.
static CLASSES: &[Class] = &[
    class("LoadImage", &[scalar("image")], &[Image, Mask]),
    class("LoadImageMask", &[scalar("image"), scalar("channel")], &[Mask]),
    class("SaveImage", &[link("images", Image), scalar("filename_prefix")], &[]),
    class("EmptyImage", &[scalar("width"), scalar("height"), scalar("batch_size"), scalar("color")], &[Image]),
    class(
        "ImageScale",
        &[link("image", Image), scalar("upscale_method"), scalar("width"), scalar("height"), scalar("crop")],
        &[Image],
    ),
    class("ImageCrop", &[link("image", Image), scalar("width"), scalar("height"), scalar("x"), scalar("y")], &[Image]),
    class(
        "ImageBlend",
        &[link("image1", Image), link("image2", Image), scalar("blend_factor"), scalar("blend_mode")],
        &[Image],
    ),
    class("ImageBlur", &[link("image", Image), scalar("blur_radius"), scalar("sigma")], &[Image]),
    class(
        "ImageSharpen",
        &[link("image", Image), scalar("sharpen_radius"), scalar("sigma"), scalar("alpha")],
        &[Image],
    ),
    class("ImageAddNoise", &[link("image", Image), scalar("seed"), scalar("strength")], &[Image]),
    class(
        "ImageCompositeMasked",
        &[
            link("destination", Image),
            link("source", Image),
            scalar("x"),
            scalar("y"),
            scalar("resize_source"),
            Field { name: "mask", wire: Some(Mask), is_optional: true },
        ],
        &[Image],
    ),
    class("InvertMask", &[link("mask", Mask)], &[Mask]),
    class("MaskToImage", &[link("mask", Mask)], &[Image]),
    class("ImageToMask", &[link("image", Image), scalar("channel")], &[Mask]),
    class("JoinImageWithAlpha", &[link("image", Image), link("alpha", Mask)], &[Image]),
    class("SplitImageWithAlpha", &[link("image", Image)], &[Image, Mask]),
];

/// The class of this name, if a template may use it.
pub(super) fn find(name: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.name == name)
}

impl Class {
    /// Its input of this name.
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.inputs.iter().find(|field| field.name == name)
    }

    /// What the output slot carries, if there is such a slot.
    pub(super) fn output(&self, slot: u64) -> Option<Wire> {
        self.outputs.get(usize::try_from(slot).ok()?).copied()
    }
}

const fn class(name: &'static str, inputs: &'static [Field], outputs: &'static [Wire]) -> Class {
    Class { name, inputs, outputs }
}

const fn link(name: &'static str, wire: Wire) -> Field {
    Field { name, wire: Some(wire), is_optional: false }
}

const fn scalar(name: &'static str) -> Field {
    Field { name, wire: None, is_optional: false }
}
