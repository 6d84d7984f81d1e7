//! What a product endpoint refuses: parameters by name, and pictures by what they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ImageFormat;
use serde_json::{Value, json};

use crate::pictures::{WORKFLOWS, bytes, parameters, plain, product, request, sent};
use crate::support::{Client, at_once};

/// The error that a request ends with.
async fn refusal(client: &Client, body: &Value) -> Value {
    let mut job = client.status(&client.run(body).await).await;
    assert_eq!((&job["status"], &job["output"]["status"]), (&json!("COMPLETED"), &json!("error")), "{job}");
    job["output"]["error"].take()
}

/// Holds that a request is refused because of this field.
async fn refused(client: &Client, workflow: &str, parameters: &Value, field: &str) {
    let error = refusal(client, &request(workflow, parameters)).await;
    assert_eq!((&error["code"], &error["details"]["field"]), (&json!("INVALID_INPUT"), &json!(field)), "{workflow}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(field.split(['.', '[']).next().unwrap()), "{message}");
}

#[tokio::test]
async fn no_workflow_does_without_what_it_needs() {
    let sim = at_once();
    let client = Client::of(&sim);
    for workflow in WORKFLOWS {
        let complete = parameters(workflow);
        for name in complete.as_object().unwrap().keys() {
            if ["dimensions", "text_overlay"].contains(&name.as_str()) {
                continue;
            }
            let mut parameters = complete.clone();
            parameters.as_object_mut().unwrap().remove(name);
            refused(&client, workflow, &parameters, name).await;
        }
    }
}

#[tokio::test]
async fn a_name_that_a_workflow_does_not_know_is_refused() {
    let sim = at_once();
    let client = Client::of(&sim);
    for workflow in WORKFLOWS {
        let mut parameters = parameters(workflow);
        parameters["ageRange"] = json!("25-35");
        refused(&client, workflow, &parameters, "ageRange").await;
    }
}

#[tokio::test]
async fn values_out_of_their_range_are_refused_by_name() {
    let sim = at_once();
    let client = Client::of(&sim);
    for (workflow, pointer, value, field) in [
        ("model", "/prompt", json!(""), "prompt"),
        ("tryon", "/garment_type", json!("hat"), "garment_type"),
        ("tryon", "/fit_adjustment", json!("snug"), "fit_adjustment"),
        ("color_change", "/target_color", json!("blue"), "target_color"),
        ("color_change", "/target_color", json!("#20G0D0"), "target_color"),
        ("color_change", "/preserve_texture", json!("yes"), "preserve_texture"),
        ("upscale", "/upscale_level", json!(3), "upscale_level"),
        ("upscale", "/denoise_strength", json!(1.5), "denoise_strength"),
        ("graphic_transfer", "/position", json!("middle"), "position"),
        ("graphic_transfer", "/position", json!({"x": 0.5}), "position.y"),
        ("graphic_transfer", "/position", json!({"x": -0.1, "y": 0}), "position.x"),
        ("graphic_transfer", "/position", json!({"x": 0, "y": 0, "z": 0}), "position.z"),
        ("graphic_transfer", "/scale", json!(0), "scale"),
        ("graphic_transfer", "/blend_mode", json!("screen"), "blend_mode"),
        ("resize", "/target_width", json!(63), "target_width"),
        ("resize", "/target_height", json!(4_097), "target_height"),
        ("resize", "/fill_mode", json!("tile"), "fill_mode"),
        ("background", "/remove_only", json!(1), "remove_only"),
        ("lifestyle", "/scene", json!("moon"), "scene"),
        ("video", "/duration", json!(11), "duration"),
        ("video", "/fps", json!(60), "fps"),
        ("video", "/input_images", json!([]), "input_images"),
        ("video", "/format", json!("avi"), "format"),
        ("poster", "/platform", json!("myspace"), "platform"),
        ("poster", "/dimensions", json!({"width": 100}), "dimensions.height"),
        ("poster", "/text_overlay", json!({"text": "x", "color": "red"}), "text_overlay.color"),
    ] {
        let mut parameters = parameters(workflow);
        parameters[&pointer[1..]] = value;
        refused(&client, workflow, &parameters, field).await;
    }
}

#[tokio::test]
async fn an_output_format_belongs_to_pictures_or_to_clips() {
    let sim = at_once();
    let client = Client::of(&sim);
    for (workflow, format) in [("poster", "gif"), ("video", "webp")] {
        let mut body = request(workflow, &parameters(workflow));
        body["input"]["output_format"] = json!(format);
        assert_eq!(refusal(&client, &body).await["details"]["field"], "output_format");
    }
    let mut body = request("video", &parameters("video"));
    body["input"]["output_format"] = json!("mp4");
    body["input"]["input"]["format"] = json!("gif");
    assert_eq!(refusal(&client, &body).await["details"]["field"], "format", "a clip has one format");
}

#[tokio::test]
async fn what_is_no_picture_is_refused_and_says_which() {
    let sim = at_once();
    let client = Client::of(&sim);
    let picture = plain(40, 40, [1, 2, 3]);
    let png = bytes(&product(64, 64), ImageFormat::Png);
    for (what, value) in [
        ("a number", json!(1)),
        ("a URL", json!("https://pictures.example.com/a.png")),
        ("no base64", json!("%%%")),
        ("text", json!(STANDARD.encode("This is no picture."))),
        ("nothing", json!("")),
        ("a GIF", json!(STANDARD.encode(bytes(&picture, ImageFormat::Gif)))),
        ("half a PNG", json!(STANDARD.encode(&png[..png.len() / 2]))),
        ("a storage path", json!("0190/uploads/a.png")),
    ] {
        let mut parameters = parameters("tryon");
        parameters["garment_image"] = value.clone();
        let error = refusal(&client, &request("tryon", &parameters)).await;
        let told = (&error["code"], &error["details"]["field"]);
        assert_eq!(told, (&json!("INVALID_INPUT"), &json!("garment_image")), "{what}");
    }
    let mut clip = parameters("video");
    clip["input_images"][1] = json!("no picture");
    refused(&client, "video", &clip, "input_images[1]").await;
    let mut masked = parameters("color_change");
    masked["mask"] = json!(STANDARD.encode("no mask"));
    refused(&client, "color_change", &masked, "mask").await;
}

#[tokio::test]
async fn a_picture_too_small_has_insufficient_resolution() {
    let sim = at_once();
    let client = Client::of(&sim);
    let side = simulators::runpod::INPUT_SIDE_MIN;
    let mut parameters = parameters("upscale");
    parameters["input_image"] = json!(sent(&plain(40, side - 1, [9, 9, 9])));
    let error = refusal(&client, &request("upscale", &parameters)).await;
    assert_eq!(
        (&error["code"], &error["details"]["field"]),
        (&json!("INSUFFICIENT_RESOLUTION"), &json!("input_image"))
    );
    assert_eq!((&error["details"]["width"], &error["details"]["height"]), (&json!(40), &json!(side - 1)));

    parameters["input_image"] = json!(sent(&plain(side, side, [9, 9, 9])));
    let job = client.status(&client.run(&request("upscale", &parameters)).await).await;
    assert_eq!(job["output"]["metadata"]["resolution"], format!("{0}x{0}", side * 2));
}

#[tokio::test]
async fn every_input_format_is_read_plain_and_as_a_data_uri() {
    let sim = at_once();
    let client = Client::of(&sim);
    let mut results = Vec::new();
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let data = STANDARD.encode(bytes(&product(48, 32), format));
        for value in [data.clone(), format!("data:{};base64,{data}", format.to_mime_type())] {
            let mut parameters = parameters("upscale");
            parameters["input_image"] = json!(value);
            let job = client.status(&client.run(&request("upscale", &parameters)).await).await;
            results.push(job["output"]["metadata"]["resolution"].clone());
        }
    }
    assert_eq!(results, vec!["96x64"; 6]);
}
