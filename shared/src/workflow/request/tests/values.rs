//! What a parameter may be, and where it is said that it is not.

use serde_json::{Map, Value, json};

use super::faults;
use super::whole::{UPLOAD, body, joined, parsed, whole};

#[test]
fn every_word_that_a_choice_offers_is_taken_and_no_other_spelling() {
    let offered = [
        ("model", "gender", &["male", "female", "non-binary"][..]),
        ("model", "pose", &["standing", "sitting", "walking", "action"]),
        ("model", "age_range", &["18-25", "25-35", "35-50", "50+"]),
        ("model", "ethnicity", &["caucasian", "asian", "african", "hispanic", "mixed"]),
        ("model", "clothing_style", &["casual", "formal", "athletic", "fashion"]),
        ("model", "background", &["studio_white", "studio_gray", "natural", "custom"]),
        ("tryon", "garment_type", &["top", "bottom", "dress", "outerwear", "accessory"]),
        ("tryon", "fit_adjustment", &["tight", "regular", "loose"]),
        ("graphic_transfer", "blend_mode", &["multiply", "overlay", "normal"]),
        ("resize", "fill_mode", &["stretch", "crop", "content_aware", "letterbox"]),
        ("background", "style", &["photorealistic", "artistic", "minimal", "abstract"]),
        ("lifestyle", "scene", &["living_room", "office", "outdoor", "studio", "kitchen", "bedroom"]),
        ("lifestyle", "lighting", &["natural", "studio", "dramatic", "soft"]),
        ("lifestyle", "time_of_day", &["morning", "afternoon", "evening", "night"]),
        ("lifestyle", "style", &["modern", "rustic", "minimalist", "luxury"]),
        ("video", "transition", &["fade", "slide", "zoom", "morph"]),
        ("video", "motion", &["pan", "zoom", "rotate", "none"]),
        ("video", "format", &["mp4", "gif"]),
        ("poster", "platform", &["instagram_post", "instagram_story", "facebook", "twitter", "linkedin"]),
        ("poster", "style", &["minimal", "vibrant", "professional", "artistic"]),
    ];
    for (workflow, name, words) in offered {
        let with =
            |word: &str| joined(&whole(workflow), &Value::from(Map::from_iter([(name.to_owned(), json!(word))])));
        for word in words {
            assert_eq!(parsed(workflow, &with(word)).parameters[name], *word);
        }
        let first = words[0];
        for other in [format!("{first} "), format!("{first}s"), words.join(","), first[1..].to_owned(), String::new()] {
            let expected = [(format!("/input_data/{name}"), format!("must be one of {}", words.join(", ")))];
            assert_eq!(faults(&body(workflow, &with(&other))), expected, "{other:?}");
        }
    }
}

