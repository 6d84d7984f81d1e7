//! What endpoints of either dialect give back, in old forms and new ones, whole and in part: delivered, or refunded.

use devstack::builders::request;
use devstack::samples;
use devstack::test_stack::{TestStack, TestUser};
use image::ImageFormat;
use serde_json::{Value, json};
use simulators::Fault;
use simulators::runpod::{ErrorForm, ImageForm, JobFault, RunPodEffect, Spoil};

use crate::generations::{Delivered, delivered, failed, flat, is_at, opened};

fn job(effect: JobFault) -> Fault<RunPodEffect> {
    Fault::new(RunPodEffect::from(effect))
}

fn spoilt(how: Spoil, picture: usize) -> JobFault {
    JobFault::SpoiledPicture { how, picture: Some(picture) }
}

/// A user of a product endpoint, or of one that runs graphs.
async fn begin(graphs: bool) -> (TestStack, TestUser) {
    let builder = TestStack::builder();
    let stack = if graphs { builder.graphs() } else { builder }.start().await;
    let user = stack.user().await;
    (stack, user)
}

/// Two outputs for one credit under these faults; the links' file names.
async fn two(stack: &TestStack, user: &TestUser, faults: Vec<JobFault>) -> (Delivered, Vec<String>) {
    for fault in faults {
        stack.runpod.script(job(fault));
    }
    let made = delivered(stack, user, request("color_change").outputs(2).format("png")).await;
    let links = made.seen["image_urls"].as_array().unwrap().iter();
    let name = |link: &Value| link.as_str()?.split('?').next()?.rsplit('/').next().map(str::to_owned);
    let names = links.map(|link| name(link).unwrap()).collect();
    (made, names)
}

