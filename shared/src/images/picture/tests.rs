use bytes::Bytes;
use image::GenericImageView;

use super::samples;
use super::*;
use crate::workflow::OutputFormat::{Avif, Gif, Jpg, Mp4, Png, Webp};

const STILL: [OutputFormat; 4] = [Png, Jpg, Webp, Avif];

fn prepared(file: Vec<u8>, wanted: OutputFormat) -> Result<Picture, PictureError> {
    prepare_now(&Bytes::from(file), wanted)
}

#[test]
fn every_readable_format_becomes_every_still_format_at_its_size() {
    for found in [Png, Jpg, Webp] {
        for wanted in STILL {
            let file = samples::file(samples::opaque(48, 32), found);
            let picture = prepared(file.clone(), wanted).expect("a good picture");
            let seen = inspect(&picture.bytes).expect("a good picture");
            assert_eq!(seen, Inspected { format: wanted, width: 48, height: 32 }, "{found} to {wanted}");
            assert_eq!((picture.format, picture.width, picture.height), (wanted, 48, 32));
            assert_eq!(picture.bytes == file, found == wanted, "{found} to {wanted}");
        }
    }
    let picture = prepared(samples::gif(1), Png).expect("a still");
    assert_eq!((picture.width, picture.height), (16, 12));
}

#[test]
fn the_colours_survive_conversion() {
    let original = samples::opaque(64, 64);
    for wanted in [Png, Jpg, Webp] {
        let picture = prepared(samples::file(original.clone(), Png), wanted).expect("a good picture");
        let back = codec::decode(&picture.bytes, wanted).expect("decodes").image;
        let apart: u64 = original
            .to_rgb8()
            .iter()
            .zip(back.to_rgb8().iter())
            .map(|(one, other)| u64::from(one.abs_diff(*other)))
            .sum();
        assert!(apart / (64 * 64 * 3) <= 12, "{wanted}: {apart}");
    }
}

#[test]
fn webp_is_written_lossy_and_smaller_than_the_png() {
    let image = samples::opaque(512, 512);
    let png = samples::file(image.clone(), Png);
    let webp = prepared(png.clone(), Webp).expect("a good picture").bytes;
    assert!(webp.len() * 2 < png.len(), "{} of {}", webp.len(), png.len());
    assert!(webp.len() < samples::lossless_webp(&image).len());
}

#[test]
fn transparency_is_kept_where_there_is_any_and_white_in_jpeg() {
    for wanted in [Png, Webp] {
        let picture = prepared(samples::file(samples::transparent(32, 32), Png), wanted).expect("a good picture");
        let image = codec::decode(&picture.bytes, wanted).expect("decodes").image;
        assert_eq!((image.get_pixel(2, 2).0[3], image.get_pixel(29, 29).0[3]), (0, 255), "{wanted}");
    }
    let picture = prepared(samples::file(samples::transparent(32, 32), Png), Jpg).expect("a good picture");
    let image = codec::decode(&picture.bytes, Jpg).expect("decodes").image;
    assert!(image.get_pixel(2, 2).0[..3].iter().all(|channel| *channel > 245));
}

#[test]
fn a_turned_picture_is_set_upright() {
    let file = samples::with_segment(&samples::file(samples::opaque(48, 32), Jpg), 0xE1, &samples::quarter_turn());
    for wanted in [Jpg, Png] {
        let picture = prepared(file.clone(), wanted).expect("a good picture");
        let seen = inspect(&picture.bytes).expect("a good picture");
        assert_eq!((seen.width, seen.height), (32, 48), "{wanted}");
        assert_eq!((picture.width, picture.height), (32, 48), "{wanted}");
    }
}

#[test]
fn prompts_do_not_leave_with_the_picture() {
    let clean = samples::file(samples::opaque(16, 16), Png);
    let file = samples::with_chunk(&clean, b"tEXt", b"prompt\0{\"6\": \"a secret graph\"}");
    assert_eq!(prepared(file, Png).expect("a good picture").bytes, clean);

    let clean = samples::file(samples::opaque(16, 16), Jpg);
    for marker in [0xE1, 0xED, 0xFE] {
        let file = samples::with_segment(&clean, marker, b"a secret graph");
        assert_eq!(prepared(file, Jpg).expect("a good picture").bytes, clean);
    }
}

#[test]
fn what_only_calls_itself_a_picture_is_refused() {
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    for text in [svg, "<!doctype html><html></html>", "{\"error\": \"none\"}", "plain text", "\0\0\0\u{18}ftypheic"] {
        let refused = prepared(text.as_bytes().to_vec(), Png);
        assert!(matches!(refused, Err(PictureError::UnknownType)), "{text}");
    }
    assert!(matches!(prepared(Vec::new(), Png), Err(PictureError::Empty)));
}

