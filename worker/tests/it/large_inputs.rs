//! Pictures that are too large to be sent: made smaller, without a difference to what is delivered but fewer details.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devstack::builders::request;
use devstack::samples;
use devstack::test_stack::{TestStack, TestUser};
use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::{Value, json};
use shared::runpod::RUN_BODY_BYTES_MAX;
use simulators::runpod::ImageForm;
use simulators::{RunPodOptions, Time};

use crate::generations::{accepted, delivered, flat, inline, opened};

/// Length of the noise that a picture is filled with, again and again; shares no divisor with any width.
const TILE_BYTES: usize = 1_000_003;

/// A picture that no format makes small.
fn noise(width: u32, height: u32) -> DynamicImage {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let tile: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(TILE_BYTES)
    .collect();
    let length = usize::try_from(width * height * 3).unwrap();
    let mut pixels = tile.repeat(length / TILE_BYTES + 1);
    pixels.truncate(length);
    RgbImage::from_raw(width, height, pixels).unwrap().into()
}

async fn upload(stack: &TestStack, user: &TestUser, name: &str, picture: &DynamicImage) -> String {
    let file = samples::file(picture, ImageFormat::Png);
    stack.auth().upload(&user.signed_in, name, file, "image/png").await.unwrap()
}

/// The input of the last job, which must have been sent within RunPod's limit.
fn sent(stack: &TestStack) -> Value {
    let job = stack.runpod.jobs().pop().unwrap();
    let body = json!({"input": job.input, "policy": {}}).to_string();
    assert!(body.len() + 1_000 < RUN_BODY_BYTES_MAX, "{} bytes", body.len());
    job.input
}

fn size_of(picture: &Value) -> (u32, u32) {
    let picture = image::load_from_memory(&STANDARD.decode(picture.as_str().unwrap()).unwrap()).unwrap();
    (picture.width(), picture.height())
}

#[tokio::test]
async fn two_large_photos_are_scaled_to_be_sent_and_the_workflow_delivers() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let photo = noise(2_400, 1_800);
    let asked = request("tryon")
        .picture("model_image", upload(&stack, &user, "model.png", &photo).await)
        .picture("garment_image", upload(&stack, &user, "garment.png", &photo).await)
        .outputs(1)
        .format("jpg");
    let made = delivered(&stack, &user, asked).await;
    assert_eq!(made.files.len(), 1);
    let sent = sent(&stack);
    for name in ["model_image", "garment_image"] {
        let (width, height) = size_of(&sent["input"][name]);
        // Smaller, but not by more than it takes; and in the same proportions.
        assert!((1_000..2_400).contains(&width) && (width * 3).abs_diff(height * 4) < 8, "{width} x {height}");
    }
    assert_eq!(user.balance().await.unwrap(), 98);
    stack.reconcile().await;
}

#[tokio::test]
async fn an_upscale_of_a_picture_that_was_scaled_down_is_as_large_as_was_promised() {
    let stack = TestStack::builder().graphs().start().await;
    let user = stack.user().await;
    let photo = upload(&stack, &user, "photo.png", &noise(2_400, 1_800)).await;
    accepted(&user, request("upscale").picture("input_image", photo)).await;
    stack.drain().await;
    let sent = sent(&stack);
    let (width, _) = size_of(&sent["images"][0]["image"]);
    assert!(width < 2_400, "{width}: this test is about pictures that are scaled down");
    let nodes = sent["workflow"].as_object().unwrap().values();
    let scale =
        nodes.filter(|node| node["class_type"] == "ImageScale").map(|node| &node["inputs"]).next_back().unwrap();
    assert_eq!((&scale["width"], &scale["height"]), (&json!(4_800), &json!(3_600)));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_graphic_is_as_large_on_a_product_that_was_scaled_down() {
    let options = RunPodOptions { time: Time::Manual, form: ImageForm::ComfyUrl, ..RunPodOptions::default() };
    let stack = TestStack::builder().graphs().runpod(options).start().await;
    let user = stack.user().await;
    // A red square of a tenth of the product's width, on its middle.
    let asked = request("graphic_transfer")
        .picture("base_image", upload(&stack, &user, "base.png", &noise(2_400, 2_000)).await)
        .picture("graphic_image", inline(&flat(80, 80, [255, 0, 0])))
        .input("position", json!({"x": 0.5, "y": 0.5}))
        .input("scale", 3);
    let made = delivered(&stack, &user, asked.outputs(1).format("jpg")).await;
    let picture = opened(&made.files[0]);
    let (width, height) = picture.dimensions();
    assert!(width < 2_300, "{width}: this test is about pictures that are scaled down by more than is measured");
    let is_red = |x: u32, y: u32| {
        let [red, green, blue, _] = picture.get_pixel(x, y).0;
        red > 170 && green < 100 && blue < 100
    };
    // From the middle to the last red pixel, in each direction.
    let (x, y) = (width / 2, height / 2);
    let across = (0..x).take_while(|n| is_red(x - n, y)).count() + (0..x).take_while(|n| is_red(x + n, y)).count();
    let down = (0..y).take_while(|n| is_red(x, y - n)).count() + (0..y).take_while(|n| is_red(x, y + n)).count();
    let expected = usize::try_from(width / 10).unwrap();
    assert!(across.abs_diff(expected) < 6 && down.abs_diff(expected) < 6, "{across} x {down} of {width}");
    // The row keeps what the customer asked for.
    let kept: Value =
        sqlx::query_scalar("select input_data from public.generations").fetch_one(stack.database.pool()).await.unwrap();
    assert_eq!(kept["scale"], 3.0);
    stack.reconcile().await;
}
