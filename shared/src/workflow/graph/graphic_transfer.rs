//! `graphic_transfer`: a graphic laid on a product, where its own transparency and the product's let it show. Pure.

use super::binding::{
    Accepts, Binding, OUTPUT_STRENGTHS, Scalar, Source, blend_factor, color, picture, place, save, seed, side,
};
use super::instance::Plan;
use super::placement::Placement;
use super::size::Size;
use super::template::Template;
use super::{GraphError, GraphRequest};

const BASE: &str = "base_image";
const GRAPHIC: &str = "graphic_image";
const POSITION: &str = "position";
const SCALE: &str = "scale";

/// The bounds of `scale`, as in the catalogue.
const SCALE_MIN: f64 = 0.01;
const SCALE_MAX: f64 = 100.0;

/// Colours that multiplying and overlaying leave a picture as it is: what lies around the graphic.
const NEUTRAL_MULTIPLY: u32 = 0xFF_FFFF;
const NEUTRAL_OVERLAY: u32 = 0x80_8080;

/// What both templates bind.
const BINDINGS: &[Binding] = &[
    picture(1, "LoadImage", BASE),
    picture(2, "LoadImage", GRAPHIC),
    side(4, "ImageCrop", "width", Source::Computed("part_width")),
    side(4, "ImageCrop", "height", Source::Computed("part_height")),
    place(4, "ImageCrop", "x", Source::Computed("part_x")),
    place(4, "ImageCrop", "y", Source::Computed("part_y")),
    side(5, "ImageScale", "width", Source::Computed("scaled_width")),
    side(5, "ImageScale", "height", Source::Computed("scaled_height")),
    side(6, "ImageCrop", "width", Source::Computed("shown_width")),
    side(6, "ImageCrop", "height", Source::Computed("shown_height")),
    place(6, "ImageCrop", "x", Source::Computed("shown_x")),
    place(6, "ImageCrop", "y", Source::Computed("shown_y")),
    seed(9),
    place(11, "ImageCompositeMasked", "x", Source::Computed("x")),
    place(11, "ImageCompositeMasked", "y", Source::Computed("y")),
    blend_factor(12, Source::Variant(&OUTPUT_STRENGTHS)),
    save(14),
];

/// The graphic covers the product.
pub(super) static COVER: Template =
    Template::new("graphic_transfer_normal", include_str!("templates/graphic_transfer_normal.json"), &[BINDINGS]);

/// The graphic lies on a neutral canvas, which is then blended with the product.
pub(super) static BLEND: Template = Template::new(
    "graphic_transfer_blend",
    include_str!("templates/graphic_transfer_blend.json"),
    &[
        BINDINGS,
        &[
            side(10, "EmptyImage", "width", Source::Computed("width")),
            side(10, "EmptyImage", "height", Source::Computed("height")),
            color(10, Source::Computed("neutral")),
            Binding {
                node: 12,
                class: "ImageBlend",
                input: "blend_mode",
                accepts: Accepts::Word(&["multiply", "overlay"]),
                source: Source::Computed("mode"),
            },
        ],
    ],
);

pub(super) fn plan(request: &GraphRequest<'_>) -> Result<Plan, GraphError> {
    let base = request.size_of(BASE)?;
    let base = Size::bounded(base.width.into(), base.height.into())?;
    let share = |name: &str| {
        let position = request.parameters.get(POSITION).and_then(|position| position.get(name)?.as_f64());
        position.filter(|share| (0.0..=1.0).contains(share)).ok_or(GraphError::Parameter(POSITION))
    };
    let scale = request.parameters.get(SCALE).and_then(|scale| scale.as_f64());
    let scale = scale.filter(|scale| (SCALE_MIN..=SCALE_MAX).contains(scale)).ok_or(GraphError::Parameter(SCALE))?;
    let placement = Placement::of(request.size_of(GRAPHIC)?, base, (share("x")?, share("y")?), scale)?;
    let (template, mode, neutral) = match request.word("blend_mode") {
        Some("normal") | None => (&COVER, "normal", NEUTRAL_MULTIPLY),
        Some("multiply") => (&BLEND, "multiply", NEUTRAL_MULTIPLY),
        Some("overlay") => (&BLEND, "overlay", NEUTRAL_OVERLAY),
        Some(_) => return Err(GraphError::Parameter("blend_mode")),
    };
    let mut computed = placement.named();
    computed.extend([
        ("width", Scalar::from(base.width)),
        ("height", Scalar::from(base.height)),
        ("neutral", Scalar::from(neutral)),
        ("mode", Scalar::Word(mode)),
    ]);
    Ok(Plan { template, computed })
}
