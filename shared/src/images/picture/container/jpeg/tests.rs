//! JPEG files as another encoder (libjpeg) writes them, whole and with parts missing. All show 17 x 33 pixels.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::super::{PictureError, prepare_now, samples};
use super::*;
use crate::workflow::OutputFormat::Jpg;

/// Colours at half the size, a restart behind every unit.
const RESTARTS: &str = "\
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACAWGBwYFCAcGhwkIiAmMFA0MCwsMGJGSjpQdGZ6eHJmcG6AkLicgIiuim5woNqirr7E\
    ztDOfJri8uDI8LjKzsb/2wBDASIkJDAqMF40NF7GhHCExsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbG\
    xsbGxsbGxsb/wAARCAAhABEDASIAAhEBAxEB/8QAGAABAQEBAQAAAAAAAAAAAAAAAAQDBQL/xAAhEAABAwIHAQAAAAAAAAAAAAAA\
    AQIDQVEREhMhIjFxkf/EABgBAAMBAQAAAAAAAAAAAAAAAAIDBAUB/8QAHhEAAgAHAQEAAAAAAAAAAAAAAAECAxESIVGhQXH/3QAE\
    AAH/2gAMAwEAAhEDEQA/AORFHiVRxJUQs2xKY2VUJJUqx0iM/9DDTaCnItkB3GuGref/0comcUS5VGyvw8xM2TwqjYA4sCpEZ//S\
    p02gpyLZAT41wqvP/9OiLpPCmLpPACZ+fCSQf//U6YAMQcf/2Q==";

/// Ten scans, colours at half the width.
const PROGRESSIVE: &str = "\
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACAWGBwYFCAcGhwkIiAmMFA0MCwsMGJGSjpQdGZ6eHJmcG6AkLicgIiuim5woNqirr7E\
    ztDOfJri8uDI8LjKzsb/2wBDASIkJDAqMF40NF7GhHCExsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbG\
    xsbGxsbGxsb/wgARCAAhABEDASEAAhEBAxEB/8QAGAAAAwEBAAAAAAAAAAAAAAAAAAIDAQT/xAAYAQEBAQEBAAAAAAAAAAAAAAAE\
    AQIDAP/aAAwDAQACEAMQAAAB463o5EJWkciJ1hGMIStK5nvKnjaGT//EABcQAQEBAQAAAAAAAAAAAAAAAAEAEBH/2gAIAQEAAQUC\
    CC5EYRciMIz/xAAYEQADAQEAAAAAAAAAAAAAAAAAAhEBEP/aAAgBAwEBPwFNKJvEKIUTn//EABoRAAEFAQAAAAAAAAAAAAAAAAAB\
    AhARIUH/2gAIAQIBAT8BRLKacNimxs//xAAUEAEAAAAAAAAAAAAAAAAAAAAw/9oACAEBAAY/An//xAAZEAEBAQADAAAAAAAAAAAA\
    AAAAAREQICH/2gAIAQEAAT8h4DCUMR4hhCGdD//aAAwDAQACAAMAAAAQ3rD9437/xAAXEQADAQAAAAAAAAAAAAAAAAAAAREQ/9oA\
    CAEDAQE/ECrKococjf8A/8QAHxEAAgEDBQEAAAAAAAAAAAAAAAERIVFhEDFBcfCx/9oACAECAQE/EEpLMpNCJtQ3Re9uZfo3Qm1D\
    460//8QAHRAAAQMFAQAAAAAAAAAAAAAAAQAQESExQVFxkf/aAAgBAQABPxCZByxRlZSp6CphtZfGKY4zPQVo4rRxv//Z";

/// One component.
const GREY: &str = "\
    /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACAWGBwYFCAcGhwkIiAmMFA0MCwsMGJGSjpQdGZ6eHJmcG6AkLicgIiuim5woNqirr7E\
    ztDOfJri8uDI8LjKzsb/wAALCAAhABEBAREA/8QAFwABAQEBAAAAAAAAAAAAAAAAAwQCBf/EACEQAAEDAgcBAAAAAAAAAAAAAAAB\
    AgNBURESEyEiMXGR/9oACAEBAAA/AORFHiVRxJUbTaDCzbEpjZVRsi2QCJnFEuVRsr8E02gxM2TwqjYLkWyEsXSeFMXSeGj/2Q==";

fn files() -> [(&'static str, Vec<u8>); 4] {
    let foreign = |text| STANDARD.decode(text).expect("base64");
    [
        ("restarts", foreign(RESTARTS)),
        ("progressive", foreign(PROGRESSIVE)),
        ("grey", foreign(GREY)),
        ("our own", samples::file(samples::opaque(17, 33), Jpg)),
    ]
}

/// Where the data of the first scan lies.
fn first_scan(file: &[u8]) -> std::ops::Range<usize> {
    let header = file.windows(2).position(|pair| pair == [0xFF, START_OF_SCAN]).expect("a scan");
    let length = usize::from(u16::from_be_bytes([file[header + 2], file[header + 3]]));
    let mut cursor = Cursor::new(file, header + 2 + length);
    let start = cursor.at;
    skip_scan(&mut cursor).expect("whole");
    start..cursor.at
}

#[test]
fn what_other_encoders_write_is_whole() {
    for (name, file) in files() {
        let seen = survey(&file).expect("whole");
        assert_eq!((seen.stripped, seen.rgb), (None, name != "grey"), "{name}");
        let picture = prepare_now(&file.into(), Jpg).expect("a good picture");
        assert_eq!((picture.width, picture.height), (17, 33), "{name}");
    }
}

#[test]
fn data_that_was_cut_is_missed_even_where_the_file_says_that_it_ends_there() {
    for (name, file) in files() {
        let scan = first_scan(&file);
        for length in 0..scan.len() * 2 / 3 {
            // No marker may come to be where there was none.
            let cut = file[..scan.start + length].strip_suffix(&[0xFF]).unwrap_or(&file[..scan.start + length]);
            let cut = [cut, &[0xFF, END_OF_IMAGE]].concat();
            assert!(survey(&cut).is_err(), "{name} cut to {length} of {}", scan.len());
            assert!(matches!(prepare_now(&cut.into(), Jpg), Err(PictureError::Broken { .. })), "{name}");
        }
    }
}

#[test]
fn a_hole_between_restarts_is_missed() {
    let (_, file) = files().into_iter().next().expect("the first");
    let scan = first_scan(&file);
    let restart = |number: u8| file.windows(2).position(|pair| pair == [0xFF, 0xD0 + number]).expect("a restart");
    let hole = [&file[..scan.start], &file[restart(0)..]].concat();
    assert!(survey(&hole).is_err());
    let lost = [&file[..restart(1)], &file[restart(3)..]].concat();
    assert!(survey(&lost).is_err());
}

#[test]
fn a_last_row_that_stops_early_is_let_pass() {
    let (_, file) = files().into_iter().next().expect("the first");
    let scan = first_scan(&file);
    let short = [&file[..scan.end - 3], &[0xFF, END_OF_IMAGE]].concat();
    assert!(survey(&short).is_ok());
}

#[test]
fn codes_that_mean_nothing_are_found() {
    for (name, file) in files() {
        let scan = first_scan(&file);
        let mut damaged = file.clone();
        // All ones are never a code, and a zero behind them makes them data.
        let end = (scan.start + 16).min(scan.end);
        damaged[scan.start..end].copy_from_slice(&[0xFF, 0x00].repeat(8)[..end - scan.start]);
        assert_eq!(survey(&damaged), Err(Broken("a code that means nothing")), "{name}");
    }
}
