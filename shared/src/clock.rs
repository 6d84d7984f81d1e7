//! The process clock: the only file that asks the operating system what time it is. SQL: one statement, for the offset.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::liveness::Pulse;

/// How often [`Clock::follow`] reads the offset of `gateway.now()`.
pub const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// What time it is, for everything in Rust that needs a `now`.
///
/// The system's time plus the offset that devstack sets in the database, so that moving the clock there moves
/// it here. Clones share one offset. What several processes must agree on uses SQL `gateway.now()` instead.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Set by hand: the time does not pass by itself.
    base: Option<DateTime<Utc>>,
    offset_us: AtomicI64,
}

impl Clock {
    /// The operating system's time.
    pub fn system() -> Self {
        Self::starting_from(None)
    }

    /// A clock that stands at `at` until [`Clock::advance`] moves it.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self::starting_from(Some(at))
    }

    fn starting_from(base: Option<DateTime<Utc>>) -> Self {
        Self(Arc::new(Inner { base, offset_us: AtomicI64::new(0) }))
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask the system")]
    pub fn now(&self) -> DateTime<Utc> {
        let offset = TimeDelta::microseconds(self.0.offset_us.load(Ordering::Relaxed));
        self.0.base.unwrap_or_else(Utc::now) + offset
    }

    /// Moves this clock and all its clones by `by`.
    pub fn advance(&self, by: TimeDelta) {
        self.0.offset_us.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
    }

    /// Reads the offset of `gateway.now()` once and takes it over.
    pub async fn read_offset(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let offset_us: i64 = sqlx::query_scalar("select (extract(epoch from gateway.now() - now()) * 1000000)::bigint")
            .fetch_one(pool)
            .await?;
        self.0.offset_us.store(offset_us, Ordering::Relaxed);
        Ok(())
    }

    /// Follows `gateway.now()` for as long as the process lives. An unreachable database leaves the offset as it was.
    pub async fn follow(&self, pool: PgPool, pulse: Pulse) {
        loop {
            if let Err(error) = self.read_offset(&pool).await {
                tracing::debug!(%error, "the clock's offset could not be read");
            }
            pulse.rest(FOLLOW_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_by_hand_and_its_clones_with_it() {
        let clock = Clock::fixed(DateTime::UNIX_EPOCH);
        let clone = clock.clone();
        clock.advance(TimeDelta::minutes(10));
        assert_eq!(clone.now(), DateTime::UNIX_EPOCH + TimeDelta::minutes(10));
    }

    #[test]
    fn the_system_clock_passes_and_can_be_moved() {
        let clock = Clock::system();
        let before = clock.now();
        clock.advance(TimeDelta::hours(1));
        assert!(clock.now() - before >= TimeDelta::hours(1));
    }
}
