//! Files that are no usable picture: refused by their bytes, each where it stands, and nothing is taken.

use devstack::builders::request;
use devstack::samples::{Sample, bad, base64};
use image::ImageFormat::{Jpeg, Png, WebP};
use serde_json::json;

use super::{Door, POINTER, clip, fault, resize};

/// Refused with 422 in the only place of a resize and in one place of several, and leaves no trace.
async fn refused_everywhere(files: Vec<(&str, Vec<u8>, &str)>) {
    let door = Door::open().await;
    let good = base64(&Sample::Mug.file(48, Png));
    for (name, file, detail) in files {
        let text = base64(&file);
        for (pointer, request) in [
            (POINTER, resize(text.as_str())),
            ("/input_data/garment_image", request("tryon").picture("garment_image", text.as_str())),
            ("/input_data/mask", request("color_change").picture("mask", text.as_str())),
            ("/input_data/input_images/1", clip(&[good.clone(), text.clone(), good.clone()])),
        ] {
            let faults = door.refused(422, request).await;
            let [(at, said)] = &faults[..] else { panic!("{name}: {faults:?}") };
            assert_eq!(at, pointer, "{name}");
            assert!(said.starts_with(detail), "{name}: {said}");
            assert!(said.len() < 300 && !said.contains(&text), "{name}: {said}");
        }
        door.nothing_was_taken().await;
    }
    // Good ones beside a bad one may lie there until they are cleaned up; none of the bad does.
    for path in door.kept() {
        image::load_from_memory(&door.object(&path)).unwrap();
    }
    door.close().await;
}

#[tokio::test]
async fn damaged_pictures_are_found_though_their_headers_are_whole() {
    let mut holed = Sample::Mug.file(64, Png);
    let middle = holed.len() / 2;
    holed[middle] ^= 0x10;
    refused_everywhere(vec![
        ("a PNG cut off", bad::truncated(Png), "the file is damaged: "),
        ("a JPEG cut off", bad::truncated(Jpeg), "the file is damaged: "),
        ("a WebP cut off", bad::truncated(WebP), "the file is damaged: "),
        ("a PNG with a hole", holed, "the file is damaged: "),
        ("a header without pixels", bad::hollow_png(8_000, 8_000), "the file is damaged: "),
        ("a picture without extent", bad::hollow_png(0, 64), "the file is damaged: "),
    ])
    .await;
}

#[tokio::test]
async fn what_would_fill_the_memory_is_refused_by_its_header() {
    refused_everywhere(vec![
        ("a bomb", bad::hollow_png(60_000, 60_000), "the picture is too large: it has 60000 x 60000 pixels"),
        ("a long one", bad::hollow_png(1, 70_000_000), "the picture is too large: "),
        ("one line too many", bad::hollow_png(8_192, 8_193), "the picture is too large: "),
        ("a few bytes of half a gigabyte", bad::vast_webp(), "the picture is too large: a WEBP picture of 8-bit RGBA"),
        ("larger than numbers are", bad::hollow_png(u32::MAX, u32::MAX), "the "),
    ])
    .await;
}

#[tokio::test]
async fn what_is_no_picture_is_refused_whatever_it_could_be() {
    let unknown = "the file is not a PNG, JPEG or WebP picture";
    refused_everywhere(vec![
        ("a text", bad::text(), unknown),
        ("an SVG", bad::svg(), unknown),
        ("a page", bad::html(), unknown),
        ("one byte", vec![0x89], unknown),
        ("a page before a picture", [bad::html(), Sample::Mug.file(48, Png)].concat(), unknown),
        ("an animated PNG", bad::animated_png(), "the file is an animation, not one picture"),
    ])
    .await;
}

#[tokio::test]
async fn a_kind_of_jpeg_that_is_not_supported_is_told_with_those_that_are() {
    let detail = "this kind of JPEG is not supported: save it as a baseline or progressive JPEG (it stores RGB)";
    refused_everywhere(vec![("an RGB JPEG", bad::rgb_jpeg(), detail)]).await;
}

