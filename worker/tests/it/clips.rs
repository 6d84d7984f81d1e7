//! Clips: checked by their headers, never converted; what is no clip of the kind that was asked for is refunded.

use devstack::builders::request;
use devstack::samples::bad;
use devstack::test_stack::TestStack;
use serde_json::json;
use simulators::Fault;
use simulators::runpod::{ImageForm, JobFault, RunPodEffect, Spoil};

use crate::generations::{delivered, failed};

fn job(effect: JobFault) -> Fault<RunPodEffect> {
    Fault::new(RunPodEffect::from(effect))
}

#[tokio::test]
async fn a_clip_is_delivered_as_it_came_in_both_formats_and_every_form() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    for form in [ImageForm::Base64, ImageForm::DataUri, ImageForm::Url, ImageForm::UrlObject] {
        for format in ["mp4", "gif"] {
            stack.runpod.script(job(JobFault::Form { form }));
            let made = delivered(&stack, &user, request("video").format(format)).await;
            assert_eq!(made.kinds(), [(format, 320, 240)], "{form:?}");
            let link = made.seen["image_urls"][0].as_str().unwrap();
            assert!(link.contains(&format!("/1.{format}?")), "{link}");
        }
    }
    // The format may also stand among the parameters.
    let made = delivered(&stack, &user, request("video").input("format", "gif")).await;
    assert_eq!(made.kinds(), [("gif", 320, 240)]);
    assert_eq!(user.balance().await.unwrap(), 100 - 9 * 5);
    stack.reconcile().await;
}

#[tokio::test]
async fn what_is_no_clip_of_the_kind_asked_for_is_not_delivered() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    for (format, how) in [
        ("mp4", Spoil::Png),
        ("mp4", Spoil::Jpeg),
        ("mp4", Spoil::Gif),
        ("mp4", Spoil::Truncated),
        ("mp4", Spoil::Html),
        ("gif", Spoil::Mp4),
        ("gif", Spoil::Webp),
        ("gif", Spoil::Truncated),
    ] {
        stack.runpod.script(job(JobFault::SpoiledPicture { how, picture: None }));
        let seen = failed(&stack, &user, request("video").format(format)).await;
        assert_eq!(seen["error_code"], "unusable_output", "{format} {how:?}");
        assert_eq!(seen["cost"], json!({"price": 5, "charged": 0, "refunded": 5}), "{format} {how:?}");
    }
    assert_eq!(stack.supabase.objects().iter().filter(|object| object.key.contains("/1.")).count(), 0);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_clip_is_cut_off_wherever_its_boxes_do_not_end() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let clip = bad::mp4(320, 240, 2);
    let output = |bytes: &[u8]| JobFault::Output { output: json!({"images": [devstack::samples::base64(bytes)]}) };
    stack.runpod.script(job(output(&clip)));
    assert_eq!(delivered(&stack, &user, request("video")).await.kinds(), [("mp4", 320, 240)]);
    // Without its last byte; without its pictures; without its description.
    let boxes =
        [&b"ftyp"[..], b"moov", b"mdat"].map(|kind| clip.windows(4).position(|bytes| bytes == kind).unwrap() - 4);
    let without_movie = [&clip[..boxes[1]], &clip[boxes[2]..]].concat();
    for cut in [&clip[..clip.len() - 1], &clip[..boxes[2]], &without_movie, &clip[..boxes[1]]] {
        stack.runpod.script(job(output(cut)));
        assert_eq!(failed(&stack, &user, request("video")).await["error_code"], "unusable_output", "{}", cut.len());
    }
    assert_eq!(user.balance().await.unwrap(), 95);
    stack.reconcile().await;
}

#[tokio::test]
async fn a_clip_where_a_picture_was_asked_for_is_not_delivered() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    stack.runpod.script(job(JobFault::SpoiledPicture { how: Spoil::Mp4, picture: None }));
    assert_eq!(failed(&stack, &user, request("poster")).await["error_code"], "unusable_output");
    let animation = devstack::samples::base64(&bad::animated_gif());
    stack.runpod.script(job(JobFault::Output { output: json!({"images": [animation]}) }));
    assert_eq!(failed(&stack, &user, request("poster").outputs(1)).await["error_code"], "unusable_output");
    stack.reconcile().await;
}
