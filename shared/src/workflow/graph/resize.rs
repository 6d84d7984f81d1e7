//! `resize`: exactly the size that was asked for, by stretching, cropping or adding bars. Pure.

use super::binding::{Scalar, Source, picture, place, save, side};
use super::instance::Plan;
use super::size::Size;
use super::template::Template;
use super::{GraphError, GraphRequest};

const INPUT: &str = "input_image";

/// The whole picture becomes the new size, its proportions lost.
pub(super) static STRETCH: Template = Template::new(
    "resize_stretch",
    include_str!("templates/resize_stretch.json"),
    &[&[
        picture(1, "LoadImage", INPUT),
        side(3, "ImageScale", "width", Source::Parameter("target_width")),
        side(3, "ImageScale", "height", Source::Parameter("target_height")),
        save(4),
    ]],
);

/// The middle part that has the new proportions fills the new size.
pub(super) static CROP: Template = Template::new(
    "resize_crop",
    include_str!("templates/resize_crop.json"),
    &[&[
        picture(1, "LoadImage", INPUT),
        side(3, "ImageCrop", "width", Source::Computed("part_width")),
        side(3, "ImageCrop", "height", Source::Computed("part_height")),
        place(3, "ImageCrop", "x", Source::Computed("x")),
        place(3, "ImageCrop", "y", Source::Computed("y")),
        side(4, "ImageScale", "width", Source::Parameter("target_width")),
        side(4, "ImageScale", "height", Source::Parameter("target_height")),
        save(5),
    ]],
);

/// The whole picture stands in the middle of the new size, on white.
pub(super) static LETTERBOX: Template = Template::new(
    "resize_letterbox",
    include_str!("templates/resize_letterbox.json"),
    &[&[
        picture(1, "LoadImage", INPUT),
        side(3, "ImageScale", "width", Source::Computed("part_width")),
        side(3, "ImageScale", "height", Source::Computed("part_height")),
        side(6, "EmptyImage", "width", Source::Parameter("target_width")),
        side(6, "EmptyImage", "height", Source::Parameter("target_height")),
        place(7, "ImageCompositeMasked", "x", Source::Computed("x")),
        place(7, "ImageCompositeMasked", "y", Source::Computed("y")),
        save(8),
    ]],
);

pub(super) fn plan(request: &GraphRequest<'_>) -> Result<Plan, GraphError> {
    let input = request.size_of(INPUT)?;
    let target = Size::bounded(request.integer("target_width")?, request.integer("target_height")?)?;
    let (template, part) = match request.word("fill_mode") {
        // The part of the picture that shows has the proportions of the target.
        Some("crop") => (&CROP, input.middle(target.fitted(input))),
        Some("stretch") => (&STRETCH, target.middle(target)),
        None if !request.flag_or("maintain_aspect", false) => (&STRETCH, target.middle(target)),
        Some("letterbox") | None => (&LETTERBOX, target.middle(input.fitted(target))),
        Some(_) => return Err(GraphError::Parameter("fill_mode")),
    };
    let computed = vec![
        ("part_width", Scalar::from(part.size.width)),
        ("part_height", Scalar::from(part.size.height)),
        ("x", Scalar::from(part.x)),
        ("y", Scalar::from(part.y)),
    ];
    Ok(Plan { template, computed })
}