#[test]
fn small_files_that_claim_vast_pictures_are_refused_unread() {
    for (width, height) in [(60_000, 60_000), (u32::MAX / 2, 1), (8_192, 8_193)] {
        let refused = prepared(samples::hollow_png(width, height), Png);
        assert!(matches!(refused, Err(PictureError::TooManyPixels { .. } | PictureError::Broken { .. })), "{width}");
    }
    assert!(matches!(prepared(samples::hollow_png(0, 5), Png), Err(PictureError::Broken { .. })));
    // Within the limit, but with nothing behind the claim.
    assert!(matches!(prepared(samples::hollow_png(1_000, 1_000), Png), Err(PictureError::Broken { .. })));
    let clip = prepared(samples::mp4(10_000, 10_000), Mp4);
    assert!(matches!(clip, Err(PictureError::TooManyPixels { .. })));
}

#[test]
fn what_is_packed_beside_the_pixels_is_neither_unpacked_early_nor_without_bound() {
    let file = samples::file(samples::opaque(16, 12), Png);
    let header = 8 + 25;
    let seen = inspect(&file[..header]).expect("nothing behind the header is looked at");
    assert_eq!((seen.width, seen.height), (16, 12));
    assert!(matches!(inspect(&[&file[..8], &file[header..]].concat()), Err(PictureError::Broken { .. })));

    // A few bytes for each row of pixels: what they unpack to is 8192 for each, and one for its filter.
    let extras_max = usize::try_from(inspect::PNG_EXTRAS_BYTES_MAX).expect("megabytes");
    for (rows, kept) in [(16, true), (extras_max / 8_193 + 1, false)] {
        let flat = image::GrayImage::new(8_192, u32::try_from(rows).expect("few"));
        let packed = samples::packed(&samples::file(flat.into(), Png));
        assert!(packed.len() < 300_000, "{}", packed.len());
        let file = samples::with_chunk(&file, b"iCCP", &[b"x\0\0", packed.as_slice()].concat());
        let decoded = codec::decode(&file, Png).expect("the pixels are still there");
        assert_eq!(decoded.profile.is_some(), kept, "{rows} rows");
    }
}

#[test]
fn files_over_the_limit_are_refused_by_their_length() {
    let refused = prepared(vec![0; BYTES_MAX + 1], Png);
    assert!(matches!(refused, Err(PictureError::TooLarge { .. })));
}

#[test]
fn animations_are_no_pictures() {
    let moving_png =
        samples::with_chunk(&samples::file(samples::opaque(8, 8), Png), b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
    for file in [samples::gif(2), samples::animated_webp(), moving_png] {
        assert!(matches!(prepared(file, Webp), Err(PictureError::Animated)));
    }
}

#[test]
fn clips_are_kept_as_they_are_and_nothing_else_becomes_one() {
    for (file, format) in [(samples::mp4(640, 360), Mp4), (samples::gif(3), Gif)] {
        let clip = prepared(file.clone(), format).expect("a clip");
        assert_eq!(clip.bytes, file);
        assert!(clip.width > 0 && clip.height > 0);
    }
    let png = samples::file(samples::opaque(8, 8), Png);
    for (file, wanted) in [(png.clone(), Mp4), (png, Gif), (samples::mp4(64, 64), Gif), (samples::mp4(64, 64), Png)] {
        assert!(matches!(prepared(file, wanted), Err(PictureError::NotConvertible { .. })), "{wanted}");
    }
}

#[test]
fn avif_is_taken_only_as_avif() {
    let avif = samples::file(samples::opaque(48, 32), Avif);
    let picture = prepared(avif.clone(), Avif).expect("a good picture");
    assert_eq!((picture.bytes, picture.width, picture.height), (avif.clone().into(), 48, 32));
    let refused = prepared(avif, Png);
    assert!(matches!(refused, Err(PictureError::NotConvertible { found: Avif, wanted: Png })));
}

#[test]
fn a_picture_that_a_format_cannot_express_is_an_error() {
    let file = samples::file(samples::opaque(16_400, 2), Png);
    assert!(matches!(prepared(file, Webp), Err(PictureError::Unencodable { wanted: Webp, .. })));
}

#[tokio::test]
async fn prepare_works_beside_the_runtime() {
    let file = Bytes::from(samples::file(samples::opaque(32, 32), Png));
    let picture = prepare(file, Jpg).await.expect("a good picture");
    assert_eq!(inspect(&picture.bytes).expect("a good picture").format, Jpg);
    assert!(matches!(prepare(Bytes::from_static(b"no"), Jpg).await, Err(PictureError::UnknownType)));
}
