//! What is kept of a picture that comes inside a request: the picture alone, once.

use std::io::Cursor;

use devstack::samples::{Sample, base64};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ImageEncoder, ImageFormat};

use super::{Door, TAKEN, clip, place, resize};

/// What a camera writes beside a picture; where it stood, say.
const SECRET: &[u8] = b"52.516272 N 13.377722 E";

/// EXIF with the secret in it, which also says: turn a quarter to the right, where that is wanted.
fn exif(turned: bool) -> Vec<u8> {
    let (orientation, offset) = (if turned { 6 } else { 1 }, 8 + 2 + 2 * 12 + 4);
    let secret_at = u32::try_from(offset).unwrap().to_le_bytes();
    let length = u32::try_from(SECRET.len()).unwrap().to_le_bytes();
    let tag = |id: u16, kind: u16, count: [u8; 4], value: [u8; 4]| {
        [&id.to_le_bytes()[..], &kind.to_le_bytes(), &count, &value].concat()
    };
    [
        &b"II*\0\x08\0\0\0\x02\0"[..],
        &tag(0x0112, 3, [1, 0, 0, 0], [orientation, 0, 0, 0]),
        &tag(0x010E, 2, length, secret_at),
        &[0; 4],
        SECRET,
    ]
    .concat()
}

/// The sample as a file that carries this EXIF.
fn told(image: &DynamicImage, format: ImageFormat, exif: Vec<u8>) -> Vec<u8> {
    fn write(image: &DynamicImage, mut encoder: impl ImageEncoder, exif: Vec<u8>) {
        encoder.set_exif_metadata(exif).unwrap();
        image.write_with_encoder(encoder).unwrap();
    }
    let mut file = Cursor::new(Vec::new());
    match format {
        ImageFormat::Png => write(image, PngEncoder::new(&mut file), exif),
        ImageFormat::Jpeg => write(image, JpegEncoder::new(&mut file), exif),
        _ => write(image, WebPEncoder::new_lossless(&mut file), exif),
    }
    file.into_inner()
}

fn holds(file: &[u8], part: &[u8]) -> bool {
    file.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn what_a_file_tells_beside_its_picture_is_not_kept() {
    let door = Door::open().await;
    let image = Sample::Mug.draw(48);
    for (format, ext, _) in TAKEN {
        let file = told(&image, format, exif(false));
        assert!(holds(&file, SECRET), "{ext}: the test is about something");
        door.accepted(resize(base64(&file))).await;
        let kept = door.object(&place(&door.user, &file, ext));
        assert!(!holds(&kept, SECRET) && !holds(&kept, b"II*\0"), "{ext}");
        let (sent, kept) = (image::load_from_memory(&file).unwrap(), image::load_from_memory(&kept).unwrap());
        assert_eq!(sent.as_bytes(), kept.as_bytes(), "{ext}: the same pixels");
    }
    door.close().await;
}

#[tokio::test]
async fn a_picture_that_was_taken_sideways_is_kept_upright() {
    let door = Door::open().await;
    let image = Sample::Mug.draw(48).crop_imm(0, 0, 48, 32);
    for (format, ext, _) in TAKEN {
        let file = told(&image, format, exif(true));
        door.accepted(resize(base64(&file))).await;
        let kept = door.object(&place(&door.user, &file, ext));
        assert!(!holds(&kept, SECRET), "{ext}");
        let kept = image::load_from_memory(&kept).unwrap();
        assert_eq!((kept.width(), kept.height()), (32, 48), "{ext}");
    }
    door.close().await;
}

#[tokio::test]
async fn what_hides_behind_the_end_of_a_picture_is_not_kept() {
    let door = Door::open().await;
    for (format, ext, _) in TAKEN {
        let clean = Sample::Mug.file(48, format);
        for tail in [&b"<html><script>alert(1)</script></html>"[..], b"PK\x03\x04 an archive", b"\x7fELF", &clean] {
            let file = [clean.as_slice(), tail].concat();
            door.accepted(resize(base64(&file))).await;
            assert_eq!(door.object(&place(&door.user, &file, ext)), clean, "{ext}");
        }
    }
    door.close().await;
}

#[tokio::test]
async fn a_repeat_uploads_nothing() {
    let door = Door::open().await;
    let (mug, bottle) = (Sample::Mug.file(64, ImageFormat::Png), Sample::Bottle.file(64, ImageFormat::Jpeg));
    door.accepted(clip(&[base64(&mug), base64(&mug), base64(&bottle)])).await;
    assert_eq!(door.uploads(), 2, "each of them once, though one is there twice");
    for _ in 0..3 {
        door.accepted(clip(&[base64(&bottle), base64(&mug)])).await;
        door.accepted(resize(base64(&mug))).await;
    }
    assert_eq!((door.uploads(), door.kept().len()), (2, 2));
    door.close().await;
}

#[tokio::test]
async fn the_same_file_of_another_user_is_another_object() {
    let door = Door::open().await;
    let other = door.stack.user().await;
    let file = Sample::Mug.file(64, ImageFormat::Png);
    door.accepted(resize(base64(&file))).await;
    let before = door.uploads();
    let id = other.generate(&resize(base64(&file)).build()).await.unwrap().expecting(202).generation_id();
    assert_eq!(door.uploads(), before + 1, "whether somebody else has it cannot be told from what is uploaded");
    assert_eq!(door.row(id).await["input_image"], place(&other, &file, "png"));
    let mut both = [place(&door.user, &file, "png"), place(&other, &file, "png")];
    both.sort_unstable();
    let mut kept = door.kept();
    kept.sort_unstable();
    assert_eq!(kept, both);
    door.close().await;
}

#[tokio::test]
async fn two_at_once_with_the_same_picture_are_both_taken() {
    let door = Door::open().await;
    let file = Sample::Mug.file(64, ImageFormat::Png);
    let request = resize(base64(&file)).build();
    let answers = futures::future::join_all((0..6).map(|_| door.user.generate(&request))).await;
    for answer in answers {
        assert_eq!(answer.unwrap().status, 202);
    }
    assert_eq!(door.kept(), [place(&door.user, &file, "png")]);
    assert_eq!(door.object(&place(&door.user, &file, "png")), file);
    door.close().await;
}
