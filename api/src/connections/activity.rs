//! What a connection is doing, as far as its bytes tell: whether we wait for its peer, or work for it.

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
    /// Nothing has come since the last bytes went out, or since it was accepted: the next word is the peer's.
    Idle(Duration),
    /// A request is coming in or is worked on.
    Busy(Duration),
}

impl Activity {
    pub(super) fn new() -> Self {
        let (phase, is_evicted, task) = (AtomicU64::new(0), AtomicBool::new(false), AtomicWaker::new());
        Self { begun: Instant::now(), phase, is_evicted, task }
    }

    /// Bytes have come: a request begins, unless one has begun.
    pub(super) fn note_read(&self) {
        if self.phase.load(Ordering::Relaxed).is_multiple_of(2) {
            self.phase.store(self.millis() * 2 + 1, Ordering::Relaxed);
        }
    }

    /// Bytes have gone out.
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

    /// Whether it has to end. If not, the task of `context` is woken when it has to.
    pub(super) fn is_evicted(&self, context: &Context<'_>) -> bool {
        let waker: &Waker = context.waker();
        self.task.register(waker);
        self.is_evicted.load(Ordering::Acquire)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX / 4)
    }
}
