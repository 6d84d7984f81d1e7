//! The four workflows that a plain ComfyUI runs: graphs in, and pictures that show what was asked for.

use devstack::builders::{RequestBuilder, request};
use devstack::graph_endpoint::GRAPH_ENDPOINT;
use devstack::samples::{self, Sample};
use devstack::test_stack::{TestStack, TestUser};
use image::{GrayImage, ImageFormat, Luma, Rgba, RgbaImage};
use serde_json::{Value, json};
use shared::workflow::OutputFormat;

use crate::generations::{Delivered, delivered, flat, inline, is_at, opened, striped};

const RED: [u8; 3] = [200, 40, 40];
const GREEN: [u8; 3] = [40, 180, 60];
const BLUE: [u8; 3] = [50, 60, 190];
const WHITE: [u8; 3] = [255; 3];

async fn stack() -> (TestStack, TestUser) {
    let stack = TestStack::builder().graphs().start().await;
    let user = stack.user().await;
    (stack, user)
}

#[tokio::test]
async fn every_workflow_with_a_graph_delivers_what_is_promised_of_it_in_each_of_its_formats() {
    let (stack, user) = stack().await;
    let mut spent = 0;
    for (workflow, outputs, price, (width, height)) in [
        ("color_change", 2, 1, (192, 192)),
        ("upscale", 1, 2, (384, 384)),
        ("graphic_transfer", 2, 2, (192, 192)),
        ("resize", 1, 1, (320, 180)),
    ] {
        for format in ["webp", "jpg", "png"] {
            let made = delivered(&stack, &user, request(workflow).format(format)).await;
            assert_eq!(made.kinds(), vec![(format, width, height); outputs], "{workflow}");
            assert!(made.all_differ(), "{workflow}");
            assert_eq!(made.seen["cost"]["charged"], price, "{workflow}");
            spent += price;
        }
    }
    let made = delivered(&stack, &user, request("resize").format("avif").input("target_height", 64)).await;
    assert_eq!(made.inspected()[0].format, OutputFormat::Avif);
    assert_eq!(user.balance().await.unwrap(), 100 - spent - 1);
    let jobs = stack.runpod.jobs();
    assert!(jobs.iter().all(|job| job.endpoint == GRAPH_ENDPOINT && job.input["workflow"].is_object()));
    stack.reconcile().await;
}

#[tokio::test]
async fn up_to_four_outputs_of_a_graph_differ() {
    let (stack, user) = stack().await;
    for (workflow, price) in [("color_change", 2), ("graphic_transfer", 4)] {
        let made = delivered(&stack, &user, request(workflow).outputs(4).format("png")).await;
        assert_eq!((made.files.len(), made.all_differ()), (4, true), "{workflow}");
        assert_eq!(made.seen["cost"]["charged"], price, "{workflow}");
    }
    stack.reconcile().await;
}

#[tokio::test]
async fn a_resize_fills_the_new_shape_as_it_was_asked_to() {
    let (stack, user) = stack().await;
    let picture = inline(&striped(300, 100, &[RED, GREEN, BLUE]));
    let square = request("resize").picture("input_image", picture).format("png");
    let square = square.input("target_width", 100).input("target_height", 100).without_input("fill_mode");
    let stretched = [((10, 5), RED), ((50, 50), GREEN), ((90, 95), BLUE)];
    let cropped = [((5, 5), GREEN), ((50, 50), GREEN), ((95, 95), GREEN)];
    let letterboxed = [((50, 5), WHITE), ((10, 50), RED), ((50, 50), GREEN), ((90, 50), BLUE), ((90, 95), WHITE)];
    for (asked, expected) in [
        (square.clone().input("fill_mode", "stretch"), &stretched[..]),
        (square.clone().input("fill_mode", "crop"), &cropped),
        (square.clone().input("fill_mode", "letterbox"), &letterboxed),
        (square.clone().input("maintain_aspect", false), &stretched),
        (square.clone().input("maintain_aspect", true), &letterboxed),
        (square.clone().input("maintain_aspect", true).input("fill_mode", "stretch"), &stretched),
    ] {
        let said = asked.clone().build()["input_data"].clone();
        let made = delivered(&stack, &user, asked).await;
        assert_eq!(made.kinds(), [("png", 100, 100)]);
        let picture = made.picture();
        for (at, color) in expected {
            assert!(is_at(&picture, *at, *color), "{at:?} of {} {}", said["fill_mode"], said["maintain_aspect"]);
        }
    }
    let refused = user.generate(&square.input("fill_mode", "content_aware").build()).await.unwrap().expecting(422);
    assert_eq!(refused.body["errors"][0]["pointer"], "/input_data/fill_mode", "{}", refused.body);
    stack.reconcile().await;
}

