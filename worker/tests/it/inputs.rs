//! Pictures on their way to the provider, by each of the roads on which a request may name them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devstack::builders::request;
use devstack::picture_host::{PictureHost, Served};
use devstack::samples::{self, Sample};
use devstack::test_stack::{TestStack, TestUser};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA};
use serde_json::{Value, json};
use shared::images;
use shared::telemetry::TraceContext;
use simulators::supabase::SupabaseEffect;
use simulators::{Fault, HttpFault, Operation};

use crate::generations::{accepted, delivered, finished, flat, inline};

const TAKEN: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP];

async fn upload(stack: &TestStack, user: &TestUser, name: &str, bytes: Vec<u8>) -> String {
    stack.auth().upload(&user.signed_in, name, bytes, "image/png").await.unwrap()
}

/// What the last job was sent as the picture of that name.
fn sent(stack: &TestStack, pointer: &str) -> Vec<u8> {
    sent_at(stack, &format!("/input/{pointer}"))
}

/// What the last job was sent at that place, as base64 or as a data URI of it.
fn sent_at(stack: &TestStack, pointer: &str) -> Vec<u8> {
    let job = stack.runpod.jobs().pop().unwrap();
    let text = job.input.pointer(pointer).and_then(Value::as_str).expect("a picture");
    STANDARD.decode(text.rsplit_once(',').map_or(text, |(_, base64)| base64)).unwrap()
}

/// What the row of the last generation says of its pictures.
async fn stored(stack: &TestStack, pointer: &str) -> String {
    let stored: Value =
        sqlx::query_scalar("select input_data from public.generations order by created_at desc limit 1")
            .fetch_one(stack.database.pool())
            .await
            .unwrap();
    stored.pointer(&format!("/{pointer}")).unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_upload_is_sent_whatever_its_format_and_its_name() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    for (format, name) in TAKEN.into_iter().zip(["a.png", "folder/b c.jpeg", "no ending"]) {
        let path = upload(&stack, &user, name, Sample::Mug.file(80, format)).await;
        let made = delivered(&stack, &user, request("upscale").picture("input_image", path.as_str())).await;
        assert_eq!(made.kinds(), [("webp", 160, 160)], "{name}");
        assert_eq!(sent(&stack, "input_image"), Sample::Mug.file(80, format), "{name}: the file itself");
        assert_eq!(stored(&stack, "input_image").await, path, "the row carries the path");
    }
    stack.reconcile().await;
}

#[tokio::test]
async fn an_output_of_an_earlier_generation_is_sent_again() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let first = delivered(&stack, &user, request("upscale").format("png")).await;
    let path = format!("{}/{}/1.png", user.id(), first.id);
    let second = delivered(&stack, &user, request("upscale").picture("input_image", path)).await;
    assert_eq!(second.kinds(), [("webp", 768, 768)]);
    assert_eq!(sent(&stack, "input_image"), first.files[0]);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_picture_inside_the_request_is_kept_under_inputs_and_sent_from_there() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let file = samples::file(&flat(40, 30, [9, 99, 199]), ImageFormat::Png);
    for given in [samples::base64(&file), format!("data:image/png;base64,{}", samples::base64(&file))] {
        delivered(&stack, &user, request("upscale").picture("input_image", given)).await;
        let path = stored(&stack, "input_image").await;
        assert!(path.starts_with(&format!("{}/inputs/", user.id())) && path.ends_with(".png"), "{path}");
        assert_eq!(sent(&stack, "input_image"), file);
        assert_eq!(stack.worker.images.get(&path).await.unwrap(), file);
    }
    stack.reconcile().await;
}

#[tokio::test]
async fn a_picture_at_an_address_is_fetched_once_for_each_submission() {
    let mut stack = TestStack::new().await;
    let host = PictureHost::start().await;
    stack.worker.inputs = host.fetcher();
    let user = stack.user().await;
    for (format, name) in TAKEN.into_iter().zip(["a.png", "b.jpg", "c"]) {
        let url = host.serve(name, Served::File(Sample::Bottle.file(72, format)));
        let made = delivered(&stack, &user, request("upscale").picture("input_image", url.as_str())).await;
        assert_eq!(made.kinds(), [("webp", 144, 144)], "{name}");
        assert_eq!((host.asked(name), stored(&stack, "input_image").await), (1, url));
        assert_eq!(sent(&stack, "input_image"), Sample::Bottle.file(72, format));
    }
    stack.reconcile().await;
}

