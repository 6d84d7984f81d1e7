//! Jobs in worker-comfyui's dialect: each behaviour that was measured on a real one.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::{Value, json};
use simulators::runpod::{ImageForm, JobFault, Spoil};

use crate::support::{Client, at_once, get};

/// A picture of one colour, as base64.
fn picture(color: [u8; 3], width: u32, height: u32) -> String {
    let mut file = Cursor::new(Vec::new());
    let pixels = RgbImage::from_pixel(width, height, image::Rgb(color));
    DynamicImage::from(pixels).write_to(&mut file, ImageFormat::Png).unwrap();
    STANDARD.encode(file.into_inner())
}

fn decoded(image: &Value) -> DynamicImage {
    let bytes = STANDARD.decode(image["data"].as_str().unwrap()).unwrap();
    image::load_from_memory_with_format(&bytes, ImageFormat::Png).unwrap()
}

fn save(of: &str, prefix: &str) -> Value {
    json!({"class_type": "SaveImage", "inputs": {"images": [of, 0], "filename_prefix": prefix}})
}

fn load(name: &str) -> Value {
    json!({"class_type": "LoadImage", "inputs": {"image": name}})
}

/// Scales what was uploaded as `in.png`.
fn scaled(width: u32, height: u32) -> Value {
    json!({
        "1": load("in.png"),
        "2": {"class_type": "ImageScale", "inputs":
            {"image": ["1", 0], "upscale_method": "lanczos", "width": width, "height": height, "crop": "disabled"}},
        "3": save("2", "resize"),
    })
}

/// Two pictures of noise.
fn noise(seed: u64) -> Value {
    json!({
        "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 2, "color": 0x0080_8080}},
        "2": {"class_type": "ImageAddNoise", "inputs": {"image": ["1", 0], "seed": seed, "strength": 0.5}},
        "3": save("2", "noise"),
    })
}

fn upload(name: &str, data: &str) -> Value {
    json!([{"name": name, "image": data}])
}

async fn job(client: &Client, workflow: &Value, images: &Value) -> Value {
    client.status(&client.run(&json!({"input": {"workflow": workflow, "images": images}})).await).await
}

/// The error of a job that failed alone on its worker.
async fn failure(workflow: &Value, images: &Value) -> (String, Value) {
    let sim = at_once();
    let mut job = job(&Client::of(&sim), workflow, images).await;
    assert_eq!(job["status"], "FAILED", "{job}");
    (job["error"].as_str().unwrap().to_owned(), job["output"]["details"].take())
}

#[tokio::test]
async fn a_graph_is_run_on_the_pictures_that_come_with_it() {
    let sim = at_once();
    let client = Client::of(&sim);
    let uploaded = format!("data:image/png;base64,{}", picture([10, 200, 30], 40, 20));
    let job = job(&client, &scaled(20, 30), &upload("in.png", &uploaded)).await;
    assert_eq!(job["status"], "COMPLETED", "{job}");
    let image = &job["output"]["images"][0];
    assert_eq!((&image["filename"], &image["type"]), (&json!("resize_00001_.png"), &json!("base64")));
    let picture = decoded(image).into_rgb8();
    assert_eq!((picture.dimensions(), picture.get_pixel(7, 9).0), ((20, 30), [10, 200, 30]));
    assert!(job["output"].get("errors").is_none());
}

#[tokio::test]
async fn the_input_may_be_a_json_text() {
    let sim = at_once();
    let client = Client::of(&sim);
    let input = json!({"workflow": noise(1)}).to_string();
    let job = client.status(&client.run(&json!({"input": input})).await).await;
    assert_eq!(job["output"]["images"].as_array().unwrap().len(), 2, "{job}");
}

#[tokio::test]
async fn the_same_graph_again_is_answered_from_the_cache() {
    let sim = at_once();
    let client = Client::of(&sim);
    let mut images = Vec::new();
    for seed in [1, 1, 2] {
        images.push(job(&client, &noise(seed), &Value::Null).await["output"]["images"].take());
    }
    assert_eq!(images[0], images[1]);
    assert_eq!(
        (&images[2][0]["filename"], &images[2][1]["filename"]),
        (&json!("noise_00003_.png"), &json!("noise_00004_.png"))
    );
    assert_ne!(images[0][0]["data"], images[2][0]["data"]);
}