#[tokio::test]
async fn formats_that_no_workflow_starts_from_are_told_with_those_that_are_taken() {
    let door = Door::open().await;
    let good = base64(&Sample::Mug.file(48, Png));
    for (name, file) in [("gif", bad::animated_gif()), ("avif", bad::avif()), ("mp4", bad::mp4(64, 64, 2))] {
        let detail = format!("{name} pictures are not taken: send PNG, JPEG or WebP");
        let text = base64(&file);
        assert_eq!(door.refused(415, resize(text.as_str())).await, fault(POINTER, detail.as_str()));
        let faults = door.refused(415, clip(&[text.clone(), good.clone(), text.clone()])).await;
        let expected = [0, 2].map(|n| (format!("/input_data/input_images/{n}"), detail.clone()));
        assert_eq!(faults, expected);
        let cut = base64(&file[..file.len() / 2]);
        assert_eq!(door.refused(415, resize(cut)).await, fault(POINTER, detail.as_str()), "even if it is damaged");
    }
    let answer = door.send(resize(base64(&bad::avif()))).await.expecting(415);
    assert_eq!(answer.body["code"], "unsupported-picture");
    assert_eq!(answer.body["type"], "/problems/unsupported-picture");
    assert_eq!((door.kept().len(), door.uploads()), (0, 0));
    door.nothing_was_taken().await;
    door.close().await;
}

#[tokio::test]
async fn a_label_that_lies_is_refused_even_about_a_good_picture() {
    let door = Door::open().await;
    let (png, jpg) = (base64(&Sample::Mug.file(48, Png)), base64(&Sample::Mug.file(48, Jpeg)));
    for (label, text, found) in [
        ("image/jpeg", &png, "png"),
        ("image/jpg", &png, "png"),
        ("image/webp", &jpg, "jpg"),
        ("image/svg+xml", &png, "png"),
        ("text/html", &jpg, "jpg"),
        ("image/gif", &png, "png"),
    ] {
        let faults = door.refused(422, resize(format!("data:{label};base64,{text}"))).await;
        assert_eq!(faults, fault(POINTER, format!("is said to be \"{label}\" but is {found}")));
    }
    let svg = format!("data:image/png;base64,{}", base64(&bad::svg()));
    assert_eq!(door.refused(422, resize(svg)).await, fault(POINTER, "the file is not a PNG, JPEG or WebP picture"));
    assert_eq!((door.kept().len(), door.uploads()), (0, 0));
    door.nothing_was_taken().await;
    door.close().await;
}

#[tokio::test]
async fn what_is_neither_path_nor_address_nor_base64_is_told_what_is_wanted() {
    let door = Door::open().await;
    let wanted = "must be a storage path of your own, an https address or base64";
    for value in [
        json!(""),
        json!("mug.png"),
        json!("blob:https"),
        json!("%89PNG"),
        json!("iVBORw0KGgo*"),
        json!("iVBORw0KGgo=iVBORw0KGgo="),
        json!(7),
        json!(["iVBORw0KGgo="]),
        json!({"base64": "iVBORw0KGgo="}),
    ] {
        assert_eq!(door.refused(422, resize(value.clone())).await, fault(POINTER, wanted), "{value}");
    }
    for pictures in [json!([]), json!(vec!["iVBORw0KGgo="; 9]), json!("iVBORw0KGgo=")] {
        let request = request("video").input("input_images", pictures);
        let expected = fault("/input_data/input_images", "must be a list of 1 to 8 pictures");
        assert_eq!(door.refused(422, request).await, expected);
    }
    assert_eq!(door.uploads(), 0);
    door.nothing_was_taken().await;
    door.close().await;
}

#[tokio::test]
async fn a_picture_that_would_be_too_large_afterwards_is_refused_before_it_is_paid_for() {
    let door = Door::open().await;
    let upscale = |side: u32, level: i64| {
        let file = base64(&bad::flat_png(side, side));
        request("upscale").picture("input_image", file).input("upscale_level", level)
    };
    let refused = door.refused(422, upscale(1_025, 8)).await;
    assert_eq!(refused, fault(POINTER, "would become larger than 67108864 pixels"));
    assert_eq!(door.uploads(), 0);
    door.nothing_was_taken().await;
    door.accepted(upscale(1_024, 8)).await;
    door.accepted(upscale(1_025, 4)).await;
    door.close().await;
}

#[tokio::test]
async fn every_bad_picture_of_a_request_is_told_at_once() {
    let door = Door::open().await;
    let (cut, good) = (base64(&bad::truncated(Png)), base64(&Sample::Mug.file(48, Png)));
    let other = base64(&bad::truncated(Jpeg));
    let faults = door.refused(422, clip(&[cut.clone(), good.clone(), cut, other])).await;
    let pointers: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/input_data/input_images/0", "/input_data/input_images/2", "/input_data/input_images/3"]);

    // What can be seen without decoding comes first, with the faults of everything else.
    let request = clip(&[base64(&bad::svg()), "http://example.com/a.png".to_owned(), good]).input("fps", 60);
    let pointers: Vec<_> = door.refused(422, request).await.into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/input_data/input_images/0", "/input_data/input_images/1", "/input_data/fps"]);
    door.nothing_was_taken().await;
    door.close().await;
}
