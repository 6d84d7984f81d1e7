//! Keeps a lease alive while its holder acts.

use shared::generation::lease::{self, LEASE_RENEWED_EVERY, Leased};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tracing::Instrument;

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
        let renewing = async move {
            loop {
                tokio::time::sleep(LEASE_RENEWED_EVERY).await;
                match lease::renew(&pool, generation_id, lease_id).await {
                    Ok(true) => {}
                    Ok(false) => {
                        tracing::warn!(%generation_id, "lease lost");
                        return;
                    }
                    // The next turn tries again; the lease outlasts three of them.
                    Err(error) => tracing::warn!(%generation_id, %error, "lease not renewed"),
                }
            }
        };
        Self { task: tokio::spawn(renewing.in_current_span()) }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}
