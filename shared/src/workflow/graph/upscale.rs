//! `upscale`: the picture enlarged by whole factors, with less noise and more edge where that is asked for. Pure.

use super::binding::{Accepts, Binding, Scalar, Source, blend_factor, picture, save, side};
use super::instance::Plan;
use super::size::Size;
use super::template::Template;
use super::{GraphError, GraphRequest};

const INPUT: &str = "input_image";

/// The least side of the picture, in pixels: `ImageBlur` mirrors the picture at its edges, and cannot mirror more than
/// there is.
const INPUT_SIDE_MIN: u32 = 3;

/// The widest edge that `ImageSharpen` finds, in pixels.
const RADIUS_MAX: u32 = 31;

/// Blur mixed in by `denoise_strength`, then enlarged.
pub(super) static PLAIN: Template = Template::new(
    "upscale",
    include_str!("templates/upscale.json"),
    &[&[
        picture(1, "LoadImage", INPUT),
        blend_factor(3, Source::Parameter("denoise_strength")),
        side(5, "ImageScale", "width", Source::Computed("width")),
        side(5, "ImageScale", "height", Source::Computed("height")),
        save(6),
    ]],
);

/// The same, its colours sharpened as far as an edge of the picture was spread by enlarging it. Transparency is led
/// around that: what is sharpened is no longer exact, and opaque would become almost opaque.
pub(super) static DETAILS: Template = Template::new(
    "upscale_details",
    include_str!("templates/upscale_details.json"),
    &[&[
        picture(1, "LoadImage", INPUT),
        blend_factor(3, Source::Parameter("denoise_strength")),
        side(5, "ImageScale", "width", Source::Computed("width")),
        side(5, "ImageScale", "height", Source::Computed("height")),
        Binding {
            node: 7,
            class: "ImageSharpen",
            input: "sharpen_radius",
            accepts: Accepts::Integer { min: 1, max: RADIUS_MAX as i64 },
            source: Source::Computed("radius"),
        },
        save(9),
    ]],
);

pub(super) fn plan(request: &GraphRequest<'_>) -> Result<Plan, GraphError> {
    let input = request.size_of(INPUT)?;
    if input.width.min(input.height) < INPUT_SIDE_MIN {
        return Err(GraphError::InputTooSmall { parameter: INPUT, side_min: INPUT_SIDE_MIN });
    }
    let level = match request.integer("upscale_level")? {
        level @ (2 | 4 | 8) => level,
        _ => return Err(GraphError::Parameter("upscale_level")),
    };
    // What was scaled down to be sent is enlarged all the same to what was promised of the picture as it was given.
    let (width, height) = request.picture(INPUT)?.original;
    let target = Size::bounded(u64::from(width) * level, u64::from(height) * level)?;
    let template = if request.flag_or("add_details", false) { &DETAILS } else { &PLAIN };
    let computed = vec![
        ("width", Scalar::from(target.width)),
        ("height", Scalar::from(target.height)),
        ("radius", Scalar::from((target.width / input.width / 2).clamp(1, RADIUS_MAX))),
    ];
    Ok(Plan { template, computed })
}
