use proptest::prelude::*;

use super::super::{PictureError, inspect, prepare_now, samples};
use super::*;
use crate::workflow::OutputFormat::{Avif, Gif, Jpg, Mp4, Png, Webp};

/// One small file of every format.
fn files() -> Vec<(OutputFormat, Vec<u8>)> {
    let image = samples::opaque(16, 12);
    let mut files: Vec<_> =
        [Png, Jpg, Webp, Avif].into_iter().map(|format| (format, samples::file(image.clone(), format))).collect();
    files.push((Gif, samples::gif(2)));
    files.push((Mp4, samples::mp4(16, 12)));
    files
}

#[test]
fn a_whole_file_passes_and_has_nothing_to_strip() {
    for (format, file) in files() {
        let survey = survey(format, &file).expect("a whole file");
        assert_eq!(
            survey,
            Survey { animated: format == Gif, stripped: None, rgb: matches!(format, Png | Jpg | Webp) },
            "{format}"
        );
    }
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    for (format, file) in files() {
        for length in 0..file.len() {
            let refused = prepare_now(&file[..length].to_vec().into(), format);
            assert!(refused.is_err(), "{format} cut to {length} of {}", file.len());
        }
    }
}

#[test]
fn what_follows_the_end_is_left_out() {
    for (format, mut file) in files().into_iter().take(3) {
        let clean = file.clone();
        file.extend_from_slice(b"PK\x03\x04 an archive, perhaps");
        assert_eq!(survey(format, &file).expect("a whole file").stripped, Some(clean), "{format}");
    }
}

#[test]
fn an_extended_webp_loses_its_metadata_and_the_flags_for_it() {
    let plain = samples::file(samples::opaque(16, 12), Webp);
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let length = u32::try_from(data.len()).expect("small");
        let padding = vec![0; data.len() % 2];
        [kind.as_slice(), &length.to_le_bytes(), data, &padding].concat()
    };
    let build = |flags: u8, metadata: &[u8]| {
        let extended = chunk(b"VP8X", &[flags, 0, 0, 0, 15, 0, 0, 11, 0, 0]);
        let body = [b"WEBP".as_slice(), &extended, &plain[12..], metadata].concat();
        chunk(b"RIFF", &body)
    };
    let file = build(0x0C, &[chunk(b"EXIF", b"a secret graph!"), chunk(b"XMP ", b"<x/>")].concat());
    assert_eq!(survey(Webp, &file).expect("a whole file").stripped, Some(build(0, &[])));
    assert_eq!(inspect(&file).expect("a picture").width, 16);
}

#[test]
fn bytes_between_the_scans_of_a_jpeg_are_read_as_they_are_meant() {
    let file = samples::file(samples::opaque(16, 12), Jpg);
    // Stuffed and restart bytes end no scan; a comment before the end does, and goes.
    let (scan, end) = file.split_at(file.len() - 2);
    let odd = [scan, &[0xFF, 0x00, 0xFF, 0xD3], end].concat();
    assert_eq!(survey(Jpg, &odd).map(|survey| survey.stripped), Ok(None));
    let commented = [scan, &[0xFF, 0xFE, 0, 4, b'h', b'i'], end].concat();
    assert_eq!(survey(Jpg, &commented).expect("a whole file").stripped, Some(file));
}

#[test]
fn boxes_that_lie_about_their_length_are_refused() {
    let file = samples::mp4(16, 12);
    for length in [0_u32, 1, 7, u32::MAX] {
        let mut lying = file.clone();
        let at = 32;
        assert_eq!(&lying[at + 4..at + 8], b"moov");
        lying[at..at + 4].copy_from_slice(&length.to_be_bytes());
        assert!(matches!(prepare_now(&lying.into(), Mp4), Err(PictureError::Broken { .. })), "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever a stranger sends is judged, quickly, and never panics here.
    #[test]
    fn damaged_files_never_panic_the_walk(which in 0_usize..6, at in any::<prop::sample::Index>(), byte: u8, junk: Vec<u8>) {
        let (format, mut file) = FILES.with(|files| files[which].clone());
        let at = at.index(file.len());
        file[at] = byte;
        let _ = survey(format, &file);
        let _ = inspect(&file);
        file.truncate(at);
        file.extend(junk);
        let _ = survey(format, &file);
        let _ = inspect(&file);
    }
}

thread_local! {
    static FILES: Vec<(OutputFormat, Vec<u8>)> = files();
}
