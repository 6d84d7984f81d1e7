//! What is taken from customers and what is not.

mod fit;

use devstack::attack::{self, Target};
use image::{DynamicImage, ExtendedColorType, ImageEncoder, Luma};

use super::*;
use crate::images::picture::samples;
use crate::workflow::OutputFormat::{Avif, Gif, Jpg, Mp4, Png, Webp};

const TAKEN: [OutputFormat; 3] = [Png, Jpg, Webp];

fn checked(file: impl Into<Bytes>) -> Result<InputPicture, InputError> {
    check_now(&file.into())
}

fn damaged(result: Result<InputPicture, InputError>) -> bool {
    matches!(result, Err(InputError::Damaged { .. }))
}

#[test]
fn a_good_picture_is_taken_as_it_is() {
    for format in TAKEN {
        let file = samples::file(samples::opaque(48, 32), format);
        assert_eq!(inspect_input(&file), Ok(Inspected { format, width: 48, height: 32 }));
        let picture = checked(file.clone()).expect("a good picture");
        assert_eq!(picture, InputPicture { bytes: file.into(), format, width: 48, height: 32 });
    }
    let file = samples::lossless_webp(&samples::transparent(16, 16));
    assert_eq!(checked(file.clone()).expect("a good picture").bytes, file);
}

#[test]
fn everything_taken_becomes_rgb_or_rgba_of_eight_bits() {
    let (plain, clear) = (samples::opaque(48, 32), samples::transparent(48, 32));
    let kinds: [(DynamicImage, u8); 6] = [
        (plain.to_luma8().into(), 2),
        (plain.to_luma16().into(), 2),
        (clear.to_luma_alpha8().into(), 6),
        (clear.to_luma_alpha16().into(), 6),
        (plain.to_rgb16().into(), 2),
        (clear.to_rgba16().into(), 6),
    ];
    for (image, colours) in kinds {
        let taken = checked(samples::file(image.clone(), Png)).expect("a good picture");
        assert_eq!(taken.bytes[24..26], [8, colours], "{:?}", image.color());
        let sent = codec::decode(&taken.bytes, Png).expect("decodes").image;
        assert!(apart(&image, &sent) < 2, "{:?}", image.color());
        assert_eq!(checked(taken.bytes.clone()), Ok(taken), "{:?}: checked again, it stays", image.color());
    }
    // Two colours, of which one is transparent in the second file: by a palette and by a key.
    for (colours, chunks, sent) in [
        (3, vec![(b"PLTE", vec![255, 0, 0, 0, 0, 255])], 2),
        (3, vec![(b"PLTE", vec![255, 0, 0, 0, 0, 255]), (b"tRNS", vec![0])], 6),
        (0, vec![], 2),
        (0, vec![(b"tRNS", vec![0, 1])], 6),
    ] {
        let taken = checked(samples::bits_png(colours, &chunks)).expect("a good picture");
        assert_eq!(taken.bytes[24..26], [8, sent], "{colours} {chunks:?}");
    }
    let grey = checked(samples::file(plain.to_luma8().into(), Webp)).expect("a good picture");
    assert_eq!(grey.format, Webp);
    let mut file = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut file)
        .write_image(plain.to_luma8().as_raw(), 48, 32, ExtendedColorType::L8)
        .expect("encodes");
    let taken = checked(file).expect("a good picture");
    assert!(container::survey(Jpg, &taken.bytes).expect("whole").rgb);
}

#[test]
fn a_slope_of_sixteen_bit_grey_stays_a_slope() {
    let slope = image::ImageBuffer::from_fn(256, 4, |x, _| Luma([u16::try_from(x * 257).expect("16 bits")]));
    let taken = checked(samples::file(DynamicImage::ImageLuma16(slope), Png)).expect("a good picture");
    let sent = codec::decode(&taken.bytes, Png).expect("decodes").image.into_rgb8();
    assert!(sent.enumerate_pixels().all(|(x, _, pixel)| pixel.0.iter().all(|channel| u32::from(*channel) == x)));
}

