//! Pictures that cannot be sent: the customer is told which and why, pays nothing, and no provider hears of it.

use devstack::builders::request;
use devstack::picture_host::{PictureHost, Served};
use devstack::samples::{Sample, bad, base64};
use devstack::test_stack::{TestStack, TestUser};
use image::ImageFormat;
use serde_json::{Value, json};
use shared::images::INPUT_BYTES_MAX;
use uuid::Uuid;

use crate::generations::{accepted, failed, flat, inline};

const UNAVAILABLE: &str = "input_unavailable";
const UNSUPPORTED: &str = "input_unsupported";
const DAMAGED: &str = "input_damaged";
const TOO_LARGE: &str = "input_too_large";

async fn stack_with(host: &PictureHost) -> (TestStack, TestUser) {
    let mut stack = TestStack::new().await;
    stack.worker.inputs = host.fetcher();
    let user = stack.user().await;
    (stack, user)
}

/// Holds that the failure is told as one of this picture.
fn assert_told(seen: &Value, code: &str, picture: &str, what: &str) {
    assert_eq!(seen["error_code"], code, "{what}: {seen}");
    let text = seen["error"].as_str().unwrap();
    assert!(text.contains(&format!(" {picture} ")) && text.contains("refunded"), "{what}: {text}");
    assert!(!text.contains("pictures.example") && !text.contains("uploads"), "{what}: {text}");
}

fn good() -> Served {
    Served::File(Sample::Garment.file(64, ImageFormat::Png))
}

#[tokio::test]
async fn whatever_an_address_gives_but_a_picture_ends_in_a_refund_that_names_it() {
    let host = PictureHost::start().await;
    let (stack, user) = stack_with(&host).await;
    host.serve("good.png", good());
    for (name, served, code, asked) in [
        ("404", Served::Status("404 Not Found"), UNAVAILABLE, 1),
        ("410", Served::Status("410 Gone"), UNAVAILABLE, 1),
        ("403", Served::Status("403 Forbidden"), UNAVAILABLE, 1),
        ("redirect", Served::Redirect("https://pictures.example/good.png".to_owned()), UNAVAILABLE, 1),
        ("redirect-inside", Served::Redirect("http://169.254.169.254/latest/".to_owned()), UNAVAILABLE, 1),
        ("503", Served::Status("503 Service Unavailable"), UNAVAILABLE, 3),
        ("429", Served::Status("429 Too Many Requests"), UNAVAILABLE, 3),
        ("broken", Served::Broken, UNAVAILABLE, 3),
        ("html", Served::File(bad::html()), UNSUPPORTED, 1),
        ("text", Served::File(bad::text()), UNSUPPORTED, 1),
        ("svg", Served::File(bad::svg()), UNSUPPORTED, 1),
        ("gif", Served::File(bad::animated_gif()), UNSUPPORTED, 1),
        ("avif", Served::File(bad::avif()), UNSUPPORTED, 1),
        ("mp4", Served::File(bad::mp4(64, 64, 1)), UNSUPPORTED, 1),
        ("animation", Served::File(bad::animated_png()), UNSUPPORTED, 1),
        ("rgb-jpg", Served::File(bad::rgb_jpeg()), UNSUPPORTED, 1),
        ("nothing", Served::File(Vec::new()), UNSUPPORTED, 1),
        ("cut-png", Served::File(bad::truncated(ImageFormat::Png)), DAMAGED, 1),
        ("cut-jpg", Served::File(bad::truncated(ImageFormat::Jpeg)), DAMAGED, 1),
        ("cut-webp", Served::File(bad::truncated(ImageFormat::WebP)), DAMAGED, 1),
        ("bomb", Served::File(bad::hollow_png(30_000, 30_000)), TOO_LARGE, 1),
        ("vast", Served::File(bad::vast_webp()), TOO_LARGE, 1),
        ("announced", Served::Announced(INPUT_BYTES_MAX + 1), TOO_LARGE, 1),
        ("many-bytes", Served::File(vec![0; INPUT_BYTES_MAX + 1]), TOO_LARGE, 1),
    ] {
        let url = host.serve(name, served);
        let seen = failed(&stack, &user, request("tryon").picture("garment_image", url)).await;
        assert_told(&seen, code, "garment_image", name);
        assert_eq!(host.asked(name), asked, "{name}");
    }
    assert_eq!(host.asked("good.png"), 0, "no redirect was followed");
    assert_eq!((stack.runpod.counts().jobs_made, user.balance().await.unwrap()), (0, 100));
    stack.reconcile().await;
}

