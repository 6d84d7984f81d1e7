//! Each of the ten workflows from its request to its files, on an endpoint that speaks the product's own dialect.

use devstack::builders::request;
use devstack::test_stack::TestStack;
use serde_json::json;
use shared::workflow::{CATALOGUE, OutputFormat};
use simulators::{RunPodOptions, Time};

use crate::generations::{delivered, flat, inline};

/// What no parameter and no picture decides is small.
async fn stack() -> TestStack {
    let options = RunPodOptions { time: Time::Manual, picture_size: (96, 64), ..RunPodOptions::default() };
    TestStack::builder().runpod(options).start().await
}

/// Of each workflow: the outputs that are made when nobody says, their price, and their size from a picture of 192 pixels
/// a side.
const PROMISED: [(&str, usize, i64, (u32, u32)); 10] = [
    ("model", 2, 2, (96, 64)),
    ("tryon", 2, 3, (192, 192)),
    ("color_change", 2, 1, (192, 192)),
    ("upscale", 1, 2, (384, 384)),
    ("graphic_transfer", 2, 2, (192, 192)),
    ("resize", 1, 1, (320, 180)),
    ("background", 2, 2, (192, 192)),
    ("lifestyle", 2, 3, (96, 64)),
    ("video", 1, 5, (320, 240)),
    ("poster", 2, 1, (1080, 1080)),
];

#[tokio::test]
async fn every_workflow_delivers_what_is_promised_of_it() {
    let stack = stack().await;
    let user = stack.user().await;
    let mut balance = 100;
    for (workflow, outputs, price, (width, height)) in PROMISED {
        let made = delivered(&stack, &user, request(workflow)).await;
        let format = if workflow == "video" { "mp4" } else { "webp" };
        assert_eq!(made.kinds(), vec![(format, width, height); outputs], "{workflow}");
        assert!(made.all_differ(), "{workflow}");
        balance -= price;
        assert_eq!(made.seen["cost"], json!({"price": price, "charged": price, "refunded": 0}), "{workflow}");
        assert_eq!(user.balance().await.unwrap(), balance, "{workflow}");
        let paths: Vec<String> = sqlx::query_scalar("select output_urls from public.generations where id = $1")
            .bind(made.id)
            .fetch_one(stack.database.pool())
            .await
            .unwrap();
        let stored: Vec<_> = (1..=outputs).map(|n| format!("{}/{}/{n}.{format}", user.id(), made.id)).collect();
        assert_eq!(paths, stored, "{workflow}");
    }
    assert_eq!(stack.runpod.counts().jobs_made, 10);
    stack.reconcile().await;
}

#[tokio::test]
async fn every_workflow_delivers_in_each_of_its_formats() {
    let stack = stack().await;
    let user = stack.user().await;
    let mut spent = 0;
    for workflow in CATALOGUE {
        let name = workflow.kind.as_str();
        for format in workflow.formats {
            // Encoding AVIF takes its time: once is enough, and `delivery.rs` does it too.
            if *format == OutputFormat::Avif && name != "color_change" {
                continue;
            }
            let mut asked = request(name).outputs(1).format(format.as_str());
            if name == "poster" {
                asked = asked.input("dimensions", json!({"width": 96, "height": 128}));
            }
            let made = delivered(&stack, &user, asked).await;
            assert_eq!(made.inspected().iter().map(|file| file.format).collect::<Vec<_>>(), [*format], "{name}");
            // For one output, what is not a whole credit is rounded up.
            let price = match name {
                "tryon" | "upscale" | "lifestyle" => 2,
                "video" => 5,
                _ => 1,
            };
            assert_eq!(made.seen["cost"]["charged"], price, "{name}");
            spent += price;
        }
    }
    assert_eq!(user.balance().await.unwrap(), 100 - spent);
    stack.reconcile().await;
}

#[tokio::test]
async fn up_to_four_outputs_are_made_and_no_two_are_the_same() {
    let stack = stack().await;
    let user = stack.user().await;
    for (workflow, price) in [
        ("model", 4),
        ("tryon", 6),
        ("color_change", 2),
        ("graphic_transfer", 4),
        ("background", 4),
        ("lifestyle", 6),
        ("poster", 2),
    ] {
        let mut asked = request(workflow).outputs(4).format("png");
        if workflow == "poster" {
            asked = asked.input("dimensions", json!({"width": 128, "height": 96}));
        }
        let made = delivered(&stack, &user, asked).await;
        assert_eq!((made.files.len(), made.all_differ()), (4, true), "{workflow}");
        assert_eq!(made.seen["cost"]["charged"], price, "{workflow}");
    }
    // Four of these would be four times the same.
    for workflow in ["upscale", "resize", "video"] {
        assert_eq!(user.generate(&request(workflow).outputs(2).build()).await.unwrap().status, 422, "{workflow}");
    }
    assert_eq!(user.balance().await.unwrap(), 100 - 28);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_size_that_the_request_fixes_is_exact() {
    let stack = stack().await;
    let user = stack.user().await;
    let picture = inline(&flat(30, 20, [90, 120, 60]));
    let sized = |asked| async { delivered(&stack, &user, asked).await.kinds()[0] };
    for fill_mode in ["stretch", "crop", "content_aware", "letterbox"] {
        let asked = request("resize").picture("input_image", picture.as_str()).input("fill_mode", fill_mode);
        let asked = asked.input("target_width", 65).input("target_height", 131);
        assert_eq!(sized(asked).await, ("webp", 65, 131), "{fill_mode}");
    }
    for maintain_aspect in [true, false] {
        let asked = request("resize").without_input("fill_mode").input("maintain_aspect", maintain_aspect);
        assert_eq!(sized(asked).await, ("webp", 320, 180), "{maintain_aspect}");
    }
    for level in [2, 4, 8] {
        let asked = request("upscale").picture("input_image", picture.as_str()).input("upscale_level", level);
        assert_eq!(sized(asked).await, ("webp", 30 * level, 20 * level));
    }
    let dimensions = json!({"width": 200, "height": 64});
    let asked = request("poster").outputs(1).input("platform", "twitter").input("dimensions", dimensions);
    assert_eq!(sized(asked).await, ("webp", 200, 64));
    let asked = request("poster").outputs(1).input("platform", "facebook");
    assert_eq!(sized(asked).await, ("webp", 1200, 630));
    stack.reconcile().await;
}