#[test]
fn a_picture_that_grows_beyond_the_limit_as_rgb_is_made_smaller_instead_of_refused() {
    let mut state = 1_u32;
    let noise = image::GrayImage::from_fn(600, 400, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Luma([state.to_be_bytes()[0]])
    });
    let file = Bytes::from(samples::file(noise.into(), Png));
    let bytes_max = file.len();
    let grown = check_within(&file, usize::MAX).expect("a good picture");
    assert!(grown.bytes.len() > bytes_max, "{} of {bytes_max} bytes: it does not grow", grown.bytes.len());
    let taken = check_within(&file, bytes_max).expect("made smaller");
    assert!(taken.format == Jpg && taken.bytes.len() <= bytes_max, "{} {}", taken.format, taken.bytes.len());
    assert_eq!(checked(taken.bytes.clone()), Ok(taken));
}

#[test]
fn other_kinds_of_files_are_named_even_if_they_are_damaged() {
    let avif = samples::file(samples::opaque(16, 16), Avif);
    for (file, found) in [(samples::gif(1), Gif), (avif, Avif), (samples::mp4(64, 64), Mp4)] {
        let refused = Some(InputError::Unsupported { found });
        assert_eq!(inspect_input(&file).err(), refused);
        assert_eq!(inspect_input(&file[..32]).err(), refused);
        assert_eq!(checked(file).err(), refused);
    }
    assert_eq!(InputError::Unsupported { found: Gif }.to_string(), "gif files are not taken, only PNG, JPEG and WebP");
}

#[test]
fn what_is_no_picture_is_unknown_whatever_it_calls_itself() {
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let heic = "\0\0\0\u{18}ftypheic\0\0\0\0mif1heic";
    for text in ["", svg, "<?xml version=\"1.0\"?><svg/>", "<!doctype html>", "%PDF-1.7", "BM", "PK\u{3}\u{4}", heic] {
        let seen = format!("{:?}", checked(text.as_bytes().to_vec()).err());
        let attack = format!("a picture that is {:?}", text.chars().take(24).collect::<String>());
        attack::is_met(Target::Content, attack, "Some(Unknown)", seen);
    }
}

#[test]
fn a_picture_cut_off_anywhere_is_refused() {
    for format in TAKEN {
        let file = samples::file(samples::opaque(24, 16), format);
        for length in 0..file.len() {
            assert!(checked(file[..length].to_vec()).is_err(), "{format} cut to {length} of {}", file.len());
        }
    }
}

#[test]
fn a_picture_with_a_hole_is_refused() {
    let png = samples::file(samples::opaque(64, 64), Png);
    let mut flipped = png.clone();
    flipped[png.len() / 2] ^= 0x10;
    assert!(damaged(checked(flipped)), "a checksum that is wrong");
    assert!(damaged(checked(samples::hollow_png(64, 64))), "no pixels behind the header");

    // Half of the data, in a frame that says it is whole.
    let webp = samples::file(samples::opaque(64, 64), Webp);
    let half = webp.len() / 4 * 2;
    let mut cut = webp[..half].to_vec();
    cut[4..8].copy_from_slice(&u32::try_from(half - 8).expect("small").to_le_bytes());
    cut[16..20].copy_from_slice(&u32::try_from(half - 20).expect("small").to_le_bytes());
    assert!(damaged(checked(cut)));
}

#[test]
fn vast_pictures_are_refused_by_their_header() {
    for (width, height) in [(60_000, 60_000), (8_192, 8_193), (1, 70_000_000)] {
        let refused = checked(samples::hollow_png(width, height));
        let seen = if matches!(refused, Err(InputError::TooLarge { .. })) { "too large" } else { "taken" };
        attack::is_met(Target::Content, format!("a small PNG that claims {width} x {height}"), "too large", seen);
    }
    let refused = inspect_input(&vec![0; INPUT_BYTES_MAX + 1]);
    assert!(matches!(refused, Err(InputError::TooLarge { .. })), "{refused:?}");
}