#[tokio::test]
async fn pictures_by_all_roads_meet_in_one_request_in_their_order() {
    let mut stack = TestStack::new().await;
    let host = PictureHost::start().await;
    stack.worker.inputs = host.fetcher();
    let user = stack.user().await;
    let colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]];
    let files = colors.map(|color| samples::file(&flat(40, 40, color), ImageFormat::Png));
    let [first, second, third, fourth] = &files;
    let pictures = json!([
        upload(&stack, &user, "first.png", first.clone()).await,
        host.serve("second.png", Served::File(second.clone())),
        samples::base64(third),
        host.serve("fourth.png", Served::File(fourth.clone())),
    ]);
    let made = delivered(&stack, &user, request("video").picture("input_images", pictures)).await;
    assert_eq!(made.kinds(), [("mp4", 320, 240)]);
    for (n, file) in files.iter().enumerate() {
        assert_eq!(sent(&stack, &format!("input_images/{n}")), *file, "{n}");
    }
    stack.reconcile().await;
}

#[tokio::test]
async fn what_hides_in_a_file_is_not_sent_and_one_that_lies_on_its_side_is_turned() {
    let mut stack = TestStack::new().await;
    let host = PictureHost::start().await;
    stack.worker.inputs = host.fetcher();
    let user = stack.user().await;
    let plain = Sample::Garment.file(64, ImageFormat::Jpeg);
    // An EXIF block that says "turn me by a quarter", after the two bytes that every JPEG starts with.
    let exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let turned = [&plain[..2], b"\xFF\xE1", &length, exif, &plain[2..]].concat();
    let mut trailing = plain.clone();
    trailing.extend(b"<script>a page behind the picture</script>");
    for file in [&turned, &trailing] {
        let path = host.serve("a.jpg", Served::File(file.clone()));
        delivered(&stack, &user, request("upscale").picture("input_image", path)).await;
        let sent = sent(&stack, "input_image");
        let found = |needle: &[u8]| sent.windows(needle.len()).any(|window| window == needle);
        assert!(!found(b"Exif") && !found(b"script"));
        let upright = image::load_from_memory(&plain).unwrap();
        let upright = if file == &turned { upright.rotate90() } else { upright };
        assert!(is_alike(&image::load_from_memory(&sent).unwrap(), &upright));
    }
    stack.reconcile().await;
}

