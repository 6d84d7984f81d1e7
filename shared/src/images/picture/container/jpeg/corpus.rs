//! Kinds of JPEG, decoded by the decoder in use and by a second, independent one.
//!
//! Every kind is either decoded alike by both or refused.

use jpeg_decoder::PixelFormat;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::super::super::{codec, samples};
use super::*;
use crate::workflow::OutputFormat::Jpg;

/// The decoders differ in how they interpolate colours and round, of 255.
const MEAN_MAX: f64 = 3.0;
const SIZES: [(u16, u16); 6] = [(1, 1), (7, 9), (17, 33), (64, 48), (95, 31), (130, 67)];
const SAMPLINGS: [SamplingFactor; 8] = [
    SamplingFactor::F_1_1,
    SamplingFactor::F_2_1,
    SamplingFactor::F_1_2,
    SamplingFactor::F_2_2,
    SamplingFactor::F_4_1,
    SamplingFactor::F_4_2,
    SamplingFactor::F_1_4,
    SamplingFactor::F_2_4,
];

/// How a kind ends.
#[derive(Debug, PartialEq)]
enum End {
    Refused,
    Equal,
    Different { mean: f64 },
}

/// A file of smooth colours, by an encoder that is set to one kind.
fn written((width, height): (u16, u16), color: ColorType, set: impl Fn(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let picture = samples::smooth(u32::from(width), u32::from(height));
    let pixels: Vec<u8> = match color {
        ColorType::Luma => picture.pixels().map(|pixel| pixel.0[0]).collect(),
        ColorType::Rgb => picture.into_raw(),
        _ => picture.pixels().flat_map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2], pixel.0[1] / 2]).collect(),
    };
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    set(&mut encoder);
    encoder.encode(&pixels, width, height, color).expect("encodes");
    file
}

fn second(file: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = jpeg_decoder::Decoder::new(file);
    let pixels = decoder.decode().ok()?;
    match decoder.info()?.pixel_format {
        PixelFormat::RGB24 => Some(pixels),
        PixelFormat::L8 => Some(pixels.iter().flat_map(|grey| [*grey; 3]).collect()),
        PixelFormat::CMYK32 => Some(pixels.chunks_exact(4).flat_map(over_black).collect()),
        PixelFormat::L16 => None,
    }
}

fn over_black(ink: &[u8]) -> [u8; 3] {
    let mixed = |at: usize| (255 - u16::from(ink[at])) * (255 - u16::from(ink[3])) / 255;
    [mixed(0), mixed(1), mixed(2)].map(|channel| u8::try_from(channel).expect("a mean of two bytes"))
}

fn end(file: &[u8]) -> End {
    if survey(file).is_err() {
        return End::Refused;
    }
    let Ok(decoded) = codec::decode(file, Jpg) else { return End::Refused };
    let ours = decoded.image.into_rgb8().into_raw();
    let Some(theirs) = second(file) else { return End::Different { mean: 255.0 } };
    if ours.len() != theirs.len() {
        return End::Different { mean: 255.0 };
    }
    let apart: u64 = ours.iter().zip(&theirs).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
    #[expect(clippy::cast_precision_loss, reason = "small pictures")]
    let mean = apart as f64 / ours.len() as f64;
    if mean <= MEAN_MAX { End::Equal } else { End::Different { mean } }
}

/// Where the frame's marker stands.
fn frame_at(file: &[u8]) -> usize {
    file.windows(2).position(|pair| pair[0] == 0xFF && matches!(pair[1], 0xC0..=0xC2)).expect("a frame")
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for size in SIZES {
        for sampling in SAMPLINGS {
            for progressive in [false, true] {
                for restart in [0, 1, 5] {
                    for optimised in [false, restart == 0] {
                        let file = written(size, ColorType::Rgb, |encoder| {
                            encoder.set_sampling_factor(sampling);
                            encoder.set_progressive(progressive);
                            encoder.set_restart_interval(restart);
                            encoder.set_optimized_huffman_tables(optimised);
                        });
                        let kind =
                            format!("{sampling:?} progressive {progressive} restart {restart} optimised {optimised}");
                        files.push((format!("{kind} {size:?}"), file));
                    }
                }
            }
        }
        for progressive in [false, true] {
            let grey = written(size, ColorType::Luma, |encoder| encoder.set_progressive(progressive));
            for sampling in [0x11, 0x12, 0x21, 0x22, 0x41, 0x14, 0x44, 0x31] {
                let mut file = grey.clone();
                let at = frame_at(&file) + 11;
                file[at] = sampling;
                files.push((format!("grey {sampling:x} progressive {progressive} {size:?}"), file));
            }
            for color in [ColorType::Cmyk, ColorType::CmykAsYcck] {
                for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_2] {
                    let file = written(size, color, |encoder| {
                        encoder.set_progressive(progressive);
                        encoder.set_sampling_factor(sampling);
                    });
                    files.push((format!("{color:?} {sampling:?} progressive {progressive} {size:?}"), file));
                }
            }
        }
        let plain = written(size, ColorType::Rgb, |encoder| encoder.set_sampling_factor(SamplingFactor::F_1_1));
        for transform in 0..=2 {
            let adobe = [b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat();
            files.push((format!("Adobe {transform} {size:?}"), samples::with_segment(&plain, 0xEE, &adobe)));
        }
    }
    files
}

#[test]
fn every_kind_is_decoded_like_a_second_decoder_does_or_refused() {
    let ends: Vec<_> = corpus().into_iter().map(|(kind, file)| (end(&file), kind)).collect();
    let wrong: Vec<_> = ends.iter().filter(|(end, _)| matches!(end, End::Different { .. })).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), ends.len());
    let equal = ends.iter().filter(|(end, _)| *end == End::Equal).count();
    assert!(equal * 3 > ends.len(), "only {equal} of {} are decoded", ends.len());
}

#[test]
fn what_cameras_and_browsers_write_is_not_refused() {
    for size in SIZES {
        for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2] {
            for progressive in [false, true] {
                let file = written(size, ColorType::Rgb, |encoder| {
                    encoder.set_sampling_factor(sampling);
                    encoder.set_progressive(progressive);
                });
                assert_eq!(end(&file), End::Equal, "{sampling:?} progressive {progressive} {size:?}");
            }
        }
        assert_eq!(end(&written(size, ColorType::Luma, |_| ())), End::Equal, "grey {size:?}");
    }
}

#[test]
fn frames_of_other_kinds_are_refused() {
    let plain = written((17, 33), ColorType::Rgb, |_| ());
    let frame = frame_at(&plain);
    for (at, byte) in [(1, 0xC3), (1, 0xC5), (1, 0xC9), (1, 0xCA), (1, 0xCB), (4, 12), (4, 16), (11, 0x31), (14, 0x22)]
    {
        let mut file = plain.clone();
        file[frame + at] = byte;
        assert_eq!(end(&file), End::Refused, "{byte:x} at {at}");
    }
    let mut flat = plain.clone();
    flat[frame + 5..frame + 7].fill(0);
    assert!(survey(&flat).is_err(), "no height");
    assert!(survey(&samples::with_segment(&plain, 0xDC, &[0, 33])).is_err(), "a height behind the pixels");
}
