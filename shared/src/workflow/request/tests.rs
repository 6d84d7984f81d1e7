//! What a request may be, and what is said of one that may not.

mod clips;
mod paths;
mod pictures;
mod values;
mod whole;
mod workflows;

use serde_json::{Value, json};

use super::Request;
use crate::credits::Credits;
use crate::workflow::OutputFormat;

/// A body with nothing wrong.
fn body() -> Value {
    json!({
        "workflow_type": "model",
        "input_data": {
            "gender": "female", "pose": "standing", "age_range": "25-35", "ethnicity": "mixed",
            "background": "natural", "prompt": "a red coat",
        },
    })
}

/// The body with the value at `pointer` set; the parent must exist.
fn with(pointer: &str, value: &Value) -> Value {
    let mut body = body();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer below the root");
    body.pointer_mut(parent).expect("the parent")[name] = value.clone();
    body
}

/// `(pointer, detail)` of each fault.
fn faults(body: &Value) -> Vec<(String, String)> {
    let faults = Request::parse(body).expect_err("a body with faults");
    faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
}

#[test]
fn what_is_left_out_gets_its_default() {
    let request = Request::parse(&body()).expect("a sound body");
    assert_eq!(request.workflow.kind.as_str(), "model");
    assert_eq!(request.method, "automatic");
    assert_eq!(request.outputs_asked, 2);
    assert_eq!(request.output_format, OutputFormat::Webp);
    assert_eq!(request.price(), Credits::new(2));
    assert_eq!(request.parameters.get("age_range"), Some(&json!("25-35")));
    assert!(!request.parameters.contains_key("clothing_style"));
    let blank = Request::parse(&with("/input_data/prompt", &json!(" \n"))).expect("a blank prompt is none");
    assert!(!blank.parameters.contains_key("prompt"));
    assert_eq!((request.claimed_user_id, request.project_id), (None, None));
    assert_eq!((request.brand_name, request.campaign_name, request.tags.len()), (None, None, 0));
}

#[test]
fn all_that_may_be_given_is_kept() {
    let mut body = body();
    let user = "7a52ee3f-1c17-4ee7-9c52-2a6e3d4c1b11";
    body["user_id"] = json!(user);
    body["settings"] = json!({"method": "manual_mask", "output_count": 3, "output_format": "avif"});
    body["project_id"] = json!(user);
    body["brand_name"] = json!("  Acme ");
    body["campaign_name"] = json!("");
    body["tags"] = json!(["spring", "red", "spring"]);
    body["input_data"]["clothing_style"] = json!("formal");
    let request = Request::parse(&body).expect("a sound body");
    assert_eq!(request.claimed_user_id.map(|id| id.to_string()).as_deref(), Some(user));
    assert_eq!(request.method, "manual_mask");
    assert_eq!((request.outputs_asked, request.output_format), (3, OutputFormat::Avif));
    assert_eq!(request.price(), Credits::new(3));
    assert_eq!(request.brand_name.as_deref(), Some("Acme"));
    assert_eq!(request.campaign_name, None);
    assert_eq!(request.tags, ["spring", "red"]);
    assert_eq!(request.parameters["clothing_style"], "formal");
}

#[test]
fn both_spellings_of_every_name_mean_the_same_request() {
    let camel = json!({
        "workflowType": "model",
        "inputData": {
            "gender": "female", "pose": "standing", "ageRange": "25-35", "ethnicity": "mixed",
            "background": "natural", "prompt": "a red coat", "clothingStyle": null,
        },
        "settings": {"outputCount": 2, "outputFormat": "webp"},
        "brandName": null,
    });
    let camel = Request::parse(&camel).expect("a sound body");
    assert_eq!(camel.fingerprint(), Request::parse(&body()).expect("a sound body").fingerprint());
}

#[test]
fn the_fingerprint_tells_requests_apart() {
    let first = Request::parse(&body()).expect("a sound body").fingerprint();
    let mut seen = vec![first];
    for (pointer, value) in [
        ("/input_data/pose", json!("walking")),
        ("/input_data/clothing_style", json!("formal")),
        ("/settings", json!({"output_count": 1})),
        ("/settings", json!({"output_format": "png"})),
        ("/settings", json!({"method": "prompt"})),
        ("/brand_name", json!("Acme")),
        ("/campaign_name", json!("Acme")),
        ("/tags", json!(["a", "b"])),
        ("/tags", json!(["ab"])),
    ] {
        let print = Request::parse(&with(pointer, &value)).expect("a sound body").fingerprint();
        assert!(!seen.contains(&print), "{pointer} = {value}");
        seen.push(print);
    }
}

#[test]
fn a_quote_is_part_of_the_intent_and_not_of_the_request_it_is_about() {
    let plain = Request::parse(&body()).expect("a sound body");
    assert_eq!(plain.intent_fingerprint(), plain.fingerprint(), "keys from before quotes stay good");
    let quoted = |id: &str| Request::parse(&with("/quoteId", &json!(id))).expect("a sound body");
    let one = quoted("7a52ee3f-1c17-4ee7-9c52-2a6e3d4c1b11");
    let other = quoted("7a52ee3f-1c17-4ee7-9c52-2a6e3d4c1b12");
    assert_eq!((one.fingerprint(), other.fingerprint()), (plain.fingerprint(), plain.fingerprint()));
    assert_ne!(one.intent_fingerprint(), plain.fingerprint());
    assert_ne!(one.intent_fingerprint(), other.intent_fingerprint());
    let unreadable = faults(&with("/quoteId", &json!("seventeen")));
    assert_eq!(unreadable, [("/quoteId".to_owned(), "must be a UUID".to_owned())]);
}