/// PNG files of other kinds than 8-bit RGB or RGBA, each with the kind of colour that it is sent as.
fn other_kinds() -> [(&'static str, DynamicImage, image::ColorType); 5] {
    let slope = |x: u32| u16::try_from(x * 1_000).unwrap();
    let grey = ImageBuffer::from_fn(64, 64, |x, _| Luma([slope(x)]));
    let clear = ImageBuffer::from_fn(64, 64, |x, y| LumaA([slope(x), if y < 32 { u16::MAX } else { 0x8080 }]));
    let (grey, clear) = (DynamicImage::ImageLuma16(grey), DynamicImage::ImageLumaA16(clear));
    [
        ("grey of 16 bits", grey.clone(), image::ColorType::Rgb8),
        ("grey of 8 bits", grey.to_luma8().into(), image::ColorType::Rgb8),
        ("grey with alpha", clear.to_luma_alpha8().into(), image::ColorType::Rgba8),
        ("grey with alpha of 16 bits", clear, image::ColorType::Rgba8),
        ("RGB of 16 bits", grey.to_rgb16().into(), image::ColorType::Rgb8),
    ]
}

#[tokio::test]
async fn pictures_of_every_kind_are_sent_as_eight_bit_rgb_or_rgba_and_keep_their_brightness() {
    for graphs in [false, true] {
        let builder = TestStack::builder();
        let stack = if graphs { builder.graphs() } else { builder }.start().await;
        let user = stack.user().await;
        let pointer = if graphs { "/images/0/image" } else { "/input/input_image" };
        let resized = |file: &[u8]| request("resize").picture("input_image", samples::base64(file)).format("png");
        for (name, picture, color) in other_kinds() {
            let made = delivered(&stack, &user, resized(&samples::file(&picture, ImageFormat::Png))).await.picture();
            assert_eq!(image::load_from_memory(&sent_at(&stack, pointer)).unwrap().color(), color, "{graphs} {name}");
            let middle = made.get_pixel(made.width() / 2, made.height() / 4).0[0];
            assert!(middle.abs_diff(125) < 16, "{graphs} {name}: {middle} in the middle of the slope");
        }
        for (name, file) in [("a palette", samples::two_colours(true)), ("one bit", samples::two_colours(false))] {
            delivered(&stack, &user, resized(&file)).await;
            let sent = image::load_from_memory(&sent_at(&stack, pointer)).unwrap();
            assert_eq!(sent.color(), image::ColorType::Rgb8, "{graphs} {name}");
            assert_eq!(sent, image::load_from_memory(&file).unwrap().into_rgb8().into(), "{graphs} {name}");
        }
        stack.reconcile().await;
    }
}

/// Whether two pictures differ by no more than what encoding once more does to them.
fn is_alike(one: &DynamicImage, other: &DynamicImage) -> bool {
    let (one, other) = (one.to_luma8(), other.to_luma8());
    let differences = one.pixels().zip(other.pixels()).map(|(a, b)| u64::from(a.0[0].abs_diff(b.0[0])));
    one.dimensions() == other.dimensions() && differences.sum::<u64>() < 4 * u64::from(one.width() * one.height())
}

#[tokio::test]
async fn a_store_that_is_down_delays_the_submission_but_loses_nothing() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let id = accepted(&user, request("upscale")).await;
    let down = SupabaseEffect::from(HttpFault::ServerError { status: 503 });
    stack.supabase.script(Fault::new(down).on(Operation::Download).always());
    for _ in 0..2 {
        stack.drain().await;
        let seen = user.status(id).await.unwrap().body;
        assert_eq!((&seen["status"], &seen["stage"]), (&"processing".into(), &"queued".into()), "{seen}");
        assert_eq!(user.balance().await.unwrap(), 98, "nothing is given back");
        stack.advance(std::time::Duration::from_secs(31)).await;
    }
    assert_eq!(stack.runpod.counts().jobs_made, 0);
    stack.supabase.clear_faults();
    finished(&stack, &user, id).await;
    assert_eq!((stack.runpod.counts().jobs_made, user.balance().await.unwrap()), (1, 98));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_server_that_fails_once_or_twice_is_asked_again_at_once() {
    let mut stack = TestStack::new().await;
    let host = PictureHost::start().await;
    stack.worker.inputs = host.fetcher();
    let user = stack.user().await;
    let good = Served::File(Sample::Mug.file(64, ImageFormat::Png));
    let turns = [Served::Status("503 Service Unavailable"), Served::Broken, good];
    let url = host.serve_in_turn("a.png", turns);
    delivered(&stack, &user, request("upscale").picture("input_image", url)).await;
    assert_eq!((host.asked("a.png"), stack.runpod.counts().jobs_made), (3, 1));
    stack.reconcile().await;
}

#[tokio::test]
async fn every_part_of_a_request_reaches_the_endpoint_as_it_was_given() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let text = json!({"text": "50 % off", "position": "top", "font": "bold", "color": "#112233"});
    let asked = request("poster").input("text_overlay", text.clone()).input("style", "vibrant").outputs(1);
    let asked = asked.picture("input_image", inline(&flat(32, 32, [1, 2, 3])));
    delivered(&stack, &user, asked.input("dimensions", json!({"width": 64, "height": 80})).format("jpg")).await;
    let mut job = stack.runpod.jobs().pop().unwrap().input;
    let seed = job["input"].as_object_mut().unwrap().remove("seed").unwrap();
    assert!(seed.as_u64().is_some_and(|seed| seed < 1 << 53), "{seed}");
    let picture = job["input"].as_object_mut().unwrap().remove("input_image").unwrap();
    assert!(images::inspect(&STANDARD.decode(picture.as_str().unwrap()).unwrap()).is_ok());
    let trace = job.as_object_mut().unwrap().remove("traceparent").unwrap();
    assert!(TraceContext::parse(trace.as_str().unwrap()).is_some(), "{trace}");
    let expected = json!({
        "workflow_type": "poster",
        "num_outputs": 1,
        "output_format": "jpg",
        "input": {
            "platform": "instagram_post",
            "dimensions": {"width": 64, "height": 80},
            "text_overlay": text,
            "style": "vibrant",
        },
    });
    assert_eq!(job, expected);
    stack.reconcile().await;
}