#[test]
fn an_animation_is_no_picture() {
    let still = samples::file(samples::opaque(8, 8), Png);
    let moving = samples::with_chunk(&still, b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
    for file in [moving, samples::animated_webp()] {
        assert_eq!(checked(file), Err(InputError::Animated));
    }
}

#[test]
fn what_hides_behind_the_end_does_not_come_along() {
    for format in TAKEN {
        let clean = samples::file(samples::opaque(24, 16), format);
        for tail in [b"PK\x03\x04 an archive PK\x05\x06".as_slice(), b"<html><script>alert(1)</script></html>", b"\0"] {
            let taken = checked([clean.as_slice(), tail].concat()).expect("a good picture");
            let seen = if taken.bytes == clean { "left behind" } else { "came along" };
            let attack =
                format!("a {format} with {:?} behind its end", String::from_utf8_lossy(&tail[..tail.len().min(6)]));
            attack::is_met(Target::Content, attack, "left behind", seen);
        }
        let two = checked([clean.as_slice(), &clean].concat()).expect("a good picture");
        assert_eq!(two.bytes, clean, "{format}");
    }
}

#[test]
fn what_the_file_tells_beside_the_picture_does_not_come_along() {
    let clean = samples::file(samples::opaque(24, 16), Png);
    for kind in [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"prVt"] {
        let file = samples::with_chunk(&clean, kind, b"52.5 N 13.4 E");
        assert_eq!(checked(file).expect("a good picture").bytes, clean);
    }
    let clean = samples::file(samples::opaque(24, 16), Jpg);
    for (marker, data) in [
        (0xE1, b"Exif\0\0II*\0 52.5 N 13.4 E".as_slice()),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
        (0xE2, b"MPF\0another picture behind this one"),
        (0xED, b"Photoshop 3.0\0"),
        (0xE0, b"a note that calls itself JFIF's"),
        (0xEE, b"a note that calls itself Adobe's"),
        (0xFE, b"a comment"),
    ] {
        let file = samples::with_segment(&clean, marker, data);
        assert_eq!(checked(file).expect("a good picture").bytes, clean, "{marker:X}");
    }
}

#[test]
fn a_turned_picture_is_set_upright_and_keeps_its_colours_meaning() {
    let original = samples::opaque(48, 32);
    let file = samples::with_segment(&samples::file(original.clone(), Jpg), 0xE1, &samples::quarter_turn());
    let file = samples::with_segment(&file, 0xE2, &[b"ICC_PROFILE\0\x01\x01", profile(b"RGB ").as_slice()].concat());
    let taken = checked(file).expect("a good picture");
    assert_eq!((taken.format, taken.width, taken.height), (Jpg, 32, 48));
    assert!(!contains(&taken.bytes, b"Exif"));
    let decoded = codec::decode(&taken.bytes, Jpg).expect("decodes");
    assert!(!decoded.turned);
    assert_eq!(decoded.profile, Some(profile(b"RGB ")));
    assert!(apart(&original.rotate90(), &decoded.image) < 12);
    // What was checked once stays as it is.
    assert_eq!(checked(taken.bytes.clone()), Ok(taken));
}

#[test]
fn a_profile_for_ink_is_not_put_on_colours_of_light() {
    for (colours, kept) in [(b"RGB ", true), (b"CMYK", false), (b"GRAY", false)] {
        for format in [Png, Jpg] {
            let file = encode::encode(&samples::opaque(16, 16), format, Some(&profile(colours))).expect("encodes");
            let decoded = codec::decode(&file, format).expect("decodes");
            assert_eq!(decoded.profile.is_some(), kept, "{format}");
        }
    }
}

#[tokio::test]
async fn checking_works_beside_the_runtime() {
    let file = Bytes::from(samples::file(samples::opaque(32, 32), Png));
    assert_eq!(check_input(file.clone()).await.map(|picture| picture.bytes), Ok(file));
    assert_eq!(check_input(Bytes::from_static(b"no")).await, Err(InputError::Unknown));
}

/// The header of a profile for such colours.
fn profile(colours: &[u8; 4]) -> Vec<u8> {
    let mut profile = vec![0; 128];
    profile[16..20].copy_from_slice(colours);
    profile
}

fn contains(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

/// How far the colours of two pictures are apart, of 255.
pub(super) fn apart(one: &DynamicImage, other: &DynamicImage) -> u64 {
    assert_eq!((one.width(), one.height()), (other.width(), other.height()));
    let (one, other) = (one.to_rgb8(), other.to_rgb8());
    let sum: u64 = one.iter().zip(other.iter()).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
    sum / one.len() as u64
}
