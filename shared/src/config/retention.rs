//! How long pictures are kept, and whether workers remove what is not.

use super::reader::Reader;
use super::rules;
use crate::retention::Settings;

/// A century: longer is for ever.
const DAYS_MAX: u32 = 36_500;

impl Settings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let days = |text: &str| {
            if text.is_empty() { Some(None) } else { rules::between(text, 1, DAYS_MAX).map(Some) }
        };
        Self {
            scheduled: reader.parsed("CLEANUP", "on or off", "on", rules::switch),
            outputs_days: reader.parsed(
                "OUTPUT_RETENTION_DAYS",
                &format!("a number from 1 to {DAYS_MAX}, or nothing"),
                "",
                days,
            ),
        }
    }
}
