//! The catalogue itself: ten workflows with prices, times and parameters. Pure.

use std::time::Duration;

use super::parameter::{Kind, Preset, optional, required, required_unless, with_default};
use super::{Dialect, OUTPUTS_MAX, OutputFormat, PROMPT_CHARS_MAX, Workflow, WorkflowType};
use crate::credits::Credits;

/// The formats of a picture; the first is the default.
const PICTURES: &[OutputFormat] = &[OutputFormat::Webp, OutputFormat::Jpg, OutputFormat::Png, OutputFormat::Avif];
/// The formats of a clip; the first is the default.
const CLIPS: &[OutputFormat] = &[OutputFormat::Mp4, OutputFormat::Gif];

/// Most pictures of one clip.
const CLIP_PICTURES_MAX: usize = 8;
/// The longest text laid over a poster, in characters.
const OVERLAY_CHARS_MAX: usize = 200;
const SIDE: Kind = Kind::Integer { min: 64, max: 4096 };
const SHARE: Kind = Kind::Number { min: 0.0, max: 1.0 };
const SCALE: Kind = Kind::Number { min: 0.01, max: 100.0 };
const PROMPT: Kind = Kind::Text { chars_max: PROMPT_CHARS_MAX };

/// Every workflow on offer.
pub static CATALOGUE: &[Workflow] =
    &[MODEL, TRYON, COLOR_CHANGE, UPSCALE, GRAPHIC_TRANSFER, RESIZE, BACKGROUND, LIFESTYLE, VIDEO, POSTER];

// What most entries have in common.
const PICTURE_WORKFLOW: Workflow = Workflow {
    kind: WorkflowType::Model,
    title: "",
    summary: "",
    cost: Credits::new(2),
    outputs_default: 2,
    outputs_max: OUTPUTS_MAX,
    target: Duration::from_secs(20),
    max: Duration::from_secs(45),
    formats: PICTURES,
    dialect: Dialect::Product,
    parameters: &[],
};

const MODEL: Workflow = Workflow {
    kind: WorkflowType::Model,
    title: "Model generation",
    summary: "A photorealistic human model.",
    parameters: &[
        required("gender", Kind::Choice(&["male", "female", "non-binary"]), "The gender of the model."),
        required("pose", Kind::Choice(&["standing", "sitting", "walking", "action"]), "What the model does."),
        required("age_range", Kind::Choice(&["18-25", "25-35", "35-50", "50+"]), "The age of the model, in years."),
        required(
            "ethnicity",
            Kind::Choice(&["caucasian", "asian", "african", "hispanic", "mixed"]),
            "The model's origin.",
        ),
        optional("clothing_style", Kind::Choice(&["casual", "formal", "athletic", "fashion"]), "What the model wears."),
        optional(
            "background",
            Kind::Choice(&["studio_white", "studio_gray", "natural", "custom"]),
            "What is behind the model; `custom` follows the prompt.",
        ),
        optional("prompt", PROMPT, "What else the picture shall show."),
    ],
    ..PICTURE_WORKFLOW
};

const TRYON: Workflow = Workflow {
    kind: WorkflowType::Tryon,
    title: "Virtual try-on",
    summary: "A garment placed on a model.",
    cost: Credits::new(3),
    target: Duration::from_secs(25),
    max: Duration::from_mins(1),
    parameters: &[
        required("model_image", Kind::Picture, "Who wears the garment."),
        required("garment_image", Kind::Picture, "The garment."),
        required("garment_type", Kind::Choice(&["top", "bottom", "dress", "outerwear", "accessory"]), "What it is."),
        with_default(
            "fit_adjustment",
            Kind::Choice(&["tight", "regular", "loose"]),
            Preset::Text("regular"),
            "How closely the garment fits.",
        ),
    ],
    ..PICTURE_WORKFLOW
};

