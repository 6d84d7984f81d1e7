//! RunPod's documented request rates, counted in windows of ten seconds.

use std::collections::HashMap;
use std::time::Duration;

use crate::fault::Operation;

const WINDOW: Duration = Duration::from_secs(10);

/// Windows kept before those that have ended are dropped.
const WINDOWS_MAX: usize = 1_000;

/// Requests of an operation in one window; none where nothing is documented.
fn requests_max(operation: Operation) -> Option<u32> {
    match operation {
        Operation::Run => Some(1_000),
        Operation::Runsync | Operation::Status | Operation::StatusSync | Operation::Stream => Some(2_000),
        Operation::Cancel => Some(100),
        Operation::PurgeQueue => Some(2),
        _ => None,
    }
}

/// Counts requests by endpoint and operation.
#[derive(Default)]
pub(super) struct Limits {
    windows: HashMap<(String, Operation), (Duration, u32)>,
}

impl Limits {
    /// Counts a request; false when it is over the rate.
    pub(super) fn allow(&mut self, endpoint: &str, operation: Operation, now: Duration) -> bool {
        let Some(max) = requests_max(operation) else { return true };
        if self.windows.len() >= WINDOWS_MAX {
            self.windows.retain(|_, (since, _)| now.saturating_sub(*since) < WINDOW);
        }
        let (since, count) = self.windows.entry((endpoint.to_owned(), operation)).or_insert((now, 0));
        if now.saturating_sub(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_after_ten_seconds() {
        let mut limits = Limits::default();
        let at = |seconds| Duration::from_secs(seconds);
        assert!((0..100).all(|_| limits.allow("a", Operation::Cancel, at(1))));
        assert!(!limits.allow("a", Operation::Cancel, at(10)));
        assert!(limits.allow("b", Operation::Cancel, at(10)));
        assert!(limits.allow("a", Operation::Cancel, at(11)));
    }
}
