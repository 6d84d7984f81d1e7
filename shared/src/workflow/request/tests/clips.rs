//! Video: its format may be named in two places, and its pictures are a list.

use serde_json::{Value, json};

use super::super::Request;
use super::faults;
use super::whole::{UPLOAD, body, joined, parts};
use crate::workflow::OutputFormat::{self, Gif, Mp4};

/// A clip whose format is named in `input_data`, in `settings`, in both or in neither.
fn clip(named: Option<&str>, asked: Option<&str>) -> Value {
    let (needed, _) = parts("video");
    let mut body = body("video", &joined(&needed, &json!({"format": named})));
    body["settings"] = json!({"output_format": asked});
    body
}

#[test]
fn the_format_may_be_named_in_either_place_or_alike_in_both() {
    let table: [(_, _, OutputFormat); 6] = [
        (None, None, Mp4),
        (Some("gif"), None, Gif),
        (None, Some("gif"), Gif),
        (Some("gif"), Some("gif"), Gif),
        (Some("mp4"), None, Mp4),
        (Some("mp4"), Some("mp4"), Mp4),
    ];
    for (named, asked, format) in table {
        let request = Request::parse(&clip(named, asked)).expect("a sound body");
        assert_eq!(request.output_format, format, "{named:?} {asked:?}");
        assert_eq!(request.parameters["format"], format.as_str(), "what is stored says it too");
        let alike = Request::parse(&clip(None, Some(format.as_str()))).expect("a sound body");
        assert_eq!(request.fingerprint(), alike.fingerprint(), "{named:?} {asked:?}");
    }
}

#[test]
fn formats_that_contradict_each_other_are_refused_where_the_parameter_stands() {
    let expected = |pointer: &str| [(pointer.to_owned(), "differs from output_format, which is gif".to_owned())];
    assert_eq!(faults(&clip(Some("mp4"), Some("gif"))), expected("/input_data/format"));
    let mut camel = clip(Some("mp4"), Some("gif"));
    let input = camel["input_data"].take();
    let map = camel.as_object_mut().expect("an object");
    map.remove("input_data");
    map.insert("inputData".to_owned(), input);
    assert_eq!(faults(&camel), expected("/inputData/format"));
}

#[test]
fn a_format_that_is_no_clip_is_one_fault() {
    for (named, asked, pointer) in
        [(Some("webm"), Some("gif"), "/input_data/format"), (Some("gif"), Some("webp"), "/settings/output_format")]
    {
        let pointers: Vec<_> = faults(&clip(named, asked)).into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, [pointer]);
    }
}

#[test]
fn a_clip_is_made_of_one_to_eight_pictures() {
    let with = |pictures: Value| {
        let (mut needed, _) = parts("video");
        needed["input_images"] = pictures;
        body("video", &needed)
    };
    for count in [1, 8] {
        let request = Request::parse(&with(json!(vec![UPLOAD; count]))).expect("a sound body");
        let names: Vec<_> = request.pictures.iter().map(|picture| picture.name.clone()).collect();
        assert_eq!(names, (0..count).map(|n| format!("input_images/{n}")).collect::<Vec<_>>());
        assert_eq!(request.parameters["input_images"], json!(vec![UPLOAD; count]));
    }
    let expected = [("/input_data/input_images".to_owned(), "must be a list of 1 to 8 pictures".to_owned())];
    for pictures in [json!([]), json!(vec![UPLOAD; 9]), json!(UPLOAD), json!({"0": UPLOAD})] {
        assert_eq!(faults(&with(pictures.clone())), expected, "{pictures}");
    }
    let wanted = "must be a storage path of your own, an https address or base64".to_owned();
    let expected = [1, 3].map(|index| (format!("/input_data/input_images/{index}"), wanted.clone()));
    assert_eq!(faults(&with(json!([UPLOAD, null, UPLOAD, 7]))), expected);
}