#[tokio::test]
async fn an_upscale_is_as_many_times_as_large_and_shows_the_same() {
    let (stack, user) = stack().await;
    let picture = inline(&striped(48, 30, &[RED, BLUE]));
    for (level, add_details, denoise) in [(2, false, 0.0), (4, true, 0.0), (8, true, 1.0), (8, false, 0.5)] {
        let asked = request("upscale").picture("input_image", picture.as_str()).format("png");
        let asked = asked.input("upscale_level", level).input("add_details", add_details);
        let made = delivered(&stack, &user, asked.input("denoise_strength", denoise)).await;
        assert_eq!(made.kinds(), [("png", 48 * level, 30 * level)]);
        let picture = made.picture();
        assert!(is_at(&picture, (10 * level, 15 * level), RED), "{level} {add_details} {denoise}");
        assert!(is_at(&picture, (38 * level, 15 * level), BLUE), "{level} {add_details} {denoise}");
    }
    let faces = request("upscale").input("enhance_face", true).build();
    assert_eq!(user.generate(&faces).await.unwrap().status, 422);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_graphic_lies_where_it_was_put_and_mixes_as_it_was_asked_to() {
    let (stack, user) = stack().await;
    let base = [200, 180, 160];
    // Only its left half is there to be seen.
    let graphic =
        RgbaImage::from_fn(40, 20, |x, _| Rgba(if x < 20 { [RED[0], RED[1], RED[2], 255] } else { [0, 0, 0, 0] }));
    let asked = request("graphic_transfer")
        .picture("base_image", inline(&flat(120, 80, base)))
        .picture("graphic_image", inline(&graphic.into()))
        .input("position", json!({"x": 0.5, "y": 0.25}))
        .input("scale", 0.5)
        .format("png")
        .outputs(1);
    for (blend_mode, expected) in [("normal", RED), ("multiply", [157, 28, 25]), ("overlay", [231, 129, 95])] {
        let made = delivered(&stack, &user, asked.clone().input("blend_mode", blend_mode)).await;
        let picture = made.picture();
        assert_eq!(picture.dimensions(), (120, 80));
        // 20 x 10 pixels around (60, 20), the left half of them.
        assert!(is_at(&picture, (53, 18), expected), "{blend_mode} {:?}", picture.get_pixel(53, 18));
        for outside in [(67, 20), (46, 20), (55, 12), (55, 28), (60, 60)] {
            assert!(is_at(&picture, outside, base), "{blend_mode} {outside:?} {:?}", picture.get_pixel(53, 18));
        }
    }
    let tilted = asked.input("match_perspective", true).build();
    assert_eq!(user.generate(&tilted).await.unwrap().status, 422);
    stack.reconcile().await;
}

/// How much redder than blue the left and the right of a picture are.
fn redness(picture: &RgbaImage) -> (i32, i32) {
    let of = |x: u32| {
        let [red, _, blue, _] = picture.get_pixel(x, picture.height() / 2).0;
        i32::from(red) - i32::from(blue)
    };
    (of(picture.width() / 4), of(picture.width() * 3 / 4))
}

#[tokio::test]
async fn a_colour_changes_everywhere_or_where_the_mask_is_white() {
    let (stack, user) = stack().await;
    let product = inline(&flat(64, 48, [150; 3]));
    let asked = request("color_change").picture("input_image", product).input("target_color", "#D02020").format("png");
    let asked = asked.outputs(1);
    for (texture, shadows) in [(true, true), (true, false), (false, true), (false, false)] {
        let asked = asked.clone().input("preserve_texture", texture).input("maintain_shadows", shadows);
        let (left, right) = redness(&delivered(&stack, &user, asked).await.picture());
        assert!(left > 60 && right > 60, "{texture} {shadows}: {left} {right}");
    }
    // As large as the product, smaller, and larger.
    for (width, height) in [(64, 48), (32, 24), (128, 96)] {
        let mask = GrayImage::from_fn(width, height, |x, _| Luma([if x < width / 2 { 255 } else { 0 }]));
        let made = delivered(&stack, &user, asked.clone().picture("mask", inline(&mask.into()))).await;
        let (left, right) = redness(&made.picture());
        assert!(left > 60 && right.abs() < 15, "{width}: {left} {right}");
    }
    stack.reconcile().await;
}

/// What the jobs of a graph were sent, oldest first.
fn sent(stack: &TestStack) -> Vec<Value> {
    stack.runpod.jobs().into_iter().map(|job| job.input).collect()
}

/// The values of one input of all nodes of one class.
fn inputs_of<'a>(graph: &'a Value, class: &str, input: &str) -> Vec<&'a Value> {
    let nodes = graph["workflow"].as_object().unwrap().values();
    nodes.filter(|node| node["class_type"] == class).map(|node| &node["inputs"][input]).collect()
}

