//! `GET /api/v1/workflows`: the catalogue, and schemas that agree with what the API takes.

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};
use shared::workflow::{CATALOGUE, Request};

use crate::harness::{Answered, Stack};

const UPLOAD: &str = "018f2d60-91c4-7e0b-b8a1-6d5f0c3e9a72/uploads/a.png";

/// A request of each workflow that gives every parameter.
fn whole(workflow: &str) -> Value {
    match workflow {
        "model" => json!({
            "gender": "non-binary", "pose": "action", "age_range": "50+", "ethnicity": "hispanic",
            "clothing_style": "formal", "background": "custom", "prompt": "In the\nrain",
        }),
        "tryon" => json!({
            "model_image": UPLOAD, "garment_image": "https://shop.example.com/a.jpg", "garment_type": "dress",
            "fit_adjustment": "tight",
        }),
        "color_change" => json!({
            "input_image": UPLOAD, "target_color": "#00ffAA", "mask": UPLOAD, "preserve_texture": false,
            "maintain_shadows": true,
        }),
        "upscale" => json!({
            "input_image": UPLOAD, "upscale_level": 8, "enhance_face": true, "denoise_strength": 0.5, "add_details": true,
        }),
        "graphic_transfer" => json!({
            "base_image": UPLOAD, "graphic_image": UPLOAD, "position": { "x": 0, "y": 1 }, "scale": 1.5,
            "blend_mode": "overlay", "match_perspective": true,
        }),
        "resize" => json!({
            "input_image": UPLOAD, "target_width": 64, "target_height": 4096, "maintain_aspect": false,
            "fill_mode": "content_aware",
        }),
        "background" => json!({
            "input_image": UPLOAD, "prompt": "A beach", "style": "minimal", "remove_only": false, "match_lighting": false,
        }),
        "lifestyle" => json!({
            "product_image": UPLOAD, "scene": "kitchen", "lighting": "dramatic", "time_of_day": "night", "style": "rustic",
        }),
        "video" => json!({
            "input_images": [UPLOAD, UPLOAD], "duration": 2.5, "transition": "morph", "motion": "pan", "fps": 25,
            "format": "gif",
        }),
        "poster" => json!({
            "input_image": UPLOAD, "platform": "linkedin", "dimensions": { "width": 640, "height": 480 },
            "text_overlay": { "text": "Sale", "position": "top", "font": "elegant", "color": "#112233" },
            "style": "vibrant",
        }),
        other => panic!("{other} has no example here"),
    }
}

/// Places in a whole request, and values that are not taken there, or that count as left out.
fn changes(workflow: &str) -> Vec<(&'static str, Value)> {
    let mut changes = vec![("/wings", json!(2))];
    changes.extend(match workflow {
        "model" => vec![
            ("/gender", json!(["male"])),
            ("/gender", json!(null)),
            ("/background", json!(null)),
            ("/prompt", json!("")),
            ("/prompt", json!("a\u{7}")),
            ("/prompt", json!("x".repeat(2001))),
            ("/prompt", json!("ä".repeat(2000))),
        ],
        "tryon" => vec![("/model_image", json!(7)), ("/garment_image", json!("")), ("/fit_adjustment", json!("snug"))],
        "color_change" => vec![
            ("/target_color", json!("blue")),
            ("/target_color", json!("#12345")),
            ("/mask", json!(null)),
            ("/preserve_texture", json!("yes")),
        ],
        "upscale" => vec![
            ("/upscale_level", json!("4")),
            ("/denoise_strength", json!(1.01)),
            ("/denoise_strength", json!(0)),
            ("/enhance_face", json!(1)),
        ],
        "graphic_transfer" => vec![
            ("/position", json!([0, 1])),
            ("/position/x", json!(-0.1)),
            ("/position/y", json!(null)),
            ("/position/z", json!(0)),
            ("/scale", json!(0)),
        ],
        "resize" => vec![
            ("/target_width", json!(63)),
            ("/target_width", json!(100.5)),
            ("/maintain_aspect", json!(null)),
            ("/fill_mode", json!("tile")),
        ],
        "background" => vec![("/prompt", json!(null)), ("/prompt", json!(" ")), ("/style", json!("baroque"))],
        "lifestyle" => vec![("/scene", json!("moon")), ("/time_of_day", json!(null))],
        "video" => vec![
            ("/input_images", json!([])),
            ("/input_images", json!(vec![UPLOAD; 9])),
            ("/input_images", json!([UPLOAD, 1])),
            ("/input_images", json!(UPLOAD)),
            ("/duration", json!(0.5)),
            ("/fps", json!(60)),
            ("/format", json!("webm")),
        ],
        "poster" => vec![
            ("/dimensions", json!({ "width": 640 })),
            ("/dimensions", json!(null)),
            ("/text_overlay/text", json!("  ")),
            ("/text_overlay/color", json!("red")),
            ("/text_overlay/font", json!(null)),
            ("/text_overlay/size", json!(12)),
        ],
        other => panic!("{other} has no changes here"),
    });
    changes
}

/// `input` with this value in that place.
fn changed(input: &Value, pointer: &str, value: Value) -> Value {
    let mut input = input.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    input.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
    input
}

fn is_taken(workflow: &str, input: &Value) -> bool {
    let settings = if workflow == "video" { json!({ "output_format": input["format"] }) } else { json!({}) };
    Request::parse(&json!({ "workflow_type": workflow, "input_data": input, "settings": settings })).is_ok()
}

fn agrees(schema: &Validator, workflow: &str, input: &Value) {
    let faults: Vec<_> = schema.iter_errors(input).map(|error| error.to_string()).collect();
    assert_eq!(faults.is_empty(), is_taken(workflow, input), "{workflow} {input}: {faults:?}");
}