#[tokio::test]
async fn of_two_branches_the_invalid_one_is_left_out_without_a_word() {
    let sim = at_once();
    let mut workflow = noise(1);
    workflow["4"] = load("nobody.png");
    workflow["5"] = save("4", "lost");
    let job = job(&Client::of(&sim), &workflow, &Value::Null).await;
    assert_eq!((&job["status"], job["output"]["images"].as_array().unwrap().len()), (&json!("COMPLETED"), 2));
    assert!(job["output"].get("errors").is_none() && job.get("error").is_none());
}

#[tokio::test]
async fn previews_are_no_images() {
    let sim = at_once();
    let mut workflow = noise(1);
    workflow["3"] = json!({"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}});
    let job = job(&Client::of(&sim), &workflow, &Value::Null).await;
    assert_eq!(
        (&job["status"], &job["output"]),
        (&json!("COMPLETED"), &json!({"status": "success_no_images", "images": []}))
    );
}

#[tokio::test]
async fn what_cannot_be_queued_fails_in_the_workers_words() {
    let mut unknown = noise(1);
    unknown["2"]["class_type"] = json!("NoSuch");
    let (error, details) = failure(&unknown, &Value::Null).await;
    assert!(
        error.starts_with("Cannot execute because node NoSuch does not exist.. Raw response: {\"error\": {"),
        "{error}"
    );
    assert!(details.is_null());

    let of_interface = json!({"last_node_id": 3, "last_link_id": 2, "nodes": [], "links": [], "version": 0.4});
    for workflow in [of_interface, json!("text"), json!(["1"])] {
        let (error, _) = failure(&workflow, &Value::Null).await;
        assert!(error.starts_with("Error queuing workflow: 500 Server Error"), "{error}");
    }
    let (error, _) = failure(&json!({"1": load("in.png")}), &Value::Null).await;
    assert!(error.starts_with("Prompt has no outputs. Raw response: "), "{error}");
}

#[tokio::test]
async fn what_is_invalid_is_told_as_a_python_list() {
    for (pointer, value, kind) in [
        ("/2/inputs/upscale_method", json!("best"), "value_not_in_list"),
        ("/2/inputs/width", json!(16_385), "value_bigger_than_max"),
        ("/2/inputs/width", json!("33.9"), "invalid_input_type"),
        ("/2/inputs/image", json!(["1", 1]), "return_type_mismatch"),
        ("/1/inputs/image", json!("nobody.png"), "custom_validation_failed"),
    ] {
        let mut workflow = scaled(20, 30);
        *workflow.pointer_mut(pointer).unwrap() = value;
        let (error, _) = failure(&workflow, &upload("in.png", &picture([0; 3], 2, 2))).await;
        let node = &pointer[1..2];
        let start = format!("Workflow validation failed:\n• Node {node} (errors): [{{'type': '{kind}', 'message': ");
        assert!(error.starts_with(&start), "{error}");
    }
    let mut workflow = noise(1);
    workflow["3"]["inputs"].as_object_mut().unwrap().remove("filename_prefix");
    let (error, _) = failure(&workflow, &Value::Null).await;
    assert!(
        error
            .contains("'required_input_missing', 'message': 'Required input is missing', 'details': 'filename_prefix'")
    );
}

#[tokio::test]
async fn values_are_converted_and_steps_are_not_enforced() {
    let sim = at_once();
    let mut workflow = scaled(20, 30);
    workflow["2"]["inputs"]["width"] = json!(33.9);
    workflow["2"]["inputs"]["height"] = json!("2");
    workflow["3"]["inputs"]["filename_prefix"] = json!(7);
    let job = job(&Client::of(&sim), &workflow, &upload("in.png", &picture([0; 3], 2, 2))).await;
    let image = &job["output"]["images"][0];
    assert_eq!((decoded(image).width(), decoded(image).height(), &image["filename"]), (33, 2, &json!("7_00001_.png")));
}

#[tokio::test]
async fn pictures_that_cannot_be_uploaded_fail_the_job() {
    let data = picture([0; 3], 2, 2);
    for images in [upload("../in.png", &data), upload("sub/in.png", &data), upload("in.png", "QUI")] {
        let (error, details) = failure(&scaled(2, 2), &images).await;
        assert_eq!(
            (error.as_str(), details.as_array().unwrap().len()),
            ("Failed to upload one or more input images", 1)
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_picture_fail_the_job_with_the_workers_path() {
    let (error, details) = failure(&scaled(2, 2), &upload("in.png", &STANDARD.encode("no picture"))).await;
    assert_eq!(error, "Job processing failed");
    let detail = details[0].as_str().unwrap();
    assert!(detail.contains("Node Type: LoadImage, Node ID: 1"), "{detail}");
    assert!(detail.contains("cannot identify image file '/comfyui/input/in.png'"), "{detail}");
}

#[tokio::test]
async fn a_prefix_may_lead_into_folders_but_not_out() {
    let (error, details) =
        failure(&json!({"1": noise(1)["1"], "2": save("1", "../../../tmp/evil")}), &Value::Null).await;
    assert_eq!(error, "Job processing failed");
    assert!(details[0].as_str().unwrap().contains("Saving image outside the output folder is not allowed"));

    let sim = at_once();
    let job = job(&Client::of(&sim), &json!({"1": noise(1)["1"], "2": save("1", "a/b/c")}), &Value::Null).await;
    assert_eq!(job["output"]["images"][0]["filename"], "c_00001_.png");
}

#[tokio::test]
async fn files_of_one_job_can_be_read_by_another_of_the_same_endpoint() {
    let sim = at_once();
    let client = Client::of(&sim);
    let color = [200, 10, 99];
    job(&client, &json!({"1": load("secret.png"), "2": save("1", "A")}), &upload("secret.png", &picture(color, 4, 4)))
        .await;
    for name in ["secret.png", "A_00001_.png [output]"] {
        let stolen = job(&client, &json!({"1": load(name), "2": save("1", "B")}), &Value::Null).await;
        assert_eq!(decoded(&stolen["output"]["images"][0]).into_rgb8().get_pixel(0, 0).0, color, "{name}");
    }
}

#[tokio::test]
async fn pictures_can_be_given_by_link_or_in_the_old_form() {
    let sim = at_once();
    let client = Client::of(&sim);
    sim.script(JobFault::Form { form: ImageForm::ComfyUrl });
    let by_link = job(&client, &noise(1), &Value::Null).await;
    sim.script(JobFault::Form { form: ImageForm::ComfyMessage });
    let old = job(&client, &noise(1), &Value::Null).await;
    let image = &by_link["output"]["images"][0];
    assert_eq!((&image["type"], &image["filename"]), (&json!("s3_url"), &json!("noise_00001_.png")));
    let bytes = get(image["data"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
    assert_eq!(old["output"]["message"], STANDARD.encode(bytes));
}

#[tokio::test]
async fn scripted_faults_hold_for_graphs_too() {
    let sim = at_once();
    let client = Client::of(&sim);
    for (fault, images) in [
        (JobFault::FewerPictures { count: 1 }, json!(1)),
        (JobFault::FewerPictures { count: 0 }, json!(0)),
        (JobFault::MorePictures { count: 3 }, json!(3)),
        (JobFault::SuccessNoImages, json!(0)),
        (JobFault::NoOutput, Value::Null),
    ] {
        sim.script(fault);
        let job = job(&client, &noise(1), &Value::Null).await;
        assert_eq!(job["status"], "COMPLETED");
        let given = job.pointer("/output/images").and_then(Value::as_array).map(Vec::len);
        assert_eq!(json!(given), images);
        assert!(job.pointer("/output/errors").is_none());
    }
    sim.script(JobFault::SpoiledPicture { how: Spoil::Html, picture: Some(0) });
    let spoiled = job(&client, &noise(1), &Value::Null).await;
    let bytes = STANDARD.decode(spoiled["output"]["images"][0]["data"].as_str().unwrap()).unwrap();
    assert!(bytes.starts_with(b"<!doctype"));
}

#[tokio::test]
async fn pictures_that_were_lost_are_told_beside_those_that_were_not() {
    let sim = at_once();
    let client = Client::of(&sim);
    sim.script(JobFault::PicturesLost { count: 1 });
    let some = job(&client, &noise(1), &Value::Null).await;
    assert_eq!((&some["status"], some["output"]["images"].as_array().unwrap().len()), (&json!("COMPLETED"), 1));
    assert!(some["output"]["errors"][0].as_str().unwrap().starts_with("Error uploading noise_00002_.png to S3: "));
    sim.script(JobFault::PicturesLost { count: 0 });
    let none = job(&client, &noise(1), &Value::Null).await;
    assert_eq!((&none["status"], &none["error"]), (&json!("FAILED"), &json!("Job processing failed")));
    assert_eq!(none["output"]["details"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_graph_that_fails_after_its_first_output_completes_with_errors() {
    let sim = at_once();
    let mut workflow = noise(1);
    workflow["4"] = save("2", "../evil");
    let job = job(&Client::of(&sim), &workflow, &Value::Null).await;
    assert_eq!((&job["status"], job["output"]["images"].as_array().unwrap().len()), (&json!("COMPLETED"), 2));
    assert!(job["output"]["errors"][0].as_str().unwrap().starts_with("Workflow execution error: Node Type: SaveImage"));
}
