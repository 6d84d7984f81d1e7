//! The id that ties together all log lines of one request, through queue, worker and webhook.

use std::fmt;

use uuid::Uuid;

/// Longest id taken over from a caller.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// Names one HTTP request in logs and problem bodies. It authorises nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The caller's `X-Request-Id` if it is 1 to 64 of `[A-Za-z0-9_-]`, so that it cannot forge log lines; else a new one.
    pub fn accept(inbound: Option<&str>) -> Self {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        inbound
            .filter(|text| (1..=REQUEST_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(allowed))
            .map_or_else(Self::generate, |text| Self(text.to_owned()))
    }

    /// A new id: a `UUIDv7`, so that ids sort by time.
    pub fn generate() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_id_is_taken_over() {
        for id in ["a", "req_01-AB", &"x".repeat(64)] {
            assert_eq!(RequestId::accept(Some(id)).as_str(), id);
        }
    }

    #[test]
    fn anything_else_gets_a_new_id() {
        for id in [None, Some(""), Some("two words"), Some("line\nbreak"), Some("é"), Some(&*"x".repeat(65))] {
            let accepted = RequestId::accept(id);
            assert!(Uuid::parse_str(accepted.as_str()).is_ok(), "{accepted}");
        }
    }
}
