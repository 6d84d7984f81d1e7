//! How long to wait before trying again, and trying again at once. The only file that names `backoff`.

use std::time::{Duration, Instant};

use backoff::SystemClock;
use backoff::backoff::Backoff;
use backoff::exponential::ExponentialBackoffBuilder;

use crate::runpod::ProviderError;

/// The longest wait after the first try.
const DELAY_FIRST_MAX: Duration = Duration::from_millis(500);

/// The longest wait after any try.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// How long to wait after `tries` (counted from 1) have failed: anything from nothing to 0.5 s, 1 s, 2 s … 30 s.
///
/// Full jitter: what failed together must not come back together.
#[must_use]
pub fn delay(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    let longest = DELAY_FIRST_MAX.saturating_mul(1 << doublings).min(DELAY_MAX);
    // `backoff` draws from the interval ± the interval × the factor: half the longest ± all of it.
    let mut wait = ExponentialBackoffBuilder::<SystemClock>::new()
        .with_initial_interval(longest / 2)
        .with_max_interval(longest / 2)
        .with_randomization_factor(1.0)
        .with_max_elapsed_time(None)
        .build();
    wait.next_backoff().unwrap_or(longest).min(longest)
}

/// Repeats a call while the provider is [`ProviderError::Unavailable`], at most `tries_max` tries and as long as
/// the next one would begin within `elapsed_max` of the first.
///
/// Waits [`delay`], or as long as the provider wishes, if that is longer. A failure that waits for an operator is
/// not repeated here: it is given back at once, to be tried again as a later job.
///
/// # Errors
///
/// The error of the last try.
pub async fn in_place<T, F>(
    tries_max: u32,
    elapsed_max: Duration,
    mut call: impl FnMut() -> F,
) -> Result<T, ProviderError>
where
    F: Future<Output = Result<T, ProviderError>>,
{
    let begun = Instant::now();
    let mut tries = 1;
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let ProviderError::Unavailable { alarm: false, retry_after, .. } = error else {
            return Err(error);
        };
        let wait = delay(tries).max(retry_after.unwrap_or_default());
        if tries >= tries_max || begun.elapsed() + wait > elapsed_max {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        tries += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{DELAY_MAX, delay, in_place};
    use crate::runpod::{ProviderError, Reason};

    fn unavailable(alarm: bool, retry_after: Option<Duration>) -> ProviderError {
        ProviderError::Unavailable { reason: Reason::Connect, alarm, retry_after }
    }

    /// Calls `in_place` with a provider that always fails so; returns the tries made.
    async fn tries(error: ProviderError, tries_max: u32, elapsed_max: Duration) -> u32 {
        let mut tries = 0;
        let result = in_place(tries_max, elapsed_max, || {
            tries += 1;
            let error = error.clone();
            async { Err::<(), _>(error) }
        });
        assert_eq!(result.await, Err(error.clone()));
        tries
    }

    #[test]
    fn the_longest_wait_doubles_and_ends_at_thirty_seconds() {
        for (tries, longest) in [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (8, 30.0), (u32::MAX, 30.0)] {
            let longest = Duration::from_secs_f64(longest);
            let waits: Vec<_> = (0..500).map(|_| delay(tries)).collect();
            assert!(waits.iter().all(|wait| *wait <= longest), "{tries}");
            // Full jitter reaches both ends: 500 draws all in one half happen once in 2^499.
            assert!(waits.iter().any(|wait| *wait < longest / 2), "{tries}");
            assert!(waits.iter().any(|wait| *wait > longest / 2), "{tries}");
        }
        assert!(delay(0) <= DELAY_MAX);
    }

    #[tokio::test]
    async fn only_what_is_unavailable_is_tried_again() {
        let long = Duration::from_secs(60);
        assert_eq!(tries(ProviderError::Rejected { reason: Reason::Http(400) }, 3, long).await, 1);
        assert_eq!(tries(ProviderError::Unknown { reason: Reason::Timeout }, 3, long).await, 1);
        assert_eq!(tries(ProviderError::NotFound, 3, long).await, 1);
        assert_eq!(tries(unavailable(true, None), 3, long).await, 1);
        assert_eq!(tries(unavailable(false, None), 2, long).await, 2);
    }

    #[tokio::test]
    async fn a_wish_that_outlasts_the_time_allowed_is_left_to_a_later_job() {
        let begun = Instant::now();
        let error = unavailable(false, Some(Duration::from_secs(20)));
        assert_eq!(tries(error, 3, Duration::from_secs(5)).await, 1);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_later_try_may_succeed() {
        let mut tries = 0;
        let result = in_place(3, Duration::from_secs(60), || {
            tries += 1;
            let result = if tries == 2 { Ok(tries) } else { Err(unavailable(false, None)) };
            async move { result }
        });
        assert_eq!(result.await, Ok(2));
    }
}
