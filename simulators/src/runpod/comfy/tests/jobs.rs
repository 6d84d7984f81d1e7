//! What a worker answers to jobs, one after the other.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::disk::DISK_BYTES_MAX;
use super::{Prompt, Value, Worker, json, node, opened, row, run, save};

const RED: [u8; 4] = [255, 0, 0, 255];

fn red() -> String {
    row(&[RED, RED])
}

/// A graph that saves what it loads.
fn copied(file: &str, prefix: &str) -> Value {
    json!({"1": node("LoadImage", &json!({"image": file})), "2": save(&json!(["1", 0]), prefix)})
}

fn noise(seed: u64) -> Value {
    json!({
        "1": node("EmptyImage", &json!({"width": 8, "height": 8, "batch_size": 1, "color": 8_421_504})),
        "2": node("ImageAddNoise", &json!({"image": ["1", 0], "seed": seed, "strength": 0.5})),
        "3": save(&json!(["2", 0]), "noise"),
    })
}

fn worker() -> Arc<Worker> {
    Arc::default()
}

fn error(input: &Value) -> (String, Vec<String>) {
    let failure = Prompt::run(&Arc::new(input.clone()), &worker()).expect_err("it fails");
    (failure.error, failure.details)
}

#[test]
fn the_same_graph_again_yields_the_same_file_and_another_seed_a_new_one() {
    let worker = worker();
    let names = [1, 1, 2, 1].map(|seed| run(&worker, &noise(seed), &Value::Null).expect("it runs").filename(0));
    // Only the last graph is remembered.
    assert_eq!(names, ["noise_00001_.png", "noise_00001_.png", "noise_00002_.png", "noise_00003_.png"]);
}

#[test]
fn another_picture_under_the_same_name_is_not_taken_for_the_first() {
    let worker = worker();
    let images = |pixel: [u8; 4]| json!([{"name": "x.png", "image": row(&[pixel])}]);
    let first = run(&worker, &copied("x.png", "a"), &images(RED)).expect("it runs");
    let second = run(&worker, &copied("x.png", "a"), &images([0, 0, 9, 255])).expect("it runs");
    assert_eq!(opened(&first.file(0).bytes).3, [255, 0, 0]);
    assert_eq!(opened(&second.file(0).bytes).3, [0, 0, 9]);
}

#[test]
fn two_outputs_of_the_same_inputs_are_one_file() {
    let mut workflow = noise(1);
    workflow["4"] = workflow["3"].clone();
    let prompt = run(&worker(), &workflow, &Value::Null).expect("it runs");
    assert_eq!((prompt.outputs(), prompt.filename(0)), (2, prompt.filename(1)));
}

#[test]
fn files_of_other_jobs_can_be_read_by_their_names() {
    let worker = worker();
    run(&worker, &copied("secret.png", "A"), &json!([{"name": "secret.png", "image": red()}])).expect("it runs");
    for file in ["secret.png", "A_00001_.png [output]", "../output/A_00001_.png"] {
        let stolen = run(&worker, &copied(file, "B"), &Value::Null).expect(file);
        assert_eq!(opened(&stolen.file(0).bytes).3, [255, 0, 0, 255, 0, 0]);
    }
    assert!(run(&self::worker(), &copied("secret.png", "B"), &Value::Null).is_err());
}

#[test]
fn what_is_lost_on_a_full_disk_is_made_again() {
    let worker = worker();
    let prompt = run(&worker, &copied("x.png", "a"), &json!([{"name": "x.png", "image": red()}])).expect("it runs");
    let before = prompt.file(0).bytes;
    worker.disk.write("/comfyui/output/large".to_owned(), vec![0; DISK_BYTES_MAX].into());
    assert!(worker.disk.read("/comfyui/output/a_00001_.png").is_none());
    assert_eq!(prompt.file(0).bytes, before);
}

#[test]
fn input_that_is_none_is_refused_in_the_handlers_words() {
    for (input, expected) in [
        (json!("{"), "Invalid JSON format in input"),
        (json!("{}"), "Missing 'workflow' parameter"),
        (json!({"prompt": {}}), "Missing 'workflow' parameter"),
        (json!({"workflow": {}, "images": {}}), "'images' must be a list of objects with 'name' and 'image' keys"),
        (
            json!({"workflow": {}, "images": [{"name": "a"}]}),
            "'images' must be a list of objects with 'name' and 'image' keys",
        ),
    ] {
        assert_eq!(error(&input), (expected.to_owned(), Vec::new()));
    }
    let (uncaught, _) = error(&json!("[]"));
    let uncaught: Value = serde_json::from_str(&uncaught).expect("JSON in a string");
    assert_eq!(uncaught["error_message"], "'list' object has no attribute 'get'");
}

