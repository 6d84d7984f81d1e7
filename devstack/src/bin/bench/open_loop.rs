//! The open loop: request number i is due at start + i / rate, whatever became of those before it, and is timed from then.
//! A server that stalls is so charged for everybody who would have come meanwhile.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The longest time that is told apart, in microseconds; longer ones count as this.
const LONGEST_US: u64 = 600_000_000;
/// Digits that are kept of each time.
const DIGITS: u8 = 3;

/// What is to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) lasting: Duration,
    /// Requests under way at once. One that is due beyond that waits, is counted, and is timed from when it was due.
    pub(crate) in_flight_max: usize,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From when a request was due to when it was answered, in microseconds; of those that failed, too.
    pub(crate) latency: Histogram<u64>,
    /// How late those were sent that had a place: what the generator itself is to blame for, in microseconds.
    pub(crate) lag: Histogram<u64>,
    pub(crate) sent: u64,
    /// Requests that were sent late for want of a place.
    pub(crate) held_back: u64,
    pub(crate) failed: u64,
    /// Why the first of them did.
    pub(crate) failure: Option<String>,
    /// Until the last was answered.
    pub(crate) took: Duration,
}

impl Plan {
    /// Requests in all, at least one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of requests")]
    fn count(&self) -> u64 {
        (self.rate * self.lasting.as_secs_f64()).round().max(1.0) as u64
    }
}

/// Sends what is planned, and waits for all answers. `work` bounds how long each may take.
///
/// # Errors
/// When a task of its own breaks; not when a request fails.
pub(crate) async fn drive<W, F>(plan: Plan, work: W) -> anyhow::Result<Outcome>
where
    W: Fn(u64) -> F,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(plan.in_flight_max));
    let mut outcome = Outcome::empty()?;
    let mut under_way = JoinSet::new();
    let start = Instant::now();
    let mut held_until = start;
    for number in 0..plan.count() {
        #[expect(clippy::cast_precision_loss, reason = "exact for more requests than are ever sent")]
        let due = start + Duration::from_secs_f64(number as f64 / plan.rate);
        tokio::time::sleep_until(due).await;
        let place = if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            place
        } else {
            let place = Arc::clone(&places).acquire_owned().await?;
            held_until = Instant::now();
            place
        };
        // Also those that became due while another waited for its place.
        if due < held_until {
            outcome.held_back += 1;
        } else {
            record(&mut outcome.lag, due.elapsed());
        }
        outcome.sent += 1;
        let work = work(number);
        under_way.spawn(async move {
            let done = work.await;
            drop(place);
            (done, due.elapsed())
        });
        while let Some(answered) = under_way.try_join_next() {
            outcome.note(answered?);
        }
    }
    while let Some(answered) = under_way.join_next().await {
        outcome.note(answered?);
    }
    outcome.took = start.elapsed();
    Ok(outcome)
}

impl Outcome {
    fn empty() -> anyhow::Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
        Ok(Self {
            latency: histogram()?,
            lag: histogram()?,
            sent: 0,
            held_back: 0,
            failed: 0,
            failure: None,
            took: Duration::ZERO,
        })
    }

    fn note(&mut self, (done, latency): (anyhow::Result<()>, Duration)) {
        record(&mut self.latency, latency);
        if let Err(error) = done {
            self.failed += 1;
            self.failure.get_or_insert_with(|| format!("{error:#}"));
        }
    }

    /// The latency below which this share of the requests was, in ms.
    pub(crate) fn ms(&self, share: f64) -> f64 {
        millis(&self.latency, share)
    }

    /// Answers a second.
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    pub(crate) fn per_second(&self) -> f64 {
        self.sent as f64 / self.took.as_secs_f64()
    }

    /// How it went, in words.
    pub(crate) fn words(&self, plan: Plan) -> String {
        let (p50, p90, p999) = (self.ms(0.5), self.ms(0.9), self.ms(0.999));
        let lag = millis(&self.lag, 0.99);
        let mut words = format!(
            "{} sent at {:.0}/s, answered at {:.0}/s; p50 {p50:.1}, p90 {p90:.1}, p99.9 {p999:.1} ms; \
             the generator's own lag p99 {lag:.1} ms; {} sent late for want of one of {} places",
            self.sent,
            plan.rate,
            self.per_second(),
            self.held_back,
            plan.in_flight_max,
        );
        if let Some(failure) = &self.failure {
            words += &format!("; {} FAILED, the first so: {failure}", self.failed);
        }
        words
    }
}

fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
}

/// A share of a histogram of microseconds, in ms.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
pub(crate) fn millis(histogram: &Histogram<u64>, share: f64) -> f64 {
    histogram.value_at_quantile(share) as f64 / 1000.0
}

#[cfg(test)]
mod tests;
