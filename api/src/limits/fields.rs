//! The header fields that tell callers how much of a limit is left (draft-ietf-httpapi-ratelimit-headers-11).

use poem::http::{HeaderMap, HeaderName, HeaderValue};
use shared::generation::{Allowance, Limits, RATE_WINDOW};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// The policy a request fell under, and what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RateFields {
    policy: String,
    left: String,
}

impl RateFields {
    /// Of starting generations; the policy also names how many may be under way at once.
    pub(crate) fn of_generate(limits: Limits, allowance: &Allowance) -> Self {
        let (rate, window) = (limits.per_minute, RATE_WINDOW.as_secs());
        let full_in = allowance.full_in.as_secs_f64().ceil();
        Self {
            policy: format!(
                "\"generate\";q={rate};w={window}, \"generations-open\";q={};qu=\"concurrent-requests\"",
                limits.runs_open_max
            ),
            left: format!("\"generate\";r={};t={full_in}", allowance.remaining),
        }
    }

    /// Of all else that a user asks of one process.
    pub(super) fn of_user(burst: u32, per_second: u32, left: u32) -> Self {
        let seconds = |requests: u32| requests.div_ceil(per_second.max(1));
        Self {
            policy: format!("\"user\";q={burst};w={}", seconds(burst)),
            left: format!("\"user\";r={left};t={}", seconds(burst.saturating_sub(left))),
        }
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (name, text) in [(POLICY, &self.policy), (LEFT, &self.left)] {
            headers.insert(name, HeaderValue::from_str(text).expect("names and numbers are visible ASCII"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RateFields;

    #[test]
    fn a_user_is_told_when_her_burst_is_whole_again() {
        let fields = RateFields::of_user(80, 20, 59);
        assert_eq!((&fields.policy[..], &fields.left[..]), ("\"user\";q=80;w=4", "\"user\";r=59;t=2"));
        assert_eq!(RateFields::of_user(80, 20, 80).left, "\"user\";r=80;t=0");
    }
}