async fn listed(stack: &Stack) -> Vec<Value> {
    let answer = stack.client(None).get("/api/v1/workflows").await.unwrap().expecting(200);
    answer.body["workflows"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_workflow_is_listed_as_the_catalogue_has_it() {
    let stack = Stack::start().await;
    let listed = listed(&stack).await;
    assert_eq!(listed.len(), CATALOGUE.len());
    for (entry, workflow) in listed.iter().zip(CATALOGUE) {
        assert_eq!(entry["workflow_type"], workflow.kind.as_str());
        assert_eq!(entry["price"]["cost"], workflow.cost.get());
        assert_eq!(entry["price"]["default_outputs"], workflow.outputs_default);
        assert_eq!(entry["outputs_max"], workflow.outputs_max);
        assert_eq!(entry["target_seconds"], workflow.target.as_secs());
        assert_eq!(entry["max_seconds"], workflow.max.as_secs());
        assert_eq!(entry["formats"][0], workflow.format_default().as_str());
    }
    stack.finish().await;
}

#[tokio::test]
async fn schemas_take_what_the_api_takes_and_nothing_else() {
    let stack = Stack::start().await;
    for entry in listed(&stack).await {
        let workflow = entry["workflow_type"].as_str().unwrap();
        jsonschema::meta::validate(&entry["input_schema"]).unwrap();
        let schema = jsonschema::draft202012::new(&entry["input_schema"]).unwrap();
        let whole = whole(workflow);
        assert!(is_taken(workflow, &whole), "{workflow}");
        agrees(&schema, workflow, &whole);
        for (pointer, value) in changes(workflow) {
            agrees(&schema, workflow, &changed(&whole, pointer, value));
        }
        for name in whole.as_object().unwrap().keys() {
            let mut without = whole.clone();
            without.as_object_mut().unwrap().remove(name);
            agrees(&schema, workflow, &without);
        }
        for no_object in [json!([]), json!("text"), json!(1)] {
            agrees(&schema, workflow, &no_object);
        }
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_background_that_is_only_removed_needs_no_prompt() {
    let stack = Stack::start().await;
    let listed = listed(&stack).await;
    let entry = listed.iter().find(|entry| entry["workflow_type"] == "background").unwrap();
    let schema = jsonschema::draft202012::new(&entry["input_schema"]).unwrap();
    for remove_only in [json!(true), json!(false), json!(null)] {
        agrees(
            &schema,
            "background",
            &json!({ "input_image": UPLOAD, "style": "minimal", "remove_only": remove_only }),
        );
    }
    stack.finish().await;
}

#[tokio::test]
async fn the_list_may_be_kept_and_is_not_sent_twice() {
    let stack = Stack::start().await;
    let anybody = stack.client(None);
    let first = anybody.get("/api/v1/workflows").await.unwrap().expecting(200);
    assert_eq!(first.header("cache-control"), "public, max-age=300");
    let tag = first.header("etag").to_owned();
    for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        let request = anybody.request(Method::GET, "/api/v1/workflows").header("If-None-Match", known);
        let again = anybody.send(request).await.unwrap().expecting(304);
        assert_eq!(again.header("etag"), tag);
    }
    let request = anybody.request(Method::GET, "/api/v1/workflows").header("If-None-Match", "\"other\"");
    anybody.send(request).await.unwrap().answered(200);
    stack.finish().await;
}

#[tokio::test]
async fn properties_are_listed_in_the_order_of_the_catalogue() {
    let stack = Stack::start().await;
    let text = reqwest::get(stack.base.join("/api/v1/workflows").unwrap()).await.unwrap().text().await.unwrap();
    let places: Vec<_> =
        CATALOGUE[0].parameters.iter().map(|parameter| text.find(&format!("\"{}\":{{", parameter.name))).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    stack.finish().await;
}

#[tokio::test]
async fn what_the_endpoint_cannot_do_is_neither_offered_nor_taken() {
    let graphs = ["RESIZE", "UPSCALE", "GRAPHIC_TRANSFER"].map(|name| format!("COMFYUI_DIALECT_{name}"));
    let changes: Vec<_> = graphs.iter().map(|name| (name.as_str(), "worker-comfyui")).collect();
    let stack = Stack::with(&changes).await;
    let user = stack.sign_up().await;
    let listed = listed(&stack).await;
    for (workflow, name) in
        [("resize", "fill_mode"), ("upscale", "enhance_face"), ("graphic_transfer", "match_perspective")]
    {
        let entry = listed.iter().find(|entry| entry["workflow_type"] == workflow).unwrap();
        let schema = jsonschema::draft202012::new(&entry["input_schema"]).unwrap();
        let input = whole(workflow);
        let faults: Vec<_> = schema.iter_errors(&input).map(|error| error.instance_path().to_string()).collect();
        assert_eq!(faults, [format!("/{name}")]);
        let body =
            json!({ "workflow_type": workflow, "input_data": changed(&input, &format!("/{name}"), json!(null)) });
        assert!(schema.is_valid(&body["input_data"]));

        let own = input.to_string().replace(UPLOAD.split('/').next().unwrap(), &user.id.to_string());
        let own: Value = serde_json::from_str(&own).unwrap();
        let body = json!({ "workflow_type": workflow, "input_data": own });
        let refused = user.client.generate(&body).await.unwrap().expecting(422);
        assert_eq!(refused.body["errors"][0]["pointer"], format!("/input_data/{name}"));
    }
    stack.finish().await;
}
