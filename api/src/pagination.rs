//! Cursors: opaque to callers, the place of a page's last row to us.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::ApiError;

/// Rows of a page when the caller does not say.
const LIMIT_DEFAULT: u16 = 20;
/// Bytes of a place: microseconds and id.
const PLACE_BYTES: usize = 24;

/// [`LIMIT_DEFAULT`], as operations name the default of a parameter.
pub(crate) fn limit_default() -> u16 {
    LIMIT_DEFAULT
}

/// A place in a list that is ordered by time and id, newest first. It authorises nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) id: Uuid,
}

impl Cursor {
    /// The place to go on from, as queries take it; from the start where there is no cursor.
    pub(crate) fn after(text: Option<&str>) -> Result<Option<(DateTime<Utc>, Uuid)>, ApiError> {
        Ok(text.map(Self::decode).transpose()?.map(|cursor| (cursor.created_at, cursor.id)))
    }

    /// The cursor of the page after these rows, unless the page is not full.
    pub(crate) fn next<T>(rows: &[T], limit: u16, place: impl Fn(&T) -> (DateTime<Utc>, Uuid)) -> Option<String> {
        let (created_at, id) = rows.last().filter(|_| rows.len() >= usize::from(limit)).map(place)?;
        Some(Self { created_at, id }.encode())
    }

    /// The cursor as callers carry it.
    pub(crate) fn encode(self) -> String {
        let mut place = [0; PLACE_BYTES];
        place[..8].copy_from_slice(&self.created_at.timestamp_micros().to_be_bytes());
        place[8..].copy_from_slice(self.id.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(place)
    }

    /// Reads back what [`Cursor::encode`] made; anything else is malformed.
    pub(crate) fn decode(text: &str) -> Result<Self, ApiError> {
        let parse = || {
            let place: [u8; PLACE_BYTES] = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
            let (micros, id) = place.split_at(8);
            // Nothing was created before 1970, and the database refuses times from before the calendar.
            let micros = i64::from_be_bytes(micros.try_into().ok()?).max(0);
            Some(Self { created_at: DateTime::from_timestamp_micros(micros)?, id: Uuid::from_slice(id).ok()? })
        };
        parse().ok_or_else(|| ApiError::Malformed("cursor must be the next of an earlier page".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::Cursor;

    #[test]
    fn a_cursor_comes_back_to_the_microsecond() {
        let created_at = DateTime::from_timestamp_micros(1_795_000_000_123_456).unwrap();
        let cursor = Cursor { created_at, id: Uuid::from_u128(7) };
        assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
    }

    #[test]
    fn a_made_up_cursor_asks_for_no_time_that_the_database_lacks() {
        let long_ago = Cursor::decode(&format!("g{}", "A".repeat(31))).unwrap();
        assert_eq!(long_ago.created_at, DateTime::UNIX_EPOCH);
        assert!(Cursor::decode(&format!("f{}", "_".repeat(31))).is_err());
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in ["", "x", "AAAA", &"A".repeat(33), "//////////////////////////////////", "é"] {
            assert!(Cursor::decode(text).is_err(), "{text}");
        }
    }
}
