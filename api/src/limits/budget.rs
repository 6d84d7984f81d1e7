//! A rate for each of any number of callers, in bounded memory.

use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// How many seconds' worth may come at once.
const BURST_SECONDS: u32 = 4;
/// Callers share this many rates: nobody can make us remember more, and two rarely meet in one. Which do cannot be known
/// from outside.
const SHARES: u64 = 65_536;

/// So many requests a second for each caller.
pub(super) struct Budget {
    limiter: RateLimiter<u64, DashMapStateStore<u64>, MonotonicClock, StateInformationMiddleware>,
    share: RandomState,
    per_second: NonZeroU32,
}

impl Budget {
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(per_second)
            .allow_burst(per_second.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1)));
        let limiter = RateLimiter::new(quota, DashMapStateStore::default(), MonotonicClock);
        Self { limiter, share: RandomState::new(), per_second }
    }

    /// Takes one request, and says how many may follow at once; `Err` says how long to wait for one.
    pub(super) fn take(&self, caller: impl Hash) -> Result<u32, Duration> {
        let share = self.share.hash_one(caller) % SHARES;
        let taken = self.limiter.check_key(&share);
        taken
            .map(|left| left.remaining_burst_capacity())
            .map_err(|wait| wait.wait_time_from(self.limiter.clock().now()))
    }

    pub(super) fn per_second(&self) -> u32 {
        self.per_second.get()
    }

    /// Requests that may come at once.
    pub(super) fn burst(&self) -> u32 {
        self.per_second.get().saturating_mul(BURST_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn a_caller_is_refused_after_her_burst_and_others_are_not() {
        let budget = Budget::new(2);
        let left: Vec<_> = (0..8).map(|_| budget.take("one").expect("within the burst")).collect();
        assert!(left.windows(2).all(|pair| pair[1] < pair[0] + 1), "{left:?}");
        // As slow as this machine may be: what comes back meanwhile is used up.
        let refused = (0..100_000).find_map(|_| budget.take("one").err()).expect("refused in the end");
        assert!(refused.as_secs_f64() <= 0.5, "{refused:?}");
        assert!((0..8).all(|n| budget.take(n).is_ok()));
    }
}
