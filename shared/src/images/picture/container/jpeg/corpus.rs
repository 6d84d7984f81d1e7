//! Kinds of JPEG, decoded by the decoder in use and by a second, independent one.
//!
//! Every kind is either decoded alike by both or refused, and the test says which of the two.

use jpeg_decoder::PixelFormat;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::super::super::{PictureError, codec, inspect, samples};
use super::*;
use crate::workflow::OutputFormat::Jpg;

/// How far one channel of one pixel may be apart where colours are not subsampled: the decoders round differently.
const MOST_MAX: u8 = 4;
/// How far pixels may be apart on average where colours are subsampled: the decoders interpolate differently.
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
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// With its reason, before anything is decoded.
    Refused,
    /// The headers were taken and the decoder failed.
    Undecoded,
    /// By how much the two decoders are apart.
    Decoded { most: u8, mean: f64 },
}

/// How a kind has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Refused,
    /// Every pixel is the same but for rounding.
    Equal,
    /// Subsampled colours: the same on average.
    Similar,
}

impl Expected {
    fn is(self, end: End) -> bool {
        match (self, end) {
            (Self::Refused, End::Refused) => true,
            (Self::Equal, End::Decoded { most, .. }) => most <= MOST_MAX,
            (Self::Similar, End::Decoded { mean, .. }) => mean <= MEAN_MAX,
            _ => false,
        }
    }
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
    if unsupported(file).is_some() || survey(file).is_err() {
        return End::Refused;
    }
    let Ok(decoded) = codec::decode(file, Jpg) else { return End::Undecoded };
    let ours = decoded.image.into_rgb8().into_raw();
    let theirs = second(file).unwrap_or_default();
    if ours.len() != theirs.len() {
        return End::Decoded { most: u8::MAX, mean: 255.0 };
    }
    let apart = || ours.iter().zip(&theirs).map(|(one, other)| one.abs_diff(*other));
    #[expect(clippy::cast_precision_loss, reason = "small pictures")]
    let mean = apart().map(u64::from).sum::<u64>() as f64 / ours.len() as f64;
    End::Decoded { most: apart().max().unwrap_or_default(), mean }
}

/// Where the frame's marker stands.
fn frame_at(file: &[u8]) -> usize {
    file.windows(2).position(|pair| pair[0] == 0xFF && matches!(pair[1], 0xC0..=0xC2)).expect("a frame")
}

/// Of files in colour: the encoder writes one scan for each component where `interleaved` is not set.
fn expected(sampling: SamplingFactor, interleaved: bool) -> Expected {
    match sampling {
        _ if !interleaved => Expected::Refused,
        SamplingFactor::F_1_1 => Expected::Equal,
        SamplingFactor::F_2_1 | SamplingFactor::F_1_2 | SamplingFactor::F_2_2 | SamplingFactor::F_4_1 => {
            Expected::Similar
        }
        _ => Expected::Refused,
    }
}

fn corpus() -> Vec<(Expected, String, Vec<u8>)> {
    let mut files = Vec::new();
    for size in SIZES {
        for sampling in SAMPLINGS {
            for progressive in [false, true] {
                for (restart, optimised) in [(0, false), (1, false), (5, false), (0, true)] {
                    let file = written(size, ColorType::Rgb, |encoder| {
                        encoder.set_sampling_factor(sampling);
                        encoder.set_progressive(progressive);
                        encoder.set_restart_interval(restart);
                        encoder.set_optimized_huffman_tables(optimised);
                    });
                    let kind =
                        format!("{sampling:?} progressive {progressive} restart {restart} optimised {optimised}");
                    // Of the sequential files, those with tables of their own and those of 4:1:1 get several scans.
                    let interleaved = progressive || !optimised && sampling != SamplingFactor::F_4_1;
                    files.push((expected(sampling, interleaved), format!("{kind} {size:?}"), file));
                }
            }
        }
        for progressive in [false, true] {
            let grey = written(size, ColorType::Luma, |encoder| {
                encoder.set_progressive(progressive);
            });
            for (sampling, expected) in [
                (0x11, Expected::Equal),
                (0x12, Expected::Equal),
                (0x21, Expected::Equal),
                (0x22, Expected::Equal),
                (0x41, Expected::Equal),
                (0x14, Expected::Refused),
                (0x44, Expected::Refused),
                (0x31, Expected::Refused),
            ] {
                let mut file = grey.clone();
                let at = frame_at(&file) + 11;
                file[at] = sampling;
                files.push((expected, format!("grey {sampling:x} progressive {progressive} {size:?}"), file));
            }
            for color in [ColorType::Cmyk, ColorType::CmykAsYcck] {
                for (sampling, expected) in
                    [(SamplingFactor::F_1_1, Expected::Equal), (SamplingFactor::F_2_2, Expected::Refused)]
                {
                    let file = written(size, color, |encoder| {
                        encoder.set_progressive(progressive);
                        encoder.set_sampling_factor(sampling);
                    });
                    files.push((expected, format!("{color:?} {sampling:?} progressive {progressive} {size:?}"), file));
                }
            }
        }
        let plain = written(size, ColorType::Rgb, |encoder| encoder.set_sampling_factor(SamplingFactor::F_1_1));
        for (transform, expected) in [(0, Expected::Refused), (1, Expected::Equal)] {
            let adobe = [b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat();
            files.push((expected, format!("Adobe {transform} {size:?}"), samples::with_segment(&plain, 0xEE, &adobe)));
        }
    }
    files
}

#[test]
fn every_kind_is_decoded_like_a_second_decoder_does_or_refused() {
    let ends: Vec<_> = corpus().into_iter().map(|(expected, kind, file)| (expected, kind, end(&file))).collect();
    let wrong: Vec<_> = ends.iter().filter(|(expected, _, end)| !expected.is(*end)).collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), ends.len());
}

#[test]
fn frames_of_other_kinds_are_refused() {
    let plain = written((17, 33), ColorType::Rgb, |_| ());
    let frame = frame_at(&plain);
    for (at, byte) in [(1, 0xC3), (1, 0xC5), (1, 0xC9), (1, 0xCA), (1, 0xCB), (4, 12), (4, 16), (11, 0x31), (14, 0x22)]
    {
        let mut file = plain.clone();
        file[frame + at] = byte;
        assert!(unsupported(&file).is_some(), "{byte:x} at {at}");
        assert!(matches!(inspect(&file), Err(PictureError::UnsupportedJpeg { .. })), "{byte:x} at {at}");
    }
    let mut flat = plain.clone();
    flat[frame + 5..frame + 7].fill(0);
    assert!(unsupported(&flat).is_some(), "no height");
    assert!(survey(&samples::with_segment(&plain, 0xDC, &[0, 33])).is_err(), "a height behind the pixels");
}
