//! Answers kept under the idempotency keys of their requests.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::refusal::Refusal;

/// Keys that are kept, and for how long; the oldest goes when one more is used.
const KEYS_MAX: usize = 10_000;
const KEPT: TimeDelta = TimeDelta::hours(24);

/// The longest key.
const KEY_CHARS_MAX: usize = 255;

/// What was answered, and to what.
#[derive(Clone)]
pub(super) struct Kept {
    request: String,
    at: DateTime<Utc>,
    pub(super) request_id: String,
    pub(super) status: u16,
    pub(super) body: Value,
}

/// The answers by key.
#[derive(Default)]
pub(super) struct Keys {
    kept: HashMap<String, Kept>,
    order: VecDeque<(String, DateTime<Utc>)>,
}

impl Keys {
    /// What was answered to the first request with this key; refused if that was another request.
    pub(super) fn find(&self, key: &str, request: &str, now: DateTime<Utc>) -> Result<Option<Kept>, Refusal> {
        if key.chars().count() > KEY_CHARS_MAX {
            return Err(Refusal::invalid("Idempotency keys can be at most 255 characters long."));
        }
        match self.kept.get(key) {
            Some(kept) if now - kept.at >= KEPT => Ok(None),
            Some(kept) if kept.request != request => Err(Refusal::key_reused(key)),
            kept => Ok(kept.cloned()),
        }
    }

    pub(super) fn keep(
        &mut self,
        key: &str,
        request: String,
        request_id: &str,
        answer: (u16, Value),
        at: DateTime<Utc>,
    ) {
        let (status, body) = answer;
        let kept = Kept { request, at, request_id: request_id.to_owned(), status, body };
        self.kept.insert(key.to_owned(), kept);
        self.order.push_back((key.to_owned(), at));
        while self.order.len() > KEYS_MAX {
            let Some((oldest, used_at)) = self.order.pop_front() else { return };
            // The key may have been used anew since.
            if self.kept.get(&oldest).is_some_and(|kept| kept.at == used_at) {
                self.kept.remove(&oldest);
            }
        }
    }
}
