//! The simulators' time: the machine's, moved forward by hand, or standing still until it is moved.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

use crate::net::lock;

/// Who moves the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// It runs with the machine's, and `advance` adds to it.
    #[default]
    Running,
    /// It stands still; only `advance` moves it, so a test needs no sleep.
    Manual,
}

/// A clock that only moves forward. Times are measured from its start.
pub(crate) struct SimClock {
    time: Time,
    started: Instant,
    started_at: SystemTime,
    advanced: Mutex<Duration>,
}

impl SimClock {
    pub(crate) fn new(time: Time) -> Self {
        Self { time, started: Instant::now(), started_at: SystemTime::now(), advanced: Mutex::default() }
    }

    /// A clock whose first date is given, for what depends on the calendar.
    pub(crate) fn starting_at(time: Time, date: DateTime<Utc>) -> Self {
        Self { started_at: date.into(), ..Self::new(time) }
    }

    pub(crate) fn now(&self) -> Duration {
        let advanced = *lock(&self.advanced);
        match self.time {
            Time::Running => self.started.elapsed() + advanced,
            Time::Manual => advanced,
        }
    }

    pub(crate) fn advance(&self, by: Duration) {
        *lock(&self.advanced) += by;
    }

    /// How long to sleep until `due`; nothing when only `advance` can bring it.
    pub(crate) fn until(&self, due: Duration) -> Option<Duration> {
        match self.time {
            Time::Running => Some(due.saturating_sub(self.now())),
            Time::Manual => None,
        }
    }

    /// The same for a date.
    pub(crate) fn until_date(&self, due: DateTime<Utc>) -> Option<Duration> {
        match self.time {
            Time::Running => Some((due - self.date()).to_std().unwrap_or_default()),
            Time::Manual => None,
        }
    }

    pub(crate) fn date(&self) -> DateTime<Utc> {
        DateTime::from(self.started_at + self.now())
    }

    /// Seconds since 1970.
    pub(crate) fn unix(&self) -> i64 {
        let since = (self.started_at + self.now()).duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }
}
