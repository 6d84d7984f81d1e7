//! Tracks from its bytes what a connection is doing: whether we wait for its peer, or work on its request.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::time::Instant;

/// One connection's activity, shared by the connection and the [`Room`](super::Room) it has a place in.
#[derive(Debug)]
pub(super) struct Activity {
    begun: Instant,
    /// Milliseconds after `begun` at which the phase began, doubled; odd while busy.
    phase: AtomicU64,
    is_evicted: AtomicBool,
    task: AtomicWaker,
}

/// A phase of a connection, and how long it has lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was received since the last bytes were sent, or since it was accepted: we wait for the peer's next
    /// request.
    Idle(Duration),
    /// A request is being received or worked on.
    Busy(Duration),
}

impl Activity {
    pub(super) fn new() -> Self {
        let (phase, is_evicted, task) = (AtomicU64::new(0), AtomicBool::new(false), AtomicWaker::new());
        Self { begun: Instant::now(), phase, is_evicted, task }
    }

    /// Notes received bytes: a request begins, unless one has begun already.
    pub(super) fn note_read(&self) {
        if self.phase.load(Ordering::Relaxed).is_multiple_of(2) {
            self.phase.store(self.millis() * 2 + 1, Ordering::Relaxed);
        }
    }

    /// Notes sent bytes.
    pub(super) fn note_written(&self) {
        self.phase.store(self.millis() * 2, Ordering::Relaxed);
    }

    pub(super) fn phase(&self) -> Phase {
        let phase = self.phase.load(Ordering::Relaxed);
        let lasted = Duration::from_millis(self.millis().saturating_sub(phase / 2));
        if phase.is_multiple_of(2) { Phase::Idle(lasted) } else { Phase::Busy(lasted) }
    }

    /// Tells the connection to end.
    pub(super) fn evict(&self) {
        self.is_evicted.store(true, Ordering::Release);
        self.task.wake();
    }

    /// Whether the connection has been told to end. If not, wakes the task of `context` when it is.
    pub(super) fn is_evicted(&self, context: &Context<'_>) -> bool {
        let waker: &Waker = context.waker();
        self.task.register(waker);
        self.is_evicted.load(Ordering::Acquire)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX / 4)
    }
}