#[test]
fn the_input_may_be_text() {
    let input = json!({"workflow": noise(1)}).to_string();
    assert_eq!(Prompt::run(&Arc::new(json!(input)), &worker()).expect("it runs").outputs(), 1);
}

#[test]
fn each_picture_that_cannot_be_uploaded_is_told() {
    let images = json!([
        {"name": "../up.png", "image": red()},
        {"name": "sub/x.png", "image": red()},
        {"name": "bad.png", "image": "%%% this is not base64 %%%"},
        {"name": "number.png", "image": 5},
        {"name": "good.png", "image": format!("data:image/png;base64,{}", red())},
    ]);
    let worker = worker();
    let failure = run(&worker, &copied("good.png", "a"), &images).expect_err("it fails");
    assert_eq!(failure.error, "Failed to upload one or more input images");
    let starts = [
        "Error uploading ../up.png: 400",
        "Error uploading sub/x.png: 500",
        "Error decoding base64 for bad.png: ",
        "Unexpected error uploading number.png: ",
    ];
    assert!(
        failure.details.len() == 4 && failure.details.iter().zip(starts).all(|(line, start)| line.starts_with(start))
    );
    // What could be uploaded was.
    assert!(run(&worker, &copied("good.png", "a"), &Value::Null).is_ok());
}

#[test]
fn bytes_that_are_no_picture_fail_in_the_node() {
    for (image, message) in [
        ("QUJD", "cannot identify image file '/comfyui/input/x.png'"),
        (&red()[..60], "image file is truncated"),
        ("", "cannot identify image file"),
    ] {
        let images = json!([{"name": "x.png", "image": image}]);
        let failure = run(&worker(), &copied("x.png", "a"), &images).expect_err("it fails");
        assert_eq!(failure.error, "Job processing failed");
        let start = format!("Workflow execution error: Node Type: LoadImage, Node ID: 1, Message: {message}");
        assert!(failure.details[0].starts_with(&start), "{:?}", failure.details);
    }
}

#[test]
fn a_picture_that_would_fill_the_memory_is_not_decoded() {
    let header = b"GIF89a\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c\x00\x00\x00\x00\xff\xff\xff\xff\x00";
    let images = json!([{"name": "x.gif", "image": STANDARD.encode(header)}]);
    let failure = run(&worker(), &copied("x.gif", "a"), &images).expect_err("it fails");
    assert!(failure.details[0].contains("can't allocate memory"), "{:?}", failure.details);
}

#[test]
fn an_error_after_the_first_output_leaves_what_was_saved() {
    let mut workflow = noise(1);
    workflow["4"] = save(&json!(["2", 0]), "../../evil");
    let prompt = run(&worker(), &workflow, &Value::Null).expect("something was saved");
    assert_eq!(prompt.outputs(), 1);
    assert!(
        prompt.error().is_some_and(|error| error.contains("Saving image outside the output folder is not allowed"))
    );
}

#[test]
fn a_missing_model_is_a_python_list_in_the_error() {
    let workflow = json!({
        "1": node("CheckpointLoaderSimple", &json!({"ckpt_name": "sd15.safetensors"})),
        "2": node("EmptyLatentImage", &json!({"width": 512, "height": 512, "batch_size": 1})),
        "3": node("VAEDecode", &json!({"samples": ["2", 0], "vae": ["1", 2]})),
        "4": save(&json!(["3", 0]), "a"),
    });
    let (error, details) = error(&json!({"workflow": workflow}));
    let start = "Workflow validation failed:\n• Node 1 (errors): [{'type': 'value_not_in_list', 'message': 'Value not in list', \
                 'details': \"ckpt_name: 'sd15.safetensors' not in []\", 'extra_info': {'input_name': 'ckpt_name'";
    assert!(error.starts_with(start) && details.is_empty(), "{error}");
    assert!(error.contains(
        "\n• Node 1 (dependent_outputs): ['4']\n• Node 1 (class_type): CheckpointLoaderSimple\n\nNo checkpoint models"
    ));
}
