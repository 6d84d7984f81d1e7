//! A request of each workflow, to be changed where a test is about something.

use serde_json::{Value, json};

use super::super::Request;
use crate::workflow::CATALOGUE;

pub(super) const UPLOAD: &str = "018f2d60-91c4-7e0b-b8a1-6d5f0c3e9a72/uploads/a.png";

/// A request of each workflow: first what must be given, then all that may be beside it.
pub(super) fn parts(workflow: &str) -> (Value, Value) {
    match workflow {
        "model" => (
            json!({"gender": "non-binary", "pose": "action", "age_range": "50+", "ethnicity": "hispanic"}),
            json!({"clothing_style": "athletic", "background": "custom", "prompt": "in\nthe rain"}),
        ),
        "tryon" => (
            json!({"model_image": UPLOAD, "garment_image": UPLOAD, "garment_type": "outerwear"}),
            json!({"fit_adjustment": "loose"}),
        ),
        "color_change" => (
            json!({"input_image": UPLOAD, "target_color": "#00FFAA"}),
            json!({"mask": UPLOAD, "preserve_texture": false, "maintain_shadows": false}),
        ),
        "upscale" => (
            json!({"input_image": UPLOAD, "upscale_level": 8}),
            json!({"enhance_face": true, "denoise_strength": 1.0, "add_details": true}),
        ),
        "graphic_transfer" => (
            json!({
                "base_image": UPLOAD, "graphic_image": UPLOAD, "position": {"x": 0.0, "y": 1.0}, "scale": 100.0,
            }),
            json!({"blend_mode": "overlay", "match_perspective": true}),
        ),
        "resize" => (
            json!({"input_image": UPLOAD, "target_width": 64, "target_height": 4096, "maintain_aspect": false}),
            json!({"fill_mode": "content_aware"}),
        ),
        "background" => (
            json!({"input_image": UPLOAD, "prompt": "a beach", "style": "abstract"}),
            json!({"remove_only": false, "match_lighting": false}),
        ),
        "lifestyle" => (
            json!({"product_image": UPLOAD, "scene": "living_room", "lighting": "dramatic"}),
            json!({"time_of_day": "night", "style": "luxury"}),
        ),
        "video" => (
            json!({"input_images": [UPLOAD, UPLOAD], "duration": 10.0, "transition": "morph"}),
            json!({"motion": "rotate", "fps": 30, "format": "gif"}),
        ),
        "poster" => (
            json!({"input_image": UPLOAD, "platform": "instagram_story"}),
            json!({
                "dimensions": {"width": 64, "height": 4096},
                "text_overlay": {"text": "Sale", "position": "top", "font": "elegant", "color": "#112233"},
                "style": "vibrant",
            }),
        ),
        other => panic!("{other} has no request here"),
    }
}

/// What is stored of a request that gives no more than it must.
pub(super) fn filled_in(workflow: &str) -> Value {
    match workflow {
        "tryon" => json!({"fit_adjustment": "regular"}),
        "color_change" => json!({"preserve_texture": true, "maintain_shadows": true}),
        "upscale" => json!({"enhance_face": false, "denoise_strength": 0.0, "add_details": false}),
        "graphic_transfer" => json!({"blend_mode": "normal", "match_perspective": false}),
        "background" => json!({"remove_only": false, "match_lighting": true}),
        "video" => json!({"motion": "none", "fps": 24, "format": "mp4"}),
        "model" | "resize" | "lifestyle" | "poster" => json!({}),
        other => panic!("{other} has no defaults here"),
    }
}

pub(super) fn joined(one: &Value, other: &Value) -> Value {
    let maps = [one, other].map(|value| value.as_object().expect("an object").clone());
    Value::Object(maps.into_iter().flatten().collect())
}

pub(super) fn whole(workflow: &str) -> Value {
    let (needed, beside) = parts(workflow);
    joined(&needed, &beside)
}

pub(super) fn body(workflow: &str, input: &Value) -> Value {
    json!({"workflow_type": workflow, "input_data": input})
}

pub(super) fn parsed(workflow: &str, input: &Value) -> Request {
    Request::parse(&body(workflow, input)).unwrap_or_else(|faults| panic!("{workflow} {input}: {faults:?}"))
}

/// The names as the front end spells them: `text_overlay` as `textOverlay`, inside objects too.
pub(super) fn in_camel_case(value: &Value) -> Value {
    let spelt = |name: &String| {
        let mut words = name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    };
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().map(|(name, value)| (spelt(name), in_camel_case(value))).collect())
        }
        other => other.clone(),
    }
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().map(|workflow| workflow.kind.as_str())
}
