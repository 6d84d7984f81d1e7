//! How much waits in the queue: a snapshot, so that a request is put off before anything is asked of the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use shared::generation;
use shared::liveness::Pulse;
use sqlx::PgPool;

/// How old the snapshot may become.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// Runs that wait, up to the most that may. Clones share one snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Backlog {
    waiting: Arc<AtomicU32>,
    max: u32,
}

impl Backlog {
    pub(crate) fn new(max: u32) -> Self {
        Self { waiting: Arc::default(), max }
    }

    /// Whether as many wait as may.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= self.max
    }

    /// Counts one that was accepted here since the snapshot.
    pub(crate) fn note_accepted(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts anew.
    pub(crate) async fn refresh(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        self.waiting.store(generation::count_waiting(pool, self.max).await?, Ordering::Relaxed);
        Ok(())
    }

    /// Refreshes the snapshot for as long as it is polled. While the database does not answer, the last one stands.
    pub(crate) async fn follow(&self, pool: &PgPool, pulse: Pulse) {
        loop {
            if let Err(error) = self.refresh(pool).await {
                tracing::warn!(%error, "the queue could not be counted");
            }
            pulse.rest(REFRESH_EVERY).await;
        }
    }
}
