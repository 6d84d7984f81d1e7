//! How large the pictures of a request become.

use serde_json::{Map, Value};

use super::pictures;
use super::{Refusal, Workflow};

/// Pixels a worker draws at most.
const PIXELS_MAX: u64 = 64_000_000;
/// Pixels of a picture that is as large as its input; a larger input is scaled down.
pub const LIKE_INPUT_PIXELS_MAX: u32 = 4_000_000;
/// Width and height of a clip.
const CLIP: (u32, u32) = (320, 240);

/// Width and height of every picture of the request.
///
/// # Errors
///
/// There would be too many pixels.
pub(super) fn read(
    workflow: Workflow,
    input: &Value,
    parameters: &Map<String, Value>,
    default: (u32, u32),
) -> Result<(u32, u32), Refusal> {
    let like = |name: &str| within(pictures::find_size(parameters.get(name)).unwrap_or(default));
    let size = match workflow {
        // The size stands among the parameters, or beside them.
        Workflow::Model | Workflow::Lifestyle => (
            side(parameters, "width").or_else(|| side(input.as_object()?, "width")).unwrap_or(default.0),
            side(parameters, "height").or_else(|| side(input.as_object()?, "height")).unwrap_or(default.1),
        ),
        Workflow::Tryon => like("model_image"),
        Workflow::ColorChange | Workflow::Background => like("input_image"),
        Workflow::GraphicTransfer => like("base_image"),
        Workflow::Upscale => {
            let (width, height) = pictures::find_size(parameters.get("input_image")).unwrap_or(default);
            let level = side(parameters, "upscale_level").unwrap_or(1);
            (width.saturating_mul(level), height.saturating_mul(level))
        }
        Workflow::Resize => (
            side(parameters, "target_width").unwrap_or(default.0),
            side(parameters, "target_height").unwrap_or(default.1),
        ),
        Workflow::Poster => poster(parameters),
        Workflow::Video => CLIP,
    };
    if size.0 == 0 || size.1 == 0 || u64::from(size.0) * u64::from(size.1) > PIXELS_MAX {
        let field = if workflow == Workflow::Upscale { "upscale_level" } else { "width" };
        return Err(Refusal::invalid(field, format!("A picture of {}x{} pixels cannot be made", size.0, size.1)));
    }
    Ok(size)
}

fn side(members: &Map<String, Value>, name: &str) -> Option<u32> {
    members.get(name)?.as_u64().and_then(|side| u32::try_from(side).ok())
}

/// The size itself, or the nearest one of the same shape that is not too large.
fn within((width, height): (u32, u32)) -> (u32, u32) {
    let pixels = f64::from(width) * f64::from(height);
    let factor = (f64::from(LIKE_INPUT_PIXELS_MAX) / pixels).sqrt().min(1.0);
    (scaled(width, factor), scaled(height, factor))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is scaled down, so it still fits")]
fn scaled(side: u32, factor: f64) -> u32 {
    ((f64::from(side) * factor).floor() as u32).max(1)
}

fn poster(parameters: &Map<String, Value>) -> (u32, u32) {
    let own = || {
        let dimensions = parameters.get("dimensions")?.as_object()?;
        Some((side(dimensions, "width")?, side(dimensions, "height")?))
    };
    own().unwrap_or_else(|| match parameters.get("platform").and_then(Value::as_str) {
        Some("instagram_story") => (1080, 1920),
        Some("facebook") => (1200, 630),
        Some("twitter") => (1200, 675),
        Some("linkedin") => (1200, 627),
        _ => (1080, 1080),
    })
}