#[test]
fn each_number_flag_and_colour_is_held_to_its_bounds() {
    let side = "must be a whole number from 64 to 4096";
    let share = "must be a number from 0 to 1";
    let flag = "must be true or false";
    let table = [
        ("color_change", "/target_color", json!("#12345"), "must be a colour as #RRGGBB"),
        ("color_change", "/target_color", json!("red"), "must be a colour as #RRGGBB"),
        ("color_change", "/preserve_texture", json!("true"), flag),
        ("color_change", "/maintain_shadows", json!(1), flag),
        ("upscale", "/upscale_level", json!(3), "must be one of 2, 4, 8"),
        ("upscale", "/upscale_level", json!("4"), "must be one of 2, 4, 8"),
        ("upscale", "/denoise_strength", json!(-0.01), share),
        ("upscale", "/denoise_strength", json!(1.01), share),
        ("upscale", "/enhance_face", json!([]), flag),
        ("upscale", "/add_details", json!("no"), flag),
        ("graphic_transfer", "/position/x", json!(-0.5), share),
        ("graphic_transfer", "/position/y", json!(1.5), share),
        ("graphic_transfer", "/position/y", json!("0"), share),
        ("graphic_transfer", "/scale", json!(0), "must be a number from 0.01 to 100"),
        ("graphic_transfer", "/scale", json!(100.5), "must be a number from 0.01 to 100"),
        ("graphic_transfer", "/match_perspective", json!("yes"), flag),
        ("resize", "/target_width", json!(63), side),
        ("resize", "/target_height", json!(4097), side),
        ("resize", "/target_height", json!(-100), side),
        ("resize", "/target_width", json!(100.5), side),
        ("resize", "/maintain_aspect", json!("false"), flag),
        ("background", "/remove_only", json!("true"), flag),
        ("background", "/match_lighting", json!(0), flag),
        ("background", "/prompt", json!("x".repeat(2_001)), "must be at most 2000 characters"),
        ("video", "/duration", json!(0.9), "must be a number from 1 to 10"),
        ("video", "/duration", json!(11), "must be a number from 1 to 10"),
        ("video", "/fps", json!(60), "must be one of 24, 25, 30"),
        ("poster", "/dimensions/width", json!(63), side),
        ("poster", "/dimensions/height", json!(4097), side),
        ("poster", "/text_overlay/text", json!("x".repeat(201)), "must be at most 200 characters"),
        ("poster", "/text_overlay/color", json!("#GG0000"), "must be a colour as #RRGGBB"),
        ("poster", "/text_overlay/position", json!("left"), "must be one of top, center, bottom"),
        ("poster", "/text_overlay/font", json!("comic"), "must be one of bold, regular, elegant"),
    ];
    for (workflow, pointer, value, detail) in table {
        let mut input = whole(workflow);
        *input.pointer_mut(pointer).expect("it is there") = value.clone();
        let expected = [(format!("/input_data{pointer}"), detail.to_owned())];
        assert_eq!(faults(&body(workflow, &input)), expected, "{workflow}{pointer} = {value}");
    }
}

#[test]
fn numbers_that_are_equal_are_the_same_request() {
    for (workflow, pointer, one, other) in [
        ("upscale", "/denoise_strength", json!(1), json!(1.0)),
        ("upscale", "/denoise_strength", json!(0), json!(-0.0)),
        ("video", "/duration", json!(2), json!(2.0)),
        ("color_change", "/target_color", json!("#00ffaa"), json!("#00FFAA")),
    ] {
        let with = |value: Value| {
            let mut input = whole(workflow);
            *input.pointer_mut(pointer).expect("it is there") = value;
            parsed(workflow, &input).fingerprint()
        };
        assert_eq!(with(one), with(other), "{workflow}{pointer}");
    }
}

#[test]
fn faults_inside_an_object_are_told_where_they_are_in_the_callers_spelling() {
    let position =
        body("graphic_transfer", &joined(&whole("graphic_transfer"), &json!({"position": {"x": 2, "z": 0}})));
    let expected = [
        ("/input_data/position/z", "is not a known name"),
        ("/input_data/position/x", "must be a number from 0 to 1"),
        ("/input_data/position/y", "is required"),
    ];
    assert_eq!(faults(&position), expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));

    let overlay = json!({"workflowType": "poster", "inputData": {
        "inputImage": UPLOAD, "platform": "twitter", "textOverlay": {"text": " ", "size": 3}, "dimensions": [],
    }});
    let expected = [
        ("/inputData/dimensions", "must be an object"),
        ("/inputData/textOverlay/size", "is not a known name"),
        ("/inputData/textOverlay/text", "is required"),
    ];
    assert_eq!(faults(&overlay), expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
}

#[test]
fn an_object_is_stored_with_its_own_defaults() {
    let overlay = json!({"text": "Sale", "color": "#aabbcc"});
    let input = json!({"input_image": UPLOAD, "platform": "facebook", "text_overlay": overlay});
    let expected = json!({"text": "Sale", "position": "bottom", "font": "regular", "color": "#AABBCC"});
    assert_eq!(parsed("poster", &input).parameters["text_overlay"], expected);
}