const COLOR_CHANGE: Workflow = Workflow {
    kind: WorkflowType::ColorChange,
    title: "Colour change",
    summary: "A product in another colour, its texture kept.",
    cost: Credits::new(1),
    target: Duration::from_secs(10),
    max: Duration::from_secs(30),
    parameters: &[
        required("input_image", Kind::Picture, "The product."),
        required("target_color", Kind::Colour, "The colour it shall have."),
        optional("mask", Kind::Picture, "White where the colour may change, black where it stays."),
        with_default("preserve_texture", Kind::Flag, Preset::ON, "Whether the texture shows through the new colour."),
        with_default("maintain_shadows", Kind::Flag, Preset::ON, "Whether shadows stay as they are."),
    ],
    ..PICTURE_WORKFLOW
};

const UPSCALE: Workflow = Workflow {
    kind: WorkflowType::Upscale,
    title: "Upscale",
    summary: "A picture enlarged, with detail.",
    outputs_default: 1,
    outputs_max: 1,
    target: Duration::from_secs(15),
    parameters: &[
        required("input_image", Kind::Picture, "The picture to enlarge."),
        required("upscale_level", Kind::IntegerChoice(&[2, 4, 8]), "How many times as wide and high it becomes."),
        with_default("enhance_face", Kind::Flag, Preset::OFF, "Whether faces are restored."),
        with_default("denoise_strength", SHARE, Preset::Number(0.0), "How much noise is removed: 0 none, 1 most."),
        with_default("add_details", Kind::Flag, Preset::OFF, "Whether detail is added."),
    ],
    ..PICTURE_WORKFLOW
};

const GRAPHIC_TRANSFER: Workflow = Workflow {
    kind: WorkflowType::GraphicTransfer,
    title: "Graphic transfer",
    summary: "A graphic put on a product.",
    target: Duration::from_secs(12),
    max: Duration::from_secs(35),
    parameters: &[
        required("base_image", Kind::Picture, "The product."),
        required("graphic_image", Kind::Picture, "The graphic; what is transparent in it shows the product."),
        required(
            "position",
            Kind::Object(&[
                required("x", SHARE, "From the left edge, 0, to the right one, 1."),
                required("y", SHARE, "From the upper edge, 0, to the lower one, 1."),
            ]),
            "Where the middle of the graphic lies on the product.",
        ),
        required("scale", SCALE, "The size of the graphic, as a factor of its own pixels."),
        with_default(
            "blend_mode",
            Kind::Choice(&["multiply", "overlay", "normal"]),
            Preset::Text("normal"),
            "How the graphic mixes with the product.",
        ),
        with_default(
            "match_perspective",
            Kind::Flag,
            Preset::OFF,
            "Whether the graphic follows the shape of the product.",
        ),
    ],
    ..PICTURE_WORKFLOW
};

const RESIZE: Workflow = Workflow {
    kind: WorkflowType::Resize,
    title: "Resize",
    summary: "A picture brought to another size and shape.",
    cost: Credits::new(1),
    outputs_default: 1,
    outputs_max: 1,
    target: Duration::from_secs(8),
    max: Duration::from_secs(20),
    parameters: &[
        required("input_image", Kind::Picture, "The picture to resize."),
        required("target_width", SIDE, "The width it shall have, in pixels."),
        required("target_height", SIDE, "The height it shall have, in pixels."),
        required(
            "maintain_aspect",
            Kind::Flag,
            "Whether what it shows keeps its proportions; `fill_mode` wins over it.",
        ),
        optional(
            "fill_mode",
            Kind::Choice(&["stretch", "crop", "content_aware", "letterbox"]),
            "How the new shape is filled.",
        ),
    ],
    ..PICTURE_WORKFLOW
};

const BACKGROUND: Workflow = Workflow {
    kind: WorkflowType::Background,
    title: "Background",
    summary: "A background removed, replaced or generated.",
    max: Duration::from_secs(50),
    parameters: &[
        required("input_image", Kind::Picture, "The picture whose background changes."),
        required_unless(
            "prompt",
            PROMPT,
            "remove_only",
            "What the background shall show; needed unless `remove_only` is true.",
        ),
        required(
            "style",
            Kind::Choice(&["photorealistic", "artistic", "minimal", "abstract"]),
            "What the background looks like.",
        ),
        with_default("remove_only", Kind::Flag, Preset::OFF, "Whether the background is only taken away."),
        with_default("match_lighting", Kind::Flag, Preset::ON, "Whether the subject is lit as its new background."),
    ],
    ..PICTURE_WORKFLOW
};

