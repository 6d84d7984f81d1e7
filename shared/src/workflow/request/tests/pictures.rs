//! What may stand in the place of a picture, and which of it is one request.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use image::{DynamicImage, GrayImage, ImageFormat};
use serde_json::{Value, json};

use super::super::Request;
use super::faults;
use super::whole::{UPLOAD, body, joined, parts};
use crate::ids::UserId;
use crate::images::{INPUT_BYTES_MAX, INPUT_URL_BYTES_MAX};
use crate::workflow::{OutputFormat, PICTURE_WANTED, PictureSource};

const POINTER: &str = "/input_data/input_image";
/// A GIF of one pixel.
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// A picture that differs from others of another `shade`.
fn file(format: ImageFormat, side: u32, shade: u8) -> Vec<u8> {
    let picture = DynamicImage::ImageLuma8(GrayImage::from_pixel(side, side, image::Luma([shade])));
    let mut file = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture.to_rgb8()).write_to(&mut file, format).expect("it is written to memory");
    file.into_inner()
}

fn png(shade: u8) -> Vec<u8> {
    file(ImageFormat::Png, 8, shade)
}

/// An upscale request with this as its picture.
fn upscale(picture: impl Into<Value>) -> Value {
    let (needed, _) = parts("upscale");
    body("upscale", &joined(&needed, &json!({"input_image": picture.into()})))
}

fn source(picture: impl Into<Value>) -> PictureSource {
    let request = Request::parse(&upscale(picture)).expect("a sound body");
    let [picture] = &request.pictures[..] else { panic!("one picture") };
    assert_eq!((picture.pointer.as_str(), picture.name.as_str()), (POINTER, "input_image"));
    picture.source.clone()
}

/// What is said of this in the place of a picture.
fn fault(picture: impl Into<Value>) -> String {
    let faults = faults(&upscale(picture));
    let [(pointer, detail)] = &faults[..] else { panic!("one fault: {faults:?}") };
    assert_eq!(pointer, POINTER);
    detail.clone()
}

fn fingerprint(picture: impl Into<Value>) -> [u8; 32] {
    let owner = UPLOAD.split('/').next().and_then(|folder| folder.parse().ok()).expect("its owner's id");
    Request::parse(&upscale(picture)).expect("a sound body").for_user(UserId(owner)).expect("hers").fingerprint()
}

#[test]
fn a_picture_is_a_path_an_address_or_the_file_itself() {
    assert_eq!(source(UPLOAD), PictureSource::Path(UPLOAD.to_owned()));
    assert_eq!(source(format!(" {UPLOAD}\n")), PictureSource::Path(UPLOAD.to_owned()));
    let PictureSource::Url(url) = source("https://Shop.Example.com/ä.png?s=1") else { panic!("an address") };
    assert_eq!(url.as_str(), "https://shop.example.com/%C3%A4.png?s=1");
    for (format, name) in [
        (ImageFormat::Png, OutputFormat::Png),
        (ImageFormat::Jpeg, OutputFormat::Jpg),
        (ImageFormat::WebP, OutputFormat::Webp),
    ] {
        let file = file(format, 8, 7);
        let PictureSource::Inline(inline) = source(STANDARD.encode(&file)) else { panic!("the file") };
        assert_eq!((inline.bytes.as_ref(), inline.format), (file.as_slice(), name));
        assert_eq!((inline.width, inline.height, inline.is_taken()), (8, 8, true));
    }
}

#[test]
fn a_file_is_the_same_request_however_it_is_spelt() {
    // Bytes that differ between the alphabets, and a length that wants padding.
    let file = (0..=u8::MAX).map(png).find(|file| {
        let text = STANDARD.encode(file);
        text.contains('+') && text.contains('/') && text.ends_with('=')
    });
    let file = file.expect("one of them");
    let plain = STANDARD.encode(&file);
    let lines = plain.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned());
    let first = fingerprint(plain.as_str());
    for text in [
        STANDARD_NO_PAD.encode(&file),
        URL_SAFE.encode(&file),
        URL_SAFE_NO_PAD.encode(&file),
        lines.collect::<Vec<_>>().join("\r\n"),
        format!("data:image/png;base64,{plain}"),
        format!("data:IMAGE/PNG;BASE64,{plain}"),
        format!("data:image/png;name=a.png; base64,{plain}"),
        format!("data:;base64,{plain}"),
        format!("  {plain}\n"),
    ] {
        assert_eq!(fingerprint(text.as_str()), first, "{}", &text[..40]);
    }
    for other in [STANDARD.encode(png(200)), STANDARD.encode([file.as_slice(), b"\0"].concat())] {
        assert_ne!(fingerprint(other), first);
    }
    assert_ne!(fingerprint(UPLOAD), first);
}

#[test]
fn addresses_are_the_same_request_if_they_are_the_same_address() {
    let first = fingerprint("https://shop.example.com/a.png");
    assert_eq!(fingerprint("HTTPS://SHOP.example.com:443/x/../a.png"), first);
    assert_ne!(fingerprint("https://shop.example.com/A.png"), first);
    assert_ne!(fingerprint("https://shop.example.com/a.png?v=2"), first);
}

