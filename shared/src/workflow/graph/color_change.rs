//! `color_change`: the shading of a product in another colour. Pure.
//!
//! The picture's brightness, lifted so that a middle grey takes the colour well, shades a canvas of the target colour.
//! Texture is brightness in small, shadows are brightness at large: each can be left out.

use serde_json::Value;

use super::binding::{Binding, OUTPUT_STRENGTHS, Scalar, Source, blend_factor, color, picture, save, seed, side};
use super::instance::Plan;
use super::size::Size;
use super::template::Template;
use super::{GraphError, GraphRequest};

const INPUT: &str = "input_image";
const MASK: &str = "mask";
const COLOR: &str = "target_color";

/// Without texture, brightness is told apart only between parts of this many pixels a side.
const SHADE_PIXELS: u32 = 16;

/// How much of the shading stays when shadows need not.
const SHADING_LIFTED: f64 = 0.5;

/// What both templates bind.
const BINDINGS: &[Binding] = &[
    picture(1, "LoadImage", INPUT),
    side(11, "ImageScale", "width", Source::Computed("shade_width")),
    side(11, "ImageScale", "height", Source::Computed("shade_height")),
    side(12, "ImageScale", "width", Source::Computed("width")),
    side(12, "ImageScale", "height", Source::Computed("height")),
    side(13, "EmptyImage", "width", Source::Computed("width")),
    side(13, "EmptyImage", "height", Source::Computed("height")),
    color(13, Source::Computed("color")),
    seed(14),
    blend_factor(15, Source::Computed("shading")),
    blend_factor(16, Source::Variant(&OUTPUT_STRENGTHS)),
    save(20),
];

/// The whole picture changes.
pub(super) static WHOLE: Template =
    Template::new("color_change", include_str!("templates/color_change.json"), &[BINDINGS]);

/// It changes where the mask is white.
pub(super) static MASKED: Template = Template::new(
    "color_change_mask",
    include_str!("templates/color_change_mask.json"),
    &[BINDINGS, &[picture(17, "LoadImageMask", MASK)]],
);

pub(super) fn plan(request: &GraphRequest<'_>) -> Result<Plan, GraphError> {
    let input = request.size_of(INPUT)?;
    let input = Size::bounded(input.width.into(), input.height.into())?;
    let keeps_texture = request.flag_or("preserve_texture", true);
    let keeps_shadows = request.flag_or("maintain_shadows", true);
    let parts = |side: u32| if keeps_texture { side } else { side.div_ceil(SHADE_PIXELS) };
    let shading = match (keeps_texture, keeps_shadows) {
        (_, true) => 1.0,
        (true, false) => SHADING_LIFTED,
        (false, false) => 0.0,
    };
    let target = request.parameters.get(COLOR).and_then(read_color).ok_or(GraphError::Parameter(COLOR))?;
    let computed = vec![
        ("shade_width", Scalar::from(parts(input.width))),
        ("shade_height", Scalar::from(parts(input.height))),
        ("width", Scalar::from(input.width)),
        ("height", Scalar::from(input.height)),
        ("color", Scalar::from(target)),
        ("shading", Scalar::Number(shading)),
    ];
    let template = if request.has_picture(MASK) { &MASKED } else { &WHOLE };
    Ok(Plan { template, computed })
}

/// `#RRGGBB` as `0xRRGGBB`.
fn read_color(value: &Value) -> Option<u32> {
    let digits = value.as_str()?.strip_prefix('#')?;
    // `from_str_radix` would take a sign for a digit.
    let is_color = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_color.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read_color;

    #[test]
    fn a_colour_is_six_digits_behind_a_hash() {
        assert_eq!(read_color(&json!("#01aBfF")), Some(0x01_ABFF));
        for other in [json!("01ABFF"), json!("#01ABF"), json!("#+1ABFF"), json!("#01ABFG"), json!(1)] {
            assert_eq!(read_color(&other), None, "{other}");
        }
    }
}