#[test]
fn the_same_value_in_both_spellings_is_no_fault_but_a_different_one_is() {
    Request::parse(&with("/input_data/ageRange", &json!("25-35"))).expect("said twice, alike");
    let detail = "is given twice, as age_range and ageRange, with different values";
    let expected = [("/input_data/ageRange".to_owned(), detail.to_owned())];
    assert_eq!(faults(&with("/input_data/ageRange", &json!("50+"))), expected);
}

#[test]
fn each_thing_that_can_be_wrong_is_said_where_it_is() {
    let long = "x".repeat(2_001);
    let table = [
        (
            "/workflow_type",
            json!("tryonn"),
            "/workflow_type",
            "must be one of model, tryon, color_change, upscale, graphic_transfer, resize, background, lifestyle, video, poster",
        ),
        (
            "/workflow_type",
            json!(1),
            "/workflow_type",
            "must be one of model, tryon, color_change, upscale, graphic_transfer, resize, background, lifestyle, video, poster",
        ),
        (
            "/workflow_type",
            json!(null),
            "/workflow_type",
            "is required: one of model, tryon, color_change, upscale, graphic_transfer, resize, background, lifestyle, video, poster",
        ),
        ("/input_data", json!([]), "/input_data", "must be an object"),
        ("/input_data/pose", json!("flying"), "/input_data/pose", "must be one of standing, sitting, walking, action"),
        ("/input_data/pose", json!(null), "/input_data/pose", "is required"),
        ("/input_data/prompt", json!(long), "/input_data/prompt", "must be at most 2000 characters"),
        ("/input_data/prompt", json!("a\u{7}"), "/input_data/prompt", "must not hold control characters"),
        ("/input_data/prompt", json!(["a"]), "/input_data/prompt", "must be a string"),
        ("/input_data/seed", json!(1), "/input_data/seed", "is not a known name"),
        ("/price", json!(0), "/price", "is not a known name"),
        ("/settings", json!("png"), "/settings", "must be an object"),
        ("/settings", json!({"output_count": 5}), "/settings/output_count", "must be a whole number from 1 to 4"),
        ("/settings", json!({"outputCount": 0}), "/settings/outputCount", "must be a whole number from 1 to 4"),
        ("/settings", json!({"output_count": -1}), "/settings/output_count", "must be a whole number from 1 to 4"),
        ("/settings", json!({"output_count": 257}), "/settings/output_count", "must be a whole number from 1 to 4"),
        ("/settings", json!({"output_count": "2"}), "/settings/output_count", "must be a whole number from 1 to 4"),
        (
            "/settings",
            json!({"output_format": "mp4"}),
            "/settings/output_format",
            "must be one of webp, jpg, png, avif",
        ),
        ("/settings", json!({"quality": 1}), "/settings/quality", "is not a known name"),
        (
            "/settings",
            json!({"method": "a b"}),
            "/settings/method",
            "must be a name in snake_case of at most 40 characters",
        ),
        ("/user_id", json!("me"), "/user_id", "must be a UUID"),
        ("/project_id", json!(7), "/project_id", "must be a UUID"),
        ("/brand_name", json!(7), "/brand_name", "must be a string"),
        ("/brand_name", json!("a\nb"), "/brand_name", "must not hold control characters"),
        ("/campaign_name", json!("x".repeat(201)), "/campaign_name", "must be at most 200 characters"),
        ("/tags", json!("a"), "/tags", "must be a list of at most 20 strings"),
        ("/tags", json!(vec!["a"; 21]), "/tags", "must be a list of at most 20 strings"),
        ("/tags", json!(["a", ""]), "/tags/1", "must not be empty"),
        ("/tags", json!(["x".repeat(51)]), "/tags/0", "must be at most 50 characters"),
    ];
    for (pointer, value, at, detail) in table {
        assert_eq!(faults(&with(pointer, &value)), [(at.to_owned(), detail.to_owned())], "{pointer} = {value}");
    }
}

#[test]
fn every_fault_of_a_body_is_listed() {
    let body = json!({
        "user_id": "me",
        "workflow_type": "model",
        "input_data": {"gender": "robot", "ageRange": "old", "extra": 1},
        "settings": {"output_count": 9, "output_format": "bmp"},
        "tags": [1],
    });
    let pointers: Vec<_> = faults(&body).into_iter().map(|(pointer, _)| pointer).collect();
    let expected = [
        "/user_id",
        "/input_data/extra",
        "/input_data/gender",
        "/input_data/pose",
        "/input_data/ageRange",
        "/input_data/ethnicity",
        "/settings/output_count",
        "/settings/output_format",
        "/tags/0",
    ];
    assert_eq!(pointers, expected);
}

#[test]
fn a_body_that_is_no_object_is_one_fault() {
    for body in [json!(null), json!([]), json!("model"), json!(1)] {
        assert_eq!(faults(&body), [(String::new(), "must be an object".to_owned())], "{body}");
    }
}

#[test]
fn an_unknown_workflow_does_not_hide_faults_elsewhere() {
    let body = json!({"workflow_type": "nope", "input_data": 1, "settings": {"output_count": 5}});
    let pointers: Vec<_> = faults(&body).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/workflow_type", "/input_data", "/settings/output_count"]);
}
