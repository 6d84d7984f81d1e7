//! Keeps a lease alive while its holder acts.

use shared::generation::lease::{self, LEASE_RENEWED_EVERY, Leased};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tracing::field::display;

/// Renews a lease until dropped. A lease that was lost is not fought for: the commit will be dropped.
#[derive(Debug)]
pub struct Keeper {
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts renewing.
    #[must_use]
    pub fn start(pool: &PgPool, leased: &Leased) -> Self {
        let (pool, generation_id, lease_id) = (pool.clone(), leased.run.generation_id, leased.lease_id);
        // A task of its own is in nobody's span.
        let (request_id, trace_id) = (leased.run.request_id.clone(), leased.run.trace().map(|trace| trace.trace_id()));
        let trace_id = trace_id.map(display);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(LEASE_RENEWED_EVERY).await;
                match lease::renew(&pool, generation_id, lease_id).await {
                    Ok(true) => {}
                    Ok(false) => {
                        tracing::warn!(%generation_id, request_id, trace_id, "lease lost");
                        return;
                    }
                    // The next turn tries again; the lease outlasts three of them.
                    Err(error) => {
                        tracing::warn!(%generation_id, request_id, trace_id, %error, "lease not renewed");
                    }
                }
            }
        });
        Self { task }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}
