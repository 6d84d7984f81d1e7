//! Files of customers and of the provider, as any bytes.

use bytes::Bytes;

use super::input::check_now;
use super::{container, inspect, inspect_input};
use crate::workflow::OutputFormat;

/// Pictures with more pixels only take longer.
const PIXELS_MAX: u64 = 512 * 512;

/// Whether it was taken.
///
/// # Panics
/// When a reader grows a file, or a picture that was taken is not taken unchanged when it comes back.
pub fn target(bytes: &[u8]) -> bool {
    // Every reader reads everything: none may trust that another has looked before.
    for format in OutputFormat::ALL {
        let Ok(survey) = container::survey(format, bytes) else { continue };
        let Some(stripped) = survey.stripped else { continue };
        assert!(stripped.len() <= bytes.len(), "{format}: the file grew without metadata");
        let again = container::survey(format, &stripped).expect("a stripped file is whole");
        assert_eq!(again.stripped, None, "{format}: something was left");
    }
    let inspected = inspect(bytes);
    let Ok(found) = inspect_input(bytes) else { return false };
    assert_eq!(inspected.ok(), Some(found));
    if u64::from(found.width) * u64::from(found.height) > PIXELS_MAX {
        return false;
    }
    let Ok(picture) = check_now(&Bytes::copy_from_slice(bytes)) else { return false };
    assert_eq!(check_now(&picture.bytes).as_ref(), Ok(&picture), "checked again, it stays as it is");
    true
}