#[tokio::test]
async fn names_of_files_cannot_be_guessed_and_never_come_again() {
    let (stack, user) = stack().await;
    let asked = || request("graphic_transfer").outputs(2).format("png");
    for _ in 0..2 {
        delivered(&stack, &user, asked()).await;
    }
    let mut secrets = Vec::new();
    for job in sent(&stack) {
        let files: Vec<_> = job["images"].as_array().unwrap().iter().map(|file| &file["name"]).collect();
        let mut loaded = inputs_of(&job, "LoadImage", "image");
        loaded.sort_by_key(|name| files.iter().position(|file| file == name));
        assert_eq!(files, loaded, "what is loaded is what was sent");
        for (file, ending) in files.iter().zip([".jpg", ".png"]) {
            secrets.push(file.as_str().unwrap().strip_suffix(ending).unwrap().to_owned());
        }
        let mut prefixes = inputs_of(&job, "SaveImage", "filename_prefix");
        prefixes.sort_by_key(|prefix| prefix.as_str());
        let stem = prefixes[0].as_str().unwrap().strip_suffix("-1").unwrap();
        assert_eq!(prefixes, [&json!(format!("{stem}-1")), &json!(format!("{stem}-2"))]);
        secrets.push(stem.to_owned());
    }
    assert_eq!(secrets.len(), 6);
    let is_secret = |text: &String| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(secrets.iter().all(is_secret), "{secrets:?}");
    secrets.sort_unstable();
    secrets.dedup();
    assert_eq!(secrets.len(), 6, "each is used once");
    stack.reconcile().await;
}

#[tokio::test]
async fn the_seed_of_a_graph_is_the_one_that_is_recorded_and_another_each_time() {
    let (stack, user) = stack().await;
    let mut seeds = Vec::new();
    for _ in 0..2 {
        let Delivered { id, .. } = delivered(&stack, &user, request("color_change").outputs(2)).await;
        let (of_run, shown): (i64, Value) = sqlx::query_as(
            "select run.seed, generations.metadata from gateway.run join public.generations on id = generation_id
             where id = $1",
        )
        .bind(id)
        .fetch_one(stack.database.pool())
        .await
        .unwrap();
        assert_eq!(shown["seed"], of_run);
        let graph = sent(&stack).pop().unwrap();
        let used: Vec<_> = inputs_of(&graph, "ImageAddNoise", "seed").into_iter().map(|seed| seed.as_i64()).collect();
        assert_eq!(used.len(), 2);
        assert!(used.contains(&Some(of_run)) && used[0] != used[1], "{of_run} is not one of {used:?}");
        seeds.push(of_run);
    }
    assert_ne!(seeds[0], seeds[1]);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_picture_keeps_its_transparency_through_a_graph() {
    let (stack, user) = stack().await;
    let logo = samples::base64(&Sample::Logo.file(64, ImageFormat::WebP));
    let asked: RequestBuilder = request("upscale").picture("input_image", logo).format("png");
    let made = delivered(&stack, &user, asked).await;
    let picture = opened(&made.files[0]);
    assert_eq!((picture.dimensions(), picture.get_pixel(1, 1).0[3]), ((128, 128), 0));
    assert_eq!(picture.get_pixel(64, 64).0[3], 255);
    stack.reconcile().await;
}
