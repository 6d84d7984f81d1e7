//! From when on something about the money is odd.

use super::reader::Reader;
use super::rules;
use crate::ledger::Thresholds;

impl Thresholds {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut number = |name: &str, max: u32, default: &str| {
            reader.parsed(name, &format!("a number from 1 to {max}"), default, |text| rules::between(text, 1, max))
        };
        Self {
            jump_credits: number("ANOMALY_JUMP_CREDITS", 1_000_000_000, "10000"),
            refund_percent: number("ANOMALY_REFUND_PERCENT", 100, "50"),
            refund_credits_min: number("ANOMALY_REFUND_CREDITS_MIN", 1_000_000, "50"),
            email_users_max: number("ANOMALY_EMAIL_USERS_MAX", 1_000, "1"),
        }
    }
}