#[tokio::test]
async fn one_of_several_pictures_is_named_by_its_place() {
    let host = PictureHost::start().await;
    let (stack, user) = stack_with(&host).await;
    let good = host.serve("good.png", good());
    let svg = host.serve("svg", Served::File(bad::svg()));
    let gone = host.serve("gone", Served::Status("404 Not Found"));
    for (pictures, code, picture) in [
        (json!([good, svg]), UNSUPPORTED, "input_images/1"),
        (json!([gone, good, good]), UNAVAILABLE, "input_images/0"),
        // The first in order, not the first to be found out.
        (json!([good, good, gone, svg]), UNAVAILABLE, "input_images/2"),
    ] {
        let seen = failed(&stack, &user, request("video").picture("input_images", pictures)).await;
        assert_told(&seen, code, picture, picture);
    }
    let mask = request("color_change").picture("mask", gone);
    assert_told(&failed(&stack, &user, mask).await, UNAVAILABLE, "mask", "mask");
    assert_eq!(stack.runpod.counts().jobs_made, 0);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_server_that_is_down_is_given_up_after_three_tries() {
    let mut host = PictureHost::start().await;
    let url = host.serve("a.png", good());
    let (stack, user) = stack_with(&host).await;
    host.go_offline().await;
    let seen = failed(&stack, &user, request("upscale").picture("input_image", url)).await;
    assert_told(&seen, UNAVAILABLE, "input_image", "down");
    assert_eq!(stack.runpod.counts().jobs_made, 0);
    stack.reconcile().await;
}

/// Puts another picture into the row of a generation: what no request may say, an older row might.
async fn point_at(stack: &TestStack, id: Uuid, place: &str) {
    sqlx::query("update public.generations set input_data = jsonb_set(input_data, '{input_image}', $2) where id = $1")
        .bind(id)
        .bind(json!(place))
        .execute(stack.database.pool())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_address_inside_our_network_is_not_asked() {
    let host = PictureHost::start().await;
    host.serve("a.png", good());
    // As in production: the fetcher that trusts no test's server.
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let simulator = stack.supabase.url().replace("http://", "https://");
    for place in [
        format!("{simulator}/storage/v1/object/public/a.png"),
        "https://127.0.0.1/a.png".to_owned(),
        "https://[::ffff:10.0.0.1]/a.png".to_owned(),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://localhost/a.png".to_owned(),
        "http://pictures.example/a.png".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        user.generate(&request("upscale").picture("input_image", place.as_str()).build())
            .await
            .map(|answer| assert_eq!(answer.status, 422, "{place}"))
            .unwrap();
        let id = accepted(&user, request("upscale")).await;
        point_at(&stack, id, &place).await;
        let seen = stack.finish(&user, id).await;
        assert_told(&seen, UNAVAILABLE, "input_image", &place);
    }
    assert_eq!((stack.runpod.counts().jobs_made, user.balance().await.unwrap()), (0, 100));
    stack.reconcile().await;
}

#[tokio::test]
async fn an_upload_that_goes_or_becomes_something_else_after_the_accept_ends_in_a_refund() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let enlarged = Sample::Mug.file(64, ImageFormat::Png);
    let changes: [(&str, Option<Vec<u8>>, &str); 8] = [
        ("deleted.png", None, UNAVAILABLE),
        ("page.png", Some(bad::html()), UNSUPPORTED),
        ("gif.png", Some(bad::animated_gif()), UNSUPPORTED),
        ("rgb.jpg", Some(bad::rgb_jpeg()), UNSUPPORTED),
        ("cut.png", Some(bad::truncated(ImageFormat::WebP)), DAMAGED),
        ("bomb.png", Some(bad::hollow_png(30_000, 30_000)), TOO_LARGE),
        ("long.png", Some([enlarged, vec![0; INPUT_BYTES_MAX]].concat()), TOO_LARGE),
        // A picture of its own, but 72 megapixels when it is twice as wide and high.
        ("flat.png", Some(bad::flat_png(4_500, 4_000)), TOO_LARGE),
    ];
    for (name, change, code) in changes {
        let whole = Sample::Mug.file(64, ImageFormat::Png);
        let path = stack.auth().upload(&user.signed_in, name, whole, "image/png").await.unwrap();
        let id = accepted(&user, request("upscale").picture("input_image", path.as_str())).await;
        match change {
            None => stack.worker.images.delete(std::slice::from_ref(&path)).await.unwrap(),
            Some(bytes) => stack.worker.images.put(&path, bytes.into(), "image/png").await.unwrap(),
        }
        let seen = stack.finish(&user, id).await;
        assert_told(&seen, code, "input_image", name);
        assert_eq!(user.balance().await.unwrap(), 100, "{name}");
    }
    assert_eq!(stack.runpod.counts().jobs_made, 0);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_picture_that_a_graph_cannot_work_with_is_named_before_anything_is_sent() {
    let stack = TestStack::builder().graphs().start().await;
    let user = stack.user().await;
    let upscale = |width, height| request("upscale").picture("input_image", inline(&flat(width, height, [5; 3])));
    let seen = failed(&stack, &user, upscale(40, 2)).await;
    assert_told(&seen, "insufficient_resolution", "input_image", "two pixels high");
    let seen = failed(&stack, &user, upscale(9_000, 3)).await;
    assert_told(&seen, TOO_LARGE, "input_image", "18,000 pixels wide");
    assert_eq!((stack.runpod.counts().jobs_made, user.balance().await.unwrap()), (0, 100));
    stack.reconcile().await;
}

#[tokio::test]
async fn what_the_endpoint_itself_finds_too_small_is_told_without_its_words() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let small = base64(&Sample::Mug.file(12, ImageFormat::Png));
    let seen = failed(&stack, &user, request("upscale").picture("input_image", small)).await;
    assert_told(&seen, "insufficient_resolution", "of this request", "twelve pixels");
    assert_eq!(stack.runpod.counts().jobs_made, 1);
    stack.reconcile().await;
}