#[tokio::test]
async fn a_graphs_pictures_are_taken_inline_and_by_link() {
    let (stack, user) = begin(true).await;
    for form in [ImageForm::ComfyBase64, ImageForm::ComfyUrl] {
        let (made, names) = two(&stack, &user, vec![JobFault::Form { form }]).await;
        assert_eq!((names, made.all_differ()), (vec!["1.png".to_owned(), "2.png".to_owned()], true), "{form:?}");
        assert_eq!(made.seen["cost"]["charged"], 1);
    }
    // The form of before version 5 holds one picture.
    stack.runpod.script(job(JobFault::Form { form: ImageForm::ComfyMessage }));
    assert_eq!(delivered(&stack, &user, request("resize")).await.kinds(), [("webp", 320, 180)]);
    stack.runpod.script(job(JobFault::Form { form: ImageForm::ComfyMessage }));
    let (made, names) = two(&stack, &user, Vec::new()).await;
    assert_eq!((names, &made.seen["cost"]["refunded"]), (vec!["1.png".to_owned()], &json!(1)));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_picture_that_is_missing_or_of_no_use_is_refunded_and_the_others_keep_their_places() {
    for graphs in [false, true] {
        let (stack, user) = begin(graphs).await;
        let form = if graphs { ImageForm::ComfyUrl } else { ImageForm::UrlObject };
        let link = |how, picture| vec![JobFault::Form { form }, spoilt(how, picture)];
        for (faults, expected) in [
            (vec![JobFault::FewerPictures { count: 1 }], "1.png"),
            (vec![spoilt(Spoil::Html, 0)], "2.png"),
            (vec![spoilt(Spoil::Truncated, 1)], "1.png"),
            (link(Spoil::ForeignLink, 0), "2.png"),
            (link(Spoil::BrokenLink, 1), "1.png"),
            (link(Spoil::RedirectLink, 0), "2.png"),
            (link(Spoil::ManyBytes, 1), "1.png"),
        ] {
            let named = format!("{graphs} {faults:?}");
            let (made, names) = two(&stack, &user, faults).await;
            assert_eq!(names, [expected], "{named}");
            // Half of one credit, rounded in her favour.
            assert_eq!(made.seen["cost"], json!({"price": 1, "charged": 0, "refunded": 1}), "{named}");
        }
        // A still picture of another format is made into the one that was asked for.
        let (made, names) = two(&stack, &user, vec![spoilt(Spoil::Gif, 0)]).await;
        assert_eq!((names.len(), made.kinds()[0].0), (2, "png"));
        assert_eq!(user.balance().await.unwrap(), 99);
        stack.reconcile().await;
    }
}

#[tokio::test]
async fn pictures_that_a_worker_could_not_upload_are_refunded() {
    let (stack, user) = begin(true).await;
    let asked = || request("graphic_transfer").outputs(4).format("png");
    for (count, charged) in [(3, 3), (1, 1)] {
        stack.runpod.script(job(JobFault::PicturesLost { count }));
        let made = delivered(&stack, &user, asked()).await;
        assert_eq!((made.files.len(), &made.seen["cost"]["charged"]), (count, &json!(charged)));
    }
    stack.runpod.script(job(JobFault::PicturesLost { count: 0 }).always());
    let seen = failed(&stack, &user, asked()).await;
    assert!(!seen.to_string().contains("S3"), "{seen}");
    assert_eq!(user.balance().await.unwrap(), 96);
    stack.reconcile().await;
}

#[tokio::test]
async fn more_pictures_than_were_asked_for_are_left_behind() {
    for graphs in [false, true] {
        let (stack, user) = begin(graphs).await;
        let (made, names) = two(&stack, &user, vec![JobFault::MorePictures { count: 6 }]).await;
        assert_eq!((names, made.all_differ()), (vec!["1.png".to_owned(), "2.png".to_owned()], true), "{graphs}");
        assert_eq!(user.balance().await.unwrap(), 99);
        stack.reconcile().await;
    }
}

/// A result of worker-comfyui whose files have these names, each of a colour of its own.
fn named(files: &[(&str, [u8; 3])]) -> JobFault {
    let picture = |color| samples::base64(&samples::file(&flat(24, 24, color), ImageFormat::Png));
    let image = |(name, color): &(&str, [u8; 3])| json!({"filename": name, "type": "base64", "data": picture(*color)});
    JobFault::Output { output: json!({"images": files.iter().map(image).collect::<Vec<_>>()}) }
}

const RED: [u8; 3] = [200, 40, 40];
const BLUE: [u8; 3] = [50, 60, 190];

#[tokio::test]
async fn outputs_of_a_graph_are_told_apart_by_their_names_not_by_their_order() {
    let (stack, user) = begin(true).await;
    let backwards = named(&[("0af3-2_00001_.png", BLUE), ("0af3-1_00001_.png", RED)]);
    let (made, names) = two(&stack, &user, vec![backwards]).await;
    assert_eq!(names, ["1.png", "2.png"]);
    assert!(is_at(&opened(&made.files[0]), (5, 5), RED) && is_at(&opened(&made.files[1]), (5, 5), BLUE));

    let first_failed = named(&[("0af3-2_00007_.png", BLUE)]);
    let (made, names) = two(&stack, &user, vec![first_failed]).await;
    assert_eq!((names, &made.seen["cost"]["refunded"]), (vec!["2.png".to_owned()], &json!(1)));

    // Of names that tell nothing, the order counts.
    let nameless = named(&[("ComfyUI_00002_.png", BLUE), ("0af3-1_00001_.png", RED)]);
    let (made, names) = two(&stack, &user, vec![nameless]).await;
    assert_eq!(names, ["1.png", "2.png"]);
    assert!(is_at(&opened(&made.files[0]), (5, 5), BLUE) && is_at(&opened(&made.files[1]), (5, 5), RED));
    stack.reconcile().await;

    // And of a product endpoint always.
    let (stack, user) = begin(false).await;
    let backwards = named(&[("0af3-2_00001_.png", BLUE), ("0af3-1_00001_.png", RED)]);
    let (made, _) = two(&stack, &user, vec![backwards]).await;
    assert!(is_at(&opened(&made.files[0]), (5, 5), BLUE));
    stack.reconcile().await;
}

/// Results without a picture: each with the code that tells of it, and how many jobs it takes to believe it.
fn fruitless() -> Vec<(JobFault, &'static str, u64)> {
    let details = json!({"details": ["Workflow execution error: Node Type: ImageScale, Node ID: 105, Message: [Errno 2] \
        No such file or directory: '/comfyui/input/0af3.png'"]});
    let not_uploaded = json!({"images": [{"filename": "a.png", "type": "s3_url", "data": "simulated_uploaded/a.png"}]});
    let rgb_jpeg = samples::base64(&samples::bad::rgb_jpeg());
    let rgb_jpeg = json!({"images": [{"filename": "0af3-1_00001_.png", "type": "base64", "data": rgb_jpeg}]});
    vec![
        (JobFault::SuccessNoImages, "no_output", 2),
        (JobFault::NoOutput, "no_output", 2),
        (JobFault::FewerPictures { count: 0 }, "no_output", 2),
        (JobFault::Output { output: not_uploaded }, "no_output", 2),
        (JobFault::SpoiledPicture { how: Spoil::BadBase64, picture: None }, "no_output", 2),
        (JobFault::SpoiledPicture { how: Spoil::Svg, picture: None }, "unusable_output", 1),
        (JobFault::Output { output: rgb_jpeg }, "unusable_output", 1),
        (JobFault::OldErrorInOutput, "provider_error", 1),
        (JobFault::WorkflowInvalid, "provider_error", 1),
        (JobFault::Fails { error: json!("Job processing failed"), output: Some(details) }, "provider_error", 1),
        (JobFault::ProductError { code: "INVALID_INPUT".to_owned(), form: ErrorForm::FailedJson }, "invalid_input", 1),
        (JobFault::WorkflowFailed, "gpu_error", 3),
        (JobFault::UncaughtException, "gpu_error", 3),
    ]
}

#[tokio::test]
async fn an_output_that_is_none_is_refunded_without_a_word_of_the_workers() {
    for graphs in [false, true] {
        let (stack, user) = begin(graphs).await;
        for (effect, code, jobs) in fruitless() {
            let before = stack.runpod.counts().jobs_made;
            stack.runpod.script(job(effect.clone()).always());
            let seen = failed(&stack, &user, request("color_change")).await;
            stack.runpod.clear_faults();
            assert_eq!(seen["error_code"], code, "{graphs} {effect:?}");
            assert_eq!(stack.runpod.counts().jobs_made - before, jobs, "{graphs} {effect:?}");
            let shown = seen.to_string().to_lowercase();
            for hidden in ["comfy", "node", "errno", "traceback", ".py", "cuda", "worker", "/input"] {
                assert!(!shown.contains(hidden), "{effect:?} shows {hidden}: {shown}");
            }
        }
        stack.reconcile().await;
    }
}
