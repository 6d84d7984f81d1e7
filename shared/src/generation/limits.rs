//! How much one user may ask for: generations a minute (GCRA), and generations under way at once. Pure.
//!
//! `gateway.user_limit.full_at` is when the user's allowance would be whole again. A request moves it by one step, and
//! is refused where that would move it beyond the window: so the rate is exact however many processes accept.

use std::time::Duration;

/// The window of the rate: a burst may use all of it at once.
pub const RATE_WINDOW: Duration = Duration::from_secs(60);

/// The bounds of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Generations that may be started in a minute; at least 1.
    pub per_minute: u32,
    /// Generations that may be under way at once.
    pub runs_open_max: u32,
    /// Cancels of submitted generations that are free for a user in one day (UTC).
    pub cancels_free_per_day: u32,
}

/// What is left of a user's rate after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Requests a minute.
    pub per_minute: u32,
    /// Requests that may be made at once from now.
    pub remaining: u32,
    /// When all of them may be again.
    pub full_in: Duration,
}

fn step_seconds(per_minute: u32) -> f64 {
    RATE_WINDOW.as_secs_f64() / f64::from(per_minute.max(1))
}

impl Limits {
    /// Seconds of the window that one request takes.
    pub(super) fn step_seconds(self) -> f64 {
        step_seconds(self.per_minute)
    }

    /// The count as the database compares it.
    pub(super) fn runs_open_max(self) -> i32 {
        i32::try_from(self.runs_open_max).unwrap_or(i32::MAX)
    }

    /// What is left where the allowance is whole again in so many seconds.
    pub(super) fn allowance(self, full_in_seconds: f64) -> Allowance {
        // Times are kept in microseconds: a step that is no whole number of them may be short by one.
        let spare = (RATE_WINDOW.as_secs_f64() - full_in_seconds + 1e-5) / self.step_seconds();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u32")]
        let remaining = spare.clamp(0.0, f64::from(self.per_minute)) as u32;
        Allowance { per_minute: self.per_minute, remaining, full_in: Duration::from_secs_f64(full_in_seconds.max(0.0)) }
    }
}

impl Allowance {
    /// How long until one more request may be made, at least a second where none may be now.
    #[must_use]
    pub fn next_in(&self) -> Duration {
        let over = self.full_in.as_secs_f64() + step_seconds(self.per_minute) - RATE_WINDOW.as_secs_f64();
        if self.remaining > 0 { Duration::ZERO } else { Duration::from_secs_f64(over.max(1.0)) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Limits;

    #[test]
    fn what_is_left_follows_from_when_it_is_whole_again() {
        let limits = Limits { per_minute: 60, runs_open_max: 9, cancels_free_per_day: 9 };
        let left = |full_in: f64| limits.allowance(full_in);
        assert_eq!((left(0.0).remaining, left(0.0).next_in()), (60, Duration::ZERO));
        assert_eq!((left(1.0).remaining, left(1.0).full_in), (59, Duration::from_secs(1)));
        assert_eq!(left(1.5).remaining, 58);
        assert_eq!((left(59.0).remaining, left(59.5).remaining), (1, 0));
        assert_eq!((left(60.0).remaining, left(60.0).next_in()), (0, Duration::from_secs(1)));
        assert_eq!(left(75.0).next_in(), Duration::from_secs(16));
    }

    #[test]
    fn a_slow_rate_is_waited_for_as_long_as_it_takes() {
        let limits = Limits { per_minute: 2, runs_open_max: 9, cancels_free_per_day: 9 };
        assert_eq!(limits.allowance(60.0).next_in(), Duration::from_secs(30));
        assert_eq!(limits.allowance(30.0).remaining, 1);
    }
}