#[test]
fn a_label_that_lies_is_refused() {
    let (png, jpg) = (STANDARD.encode(png(1)), STANDARD.encode(file(ImageFormat::Jpeg, 8, 1)));
    source(format!("data:image/jpeg;base64,{jpg}"));
    source(format!("data:image/jpg;base64,{jpg}"));
    for (label, file, found) in [
        ("image/jpeg", &png, "png"),
        ("image/jpg", &png, "png"),
        ("image/webp", &png, "png"),
        ("image/png", &jpg, "jpg"),
        ("image/svg+xml", &jpg, "jpg"),
        ("text/html", &png, "png"),
        ("png", &png, "png"),
    ] {
        assert_eq!(fault(format!("data:{label};base64,{file}")), format!("is said to be \"{label}\" but is {found}"));
    }
    let long = fault(format!("data:{};base64,{png}", "x".repeat(5_000)));
    assert_eq!(long, format!("is said to be \"{}\" but is png", "x".repeat(40)));
}

#[test]
fn a_data_address_is_of_base64() {
    let png = STANDARD.encode(png(1));
    let wanted = "must be a data address of base64, such as data:image/png;base64,…";
    for text in
        ["data:".to_owned(), format!("data:image/png,{png}"), format!("data:{png}"), format!("data:base64,{png}")]
    {
        assert_eq!(fault(text), wanted);
    }
    for text in ["data:image/png;base64,", "data:image/png;base64,****"] {
        assert_eq!(fault(text), format!("must be {PICTURE_WANTED}"));
    }
}

#[test]
fn what_is_no_picture_is_refused_by_its_bytes_whatever_it_is_called() {
    let unknown = "the file is not a PNG, JPEG or WebP picture";
    for file in [
        &b"This is no picture, though it may be called one."[..],
        b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>",
        b"<!doctype html><html></html>",
        b"%PDF-1.7",
        b"\x7fELF",
    ] {
        assert_eq!(fault(STANDARD.encode(file)), unknown);
        for label in ["image/png", "image/svg+xml", "text/html"] {
            assert_eq!(fault(format!("data:{label};base64,{}", STANDARD.encode(file))), unknown);
        }
    }
}

#[test]
fn a_known_format_that_is_not_taken_is_told_apart() {
    let PictureSource::Inline(inline) = source(STANDARD.encode(GIF)) else { panic!("the file") };
    assert_eq!((inline.format, inline.is_taken()), (OutputFormat::Gif, false));
}

#[test]
fn anything_else_is_told_what_is_wanted() {
    let wanted = format!("must be {PICTURE_WANTED}");
    for value in
        [json!(7), json!(true), json!([UPLOAD]), json!({"url": "https://example.com/a.png"}), json!(""), json!(" ")]
    {
        assert_eq!(fault(value), wanted);
    }
    for text in
        ["photo.png", "uploads/a.png", "/etc/passwd", "C:\\a.png", "blob:null/x", "//example.com/a.png", "ä", "a\0b"]
    {
        assert_eq!(fault(text), wanted, "{text}");
    }
}

#[test]
fn addresses_that_are_not_asked_are_refused_here() {
    for (text, detail) in [
        ("http://example.com/a.png", "must be an address that starts with https://"),
        ("ftp://example.com/a.png", "must be an address that starts with https://"),
        ("file:///etc/passwd", "must be an address that starts with https://"),
        ("https://127.0.0.1/a.png", "must be an address on the public internet"),
        ("https://0x7f.1/a.png", "must be an address on the public internet"),
        ("https://[::ffff:10.0.0.1]/a.png", "must be an address on the public internet"),
        ("https://metadata.google.internal/", "must be an address on the public internet"),
        ("https://example.com:8443/a.png", "must be an address on port 443"),
        ("https://me:pw@example.com/a.png", "must be an address without a user name or password"),
    ] {
        assert_eq!(fault(text), detail, "{text}");
    }
    let long = format!("https://example.com/{}", "a".repeat(INPUT_URL_BYTES_MAX));
    assert_eq!(fault(long), "must be an address of at most 2048 bytes");
}

#[test]
fn a_file_that_is_too_long_is_refused_before_it_is_decoded() {
    let text = "A".repeat(INPUT_BYTES_MAX / 3 * 4 + 8);
    assert_eq!(fault(text), format!("is over {INPUT_BYTES_MAX} bytes"));
}

#[test]
fn a_picture_that_would_outgrow_what_is_delivered_is_refused_before_it_is_paid_for() {
    let user = UserId(uuid::Uuid::nil());
    let request = |side: u32, level: u32| {
        let mut body = upscale(STANDARD.encode(file(ImageFormat::Png, side, 9)));
        body["input_data"]["upscale_level"] = json!(level);
        Request::parse(&body).expect("a sound body").for_user(user)
    };
    for (side, level) in [(1024, 8), (1025, 4), (1025, 2)] {
        request(side, level).expect("at most 64 megapixels");
    }
    let faults = request(1025, 8).expect_err("67,240,000 pixels");
    let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.detail.as_str())).collect();
    assert_eq!(found, [(POINTER, "would become larger than 67108864 pixels")]);
}
