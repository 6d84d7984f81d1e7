//! What becomes of pictures that are too large to be sent together.

use image::{DynamicImage, GenericImageView, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;

use super::super::fit::{fit_now, fits, share};
use super::super::{InputError, InputPicture, fit_inputs};
use super::apart;
use crate::images::picture::{codec, samples};
use crate::workflow::OutputFormat::{Jpg, Png, Webp};

/// As customers send it, without the cost of encoding it well.
fn png(image: DynamicImage) -> InputPicture {
    let (width, height) = (image.width(), image.height());
    InputPicture { bytes: samples::file(image, Png).into(), format: Png, width, height }
}

/// What no encoder makes small.
fn noise(width: u32, height: u32) -> InputPicture {
    let mut random = random();
    png(RgbImage::from_fn(width, height, |_, _| Rgb([random(), random(), random()])).into())
}

/// The same bytes each time.
fn random() -> impl FnMut() -> u8 {
    let mut state = 1_u32;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    }
}

fn decoded(picture: &InputPicture) -> DynamicImage {
    let image = codec::decode(&picture.bytes, picture.format).expect("decodes").image;
    assert_eq!(image.dimensions(), (picture.width, picture.height));
    image
}

fn bytes(pictures: &[InputPicture]) -> usize {
    pictures.iter().map(|picture| picture.bytes.len()).sum()
}

#[tokio::test]
async fn pictures_that_fit_stay_as_they_are() {
    let pictures = vec![png(samples::opaque(64, 48)), png(samples::transparent(32, 32))];
    let exactly = bytes(&pictures);
    assert_eq!(fit_inputs(pictures.clone(), exactly).await, Ok(pictures.clone()));
    assert_ne!(fit_inputs(pictures.clone(), exactly - 1).await, Ok(pictures));
    assert_eq!(fit_inputs(Vec::new(), 0).await, Ok(Vec::new()));
}

#[test]
fn the_largest_comes_down_and_the_others_and_the_order_stay() {
    let (small, large) = (png(samples::opaque(64, 48)), png(samples::opaque(800, 600)));
    let pictures = vec![small.clone(), large.clone(), small.clone()];
    let bytes_max = bytes(&pictures) - large.bytes.len() / 2;
    let fitted = fit_now(pictures, bytes_max).expect("fits");
    assert!(bytes(&fitted) <= bytes_max);
    assert_eq!((&fitted[0], &fitted[2]), (&small, &small));
    // Encoding it otherwise was enough: its size is as it was.
    assert_eq!((fitted[1].format, fitted[1].width, fitted[1].height), (Jpg, 800, 600));
    assert!(apart(&decoded(&large), &decoded(&fitted[1])) < 8);
}

#[test]
fn a_picture_is_scaled_only_as_far_as_it_must() {
    let large = noise(750, 500);
    let full = fit_now(vec![large.clone()], large.bytes.len() - 1).expect("fits").remove(0);
    assert_eq!(full.width, 750);
    let bytes_max = full.bytes.len() / 4 * 3;
    let fitted = fit_now(vec![large], bytes_max).expect("fits").remove(0);
    assert!(fitted.bytes.len() <= bytes_max && fitted.bytes.len() > bytes_max / 4 * 3, "{}", fitted.bytes.len());
    assert!(fitted.width < 750 && fitted.width > 550, "{}", fitted.width);
    assert!((fitted.width * 2).abs_diff(fitted.height * 3) <= 3, "{} x {}", fitted.width, fitted.height);
    decoded(&fitted);
}

#[test]
fn what_shows_through_still_does_and_hidden_colours_stay_hidden() {
    // A reddish disc on nothing, which is black.
    let mut random = random();
    let disc = RgbaImage::from_fn(700, 700, |x, y| {
        let within = x.abs_diff(350).pow(2) + y.abs_diff(350).pow(2) < 300 * 300;
        if within { Rgba([250, random() / 2, 20, 255]) } else { Rgba([0, 0, 0, 0]) }
    });
    let picture = png(disc.into());
    let full = fit_now(vec![picture.clone()], picture.bytes.len() - 1).expect("fits").remove(0);
    let fitted = fit_now(vec![picture], full.bytes.len() / 4 * 3).expect("fits").remove(0);
    assert_eq!(fitted.format, Webp);
    assert!(fitted.width < 700);
    let image = decoded(&fitted).to_rgba8();
    assert_eq!(image.get_pixel(0, 0).0[3], 0);
    assert_eq!(image.get_pixel(image.width() / 2, image.height() / 2).0[3], 255);
    let edge: Vec<_> = image.pixels().filter(|pixel| (60..200).contains(&pixel.0[3])).collect();
    assert!(edge.len() > 100, "{}", edge.len());
    for pixel in edge {
        assert!(pixel.0[0] > 150, "{pixel:?}");
    }
}

#[test]
fn a_channel_of_opacity_that_hides_nothing_is_left_out() {
    let picture = png(DynamicImage::ImageRgba8(samples::opaque(400, 300).into_rgba8()));
    let fitted = fit_now(vec![picture.clone()], picture.bytes.len() - 1).expect("fits");
    assert_eq!(fitted[0].format, Jpg);
}

#[test]
fn nothing_is_made_unrecognisable() {
    for picture in [noise(512, 512), noise(520, 200), noise(40, 30)] {
        let refused = fit_now(vec![picture], 500);
        assert!(matches!(refused, Err(InputError::TooLarge { .. })), "{refused:?}");
    }
    // As small as may be, but no smaller.
    let tall = fit_now(vec![noise(50, 1_000)], 20_000).expect("fits").remove(0);
    assert!(tall.height >= 512 && tall.width < 50, "{} x {}", tall.width, tall.height);
}

#[test]
fn a_side_that_no_other_format_can_express_is_scaled_at_once() {
    let long = noise(20_000, 4);
    let fitted = fit_now(vec![long.clone()], long.bytes.len() - 1).expect("fits").remove(0);
    assert!(fitted.width <= 16_383, "{}", fitted.width);
}

#[test]
fn large_pictures_share_what_there_is() {
    let pictures: Vec<_> = [530, 550, 570].map(|side| noise(side, side)).into();
    let bytes_max = bytes(&pictures) / 3 * 2;
    let fitted = fit_now(pictures.clone(), bytes_max).expect("fits");
    assert!(fits(&fitted, bytes_max));
    for (before, after) in pictures.iter().zip(&fitted) {
        assert!(after.width <= before.width && after.bytes.len() <= before.bytes.len());
    }
}

proptest! {
    /// Whoever has more than the share comes down to it, and then all fit.
    #[test]
    fn those_above_their_share_can_make_room(sizes in prop::collection::vec(0_usize..10_000, 1..9), bytes_max in 0_usize..50_000) {
        let pictures: Vec<_> = sizes
            .iter()
            .map(|size| InputPicture { bytes: vec![0; *size].into(), format: Png, width: 1, height: 1 })
            .collect();
        prop_assume!(!fits(&pictures, bytes_max));
        let share = share(&pictures, bytes_max);
        prop_assert!(sizes.iter().map(|size| size.min(&share)).sum::<usize>() <= bytes_max);
        prop_assert!(sizes.iter().any(|size| *size > share));
    }
}
