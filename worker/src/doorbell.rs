//! When a queue worker looks for jobs: at once when one was inserted, and in any case every tick.
//!
//! The queue library's own interval forgets to register for its next tick, so that a worker sleeps until its
//! next heartbeat; a missed notification is lost to it as well. Here the tick is the promise and the bell is
//! only speed: a bell that breaks is hung anew at the next tick.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use apalis_core::backend::ext::poll_strategy::{PollSnapshot, PollStrategy};
use apalis_postgres::Pubsub;
use futures::StreamExt;
use shared::liveness::Pulse;
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval, sleep};

/// Notifications taken in one poll; the rest wait for the next one, which is asked for at once.
const RINGS_MAX: usize = 100;
/// After a ring the queue is looked at once more: the first look may have begun before the job was there.
const ECHO_AFTER: Duration = Duration::from_millis(50);

/// A tick, and a bell that the database rings.
pub(crate) struct Doorbell {
    tick: Interval,
    /// What a new bell is made from: a clone of it has not connected yet.
    maker: Pubsub,
    bell: Option<Pubsub>,
    echo: Option<Pin<Box<Sleep>>>,
    pulse: Pulse,
}

impl Doorbell {
    /// Looks every `tick` and whenever `bell` rings. Must be made inside a tokio runtime.
    pub(crate) fn new(tick: Duration, bell: Pubsub, pulse: Pulse) -> Self {
        let mut tick = interval(tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tick, maker: bell.clone(), bell: Some(bell), echo: None, pulse }
    }

    /// Whether the bell has rung since it was last asked.
    fn has_rung(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(bell) = &mut self.bell else { return false };
        let mut rung = false;
        for _ in 0..RINGS_MAX {
            match bell.poll_next_unpin(cx) {
                Poll::Pending => return rung,
                Poll::Ready(Some(Ok(_))) => rung = true,
                Poll::Ready(Some(Err(error))) => {
                    tracing::warn!(%error, "the queue's bell broke; looking every tick until it is hung again");
                    self.bell = None;
                    return rung;
                }
                Poll::Ready(None) => {
                    self.bell = None;
                    return rung;
                }
            }
        }
        true
    }
}

impl PollStrategy for Doorbell {
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        let mut fired = false;
        // Ends only when the timer is pending, that is: when this task is registered for the next tick.
        while self.tick.poll_tick(cx).is_ready() {
            fired = true;
        }
        if fired && self.bell.is_none() {
            self.bell = Some(self.maker.clone());
        }
        if self.has_rung(cx) {
            self.echo = Some(Box::pin(sleep(ECHO_AFTER)));
            fired = true;
        }
        if self.echo.as_mut().is_some_and(|echo| echo.as_mut().poll(cx).is_ready()) {
            self.echo = None;
            fired = true;
        }
        if !fired || !self.pulse.beat() {
            return Poll::Pending;
        }
        // One more poll: this one may only end the fetch that was under way.
        cx.waker().wake_by_ref();
        Poll::Ready(Some(()))
    }
}
