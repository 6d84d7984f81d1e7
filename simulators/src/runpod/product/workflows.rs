//! The ten workflows and their parameters, as a product endpoint knows them.

use super::field::{Field, Kind, optional, required, required_unless};

/// What a worker can be asked to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runpod) enum Workflow {
    Model,
    Tryon,
    ColorChange,
    Upscale,
    GraphicTransfer,
    Resize,
    Background,
    Lifestyle,
    Video,
    Poster,
}

/// The name of each, and its parameters.
pub(super) const WORKFLOWS: [(&str, Workflow, &[Field]); 10] = [
    ("model", Workflow::Model, MODEL),
    ("tryon", Workflow::Tryon, TRYON),
    ("color_change", Workflow::ColorChange, COLOR_CHANGE),
    ("upscale", Workflow::Upscale, UPSCALE),
    ("graphic_transfer", Workflow::GraphicTransfer, GRAPHIC_TRANSFER),
    ("resize", Workflow::Resize, RESIZE),
    ("background", Workflow::Background, BACKGROUND),
    ("lifestyle", Workflow::Lifestyle, LIFESTYLE),
    ("video", Workflow::Video, VIDEO),
    ("poster", Workflow::Poster, POSTER),
];

/// Longest prompt, in characters.
const PROMPT_CHARS_MAX: usize = 10_000;
/// Longest text on a poster, in characters.
const OVERLAY_CHARS_MAX: usize = 500;
/// Pictures of one clip at most.
const CLIP_PICTURES_MAX: usize = 8;
/// The largest factor by which a graphic is scaled.
const FACTOR_MAX: f64 = 1_000.0;

const PROMPT: Kind = Kind::Text { chars_max: PROMPT_CHARS_MAX };
const SHARE: Kind = Kind::Number { min: 0.0, max: 1.0 };
const SIDE: Kind = Kind::Integer { min: 64, max: 4_096 };
/// A seed inside the parameters; one beside them wins.
const SEED: Field = optional("seed", Kind::Integer { min: 0, max: u64::MAX });
/// The size of pictures that no input and no parameter of the product decides.
const WIDTH: Field = optional("width", Kind::Integer { min: 1, max: 8_192 });
const HEIGHT: Field = optional("height", Kind::Integer { min: 1, max: 8_192 });

const MODEL: &[Field] = &[
    required("gender", Kind::Choice(&["male", "female", "non-binary"])),
    required("pose", Kind::Choice(&["standing", "sitting", "walking", "action"])),
    required("age_range", Kind::Choice(&["18-25", "25-35", "35-50", "50+"])),
    required("ethnicity", Kind::Choice(&["caucasian", "asian", "african", "hispanic", "mixed"])),
    optional("clothing_style", Kind::Choice(&["casual", "formal", "athletic", "fashion"])),
    optional("background", Kind::Choice(&["studio_white", "studio_gray", "natural", "custom"])),
    optional("prompt", PROMPT),
    WIDTH,
    HEIGHT,
    SEED,
];

const TRYON: &[Field] = &[
    required("model_image", Kind::Picture),
    required("garment_image", Kind::Picture),
    required("garment_type", Kind::Choice(&["top", "bottom", "dress", "outerwear", "accessory"])),
    optional("fit_adjustment", Kind::Choice(&["tight", "regular", "loose"])),
    SEED,
];

const COLOR_CHANGE: &[Field] = &[
    required("input_image", Kind::Picture),
    required("target_color", Kind::Color),
    optional("mask", Kind::Picture),
    optional("preserve_texture", Kind::Flag),
    optional("maintain_shadows", Kind::Flag),
    SEED,
];

const UPSCALE: &[Field] = &[
    required("input_image", Kind::Picture),
    required("upscale_level", Kind::IntegerChoice(&[2, 4, 8])),
    optional("enhance_face", Kind::Flag),
    optional("denoise_strength", SHARE),
    optional("add_details", Kind::Flag),
    SEED,
];

const GRAPHIC_TRANSFER: &[Field] = &[
    required("base_image", Kind::Picture),
    required("graphic_image", Kind::Picture),
    required("position", Kind::Object(&[required("x", SHARE), required("y", SHARE)])),
    required("scale", Kind::Factor { max: FACTOR_MAX }),
    optional("blend_mode", Kind::Choice(&["multiply", "overlay", "normal"])),
    optional("match_perspective", Kind::Flag),
    SEED,
];

const RESIZE: &[Field] = &[
    required("input_image", Kind::Picture),
    required("target_width", SIDE),
    required("target_height", SIDE),
    required("maintain_aspect", Kind::Flag),
    optional("fill_mode", Kind::Choice(&["stretch", "crop", "content_aware", "letterbox"])),
    SEED,
];

const BACKGROUND: &[Field] = &[
    required("input_image", Kind::Picture),
    required_unless("prompt", "remove_only", PROMPT),
    required("style", Kind::Choice(&["photorealistic", "artistic", "minimal", "abstract"])),
    optional("remove_only", Kind::Flag),
    optional("match_lighting", Kind::Flag),
    SEED,
];

const LIFESTYLE: &[Field] = &[
    required("product_image", Kind::Picture),
    required("scene", Kind::Choice(&["living_room", "office", "outdoor", "studio", "kitchen", "bedroom"])),
    required("lighting", Kind::Choice(&["natural", "studio", "dramatic", "soft"])),
    optional("time_of_day", Kind::Choice(&["morning", "afternoon", "evening", "night"])),
    optional("style", Kind::Choice(&["modern", "rustic", "minimalist", "luxury"])),
    WIDTH,
    HEIGHT,
    SEED,
];

const VIDEO: &[Field] = &[
    required("input_images", Kind::Pictures { max: CLIP_PICTURES_MAX }),
    required("duration", Kind::Number { min: 1.0, max: 10.0 }),
    required("transition", Kind::Choice(&["fade", "slide", "zoom", "morph"])),
    optional("motion", Kind::Choice(&["pan", "zoom", "rotate", "none"])),
    optional("fps", Kind::IntegerChoice(&[24, 25, 30])),
    optional("format", Kind::Choice(&["mp4", "gif"])),
    SEED,
];

const POSTER: &[Field] = &[
    required("input_image", Kind::Picture),
    required("platform", Kind::Choice(&["instagram_post", "instagram_story", "facebook", "twitter", "linkedin"])),
    optional("dimensions", Kind::Object(&[required("width", SIDE), required("height", SIDE)])),
    optional(
        "text_overlay",
        Kind::Object(&[
            required("text", Kind::Text { chars_max: OVERLAY_CHARS_MAX }),
            optional("position", Kind::Choice(&["top", "center", "bottom"])),
            optional("font", Kind::Choice(&["bold", "regular", "elegant"])),
            optional("color", Kind::Color),
        ]),
    ),
    optional("style", Kind::Choice(&["minimal", "vibrant", "professional", "artistic"])),
    SEED,
];
