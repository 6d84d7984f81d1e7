//! Bodies of webhooks, as any bytes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::{JobIdScanner, KEPT_BYTES_MAX};

/// Sizes of the pieces that a body may come in, beside all at once.
const PIECES: [usize; 4] = [1, 2, 7, 64];

/// Whether a valid body gave an id.
///
/// # Panics
/// When the id depends on how the body is cut, is too long, or is not what a whole parser reads.
pub fn target(bytes: &[u8]) -> bool {
    let found = scan(bytes, bytes.len().max(1));
    for piece_bytes in PIECES {
        assert_eq!(scan(bytes, piece_bytes), found, "in pieces of {piece_bytes} bytes");
    }
    assert!(found.as_ref().is_none_or(|id| id.len() <= KEPT_BYTES_MAX));
    if serde_json::from_slice::<Value>(bytes).is_err() {
        return false;
    }
    // No names: valid, but no object.
    let ids = serde_json::from_slice::<Ids>(bytes).map(|ids| ids.0).unwrap_or_default();
    let is_found = found.is_some();
    if bytes.contains(&b'\\') {
        // What is escaped is passed over, so there may be an id where none was found, but no other.
        assert!(found.is_none_or(|id| ids.contains(&id)), "an id that is not there");
    } else {
        let expected = ids.into_iter().find(|id| id.len() <= KEPT_BYTES_MAX);
        assert_eq!(found, expected, "not what a whole parser reads");
    }
    is_found
}

fn scan(bytes: &[u8], piece_bytes: usize) -> Option<String> {
    let mut scanner = JobIdScanner::default();
    bytes.chunks(piece_bytes).for_each(|piece| scanner.push(piece));
    scanner.job_id().map(str::to_owned)
}

/// The strings named `id` of an object, in their order, repeats included.
struct Ids(Vec<String>);

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(IdsVisitor).map(Self)
    }
}

struct IdsVisitor;

impl<'de> Visitor<'de> for IdsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut ids = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if let (true, Value::String(id)) = (name == "id", value) {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}