const LIFESTYLE: Workflow = Workflow {
    kind: WorkflowType::Lifestyle,
    title: "Lifestyle scene",
    summary: "A product in a scene.",
    cost: Credits::new(3),
    target: Duration::from_secs(25),
    max: Duration::from_mins(1),
    parameters: &[
        required("product_image", Kind::Picture, "The product."),
        required(
            "scene",
            Kind::Choice(&["living_room", "office", "outdoor", "studio", "kitchen", "bedroom"]),
            "Where the product stands.",
        ),
        required("lighting", Kind::Choice(&["natural", "studio", "dramatic", "soft"]), "How the scene is lit."),
        optional("time_of_day", Kind::Choice(&["morning", "afternoon", "evening", "night"]), "When it is."),
        optional("style", Kind::Choice(&["modern", "rustic", "minimalist", "luxury"]), "What the scene looks like."),
    ],
    ..PICTURE_WORKFLOW
};

const VIDEO: Workflow = Workflow {
    kind: WorkflowType::Video,
    title: "Video",
    summary: "A short clip made of pictures.",
    cost: Credits::new(5),
    outputs_default: 1,
    outputs_max: 1,
    target: Duration::from_secs(45),
    max: Duration::from_mins(2),
    formats: CLIPS,
    parameters: &[
        required("input_images", Kind::Pictures { min: 1, max: CLIP_PICTURES_MAX }, "What the clip shows, in order."),
        required("duration", Kind::Number { min: 1.0, max: 10.0 }, "How long the clip is, in seconds."),
        required("transition", Kind::Choice(&["fade", "slide", "zoom", "morph"]), "How one picture follows another."),
        with_default(
            "motion",
            Kind::Choice(&["pan", "zoom", "rotate", "none"]),
            Preset::Text("none"),
            "How pictures move.",
        ),
        with_default("fps", Kind::IntegerChoice(&[24, 25, 30]), Preset::Integer(24), "Frames a second."),
        optional("format", Kind::Choice(&["mp4", "gif"]), "The same as `settings.output_format`; give one of them."),
    ],
    ..PICTURE_WORKFLOW
};

const POSTER: Workflow = Workflow {
    kind: WorkflowType::Poster,
    title: "Poster",
    summary: "A post for social media.",
    cost: Credits::new(1),
    target: Duration::from_secs(10),
    max: Duration::from_secs(30),
    parameters: &[
        required("input_image", Kind::Picture, "What the poster shows."),
        required(
            "platform",
            Kind::Choice(&["instagram_post", "instagram_story", "facebook", "twitter", "linkedin"]),
            "Where it is posted; decides its size.",
        ),
        optional(
            "dimensions",
            Kind::Object(&[
                required("width", SIDE, "The width, in pixels."),
                required("height", SIDE, "The height, in pixels."),
            ]),
            "A size other than the platform's.",
        ),
        optional(
            "text_overlay",
            Kind::Object(&[
                required("text", Kind::Text { chars_max: OVERLAY_CHARS_MAX }, "What it says."),
                with_default("position", Kind::Choice(&["top", "center", "bottom"]), Preset::Text("bottom"), "Where."),
                with_default(
                    "font",
                    Kind::Choice(&["bold", "regular", "elegant"]),
                    Preset::Text("regular"),
                    "Its font.",
                ),
                with_default("color", Kind::Colour, Preset::Text("#FFFFFF"), "Its colour."),
            ]),
            "A text on the poster.",
        ),
        optional(
            "style",
            Kind::Choice(&["minimal", "vibrant", "professional", "artistic"]),
            "What the poster looks like.",
        ),
    ],
    ..PICTURE_WORKFLOW
};
