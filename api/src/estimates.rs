//! How long generations take at present: a snapshot, so that answering does not ask the database for it.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use shared::generation;
use shared::liveness::Pulse;
use sqlx::PgPool;

/// How old the snapshot may become.
const REFRESH_EVERY: Duration = Duration::from_secs(5);

/// Expected seconds from acceptance to result, by workflow. Clones share one snapshot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Estimates(Arc<RwLock<BTreeMap<String, i32>>>);

impl Estimates {
    /// The estimate for `workflow`, or its target where nothing is known yet.
    pub(crate) fn seconds(&self, workflow: &str) -> i32 {
        let known = self.0.read().expect("nothing panics while it holds this lock").get(workflow).copied();
        known.or_else(|| target_seconds(workflow)).unwrap_or(0)
    }

    /// Refreshes the snapshot for as long as it is polled. While the database does not answer, the last one stands.
    pub(crate) async fn follow(&self, pool: &PgPool, pulse: Pulse) {
        loop {
            match generation::estimates(pool).await {
                Ok(estimates) => *self.0.write().expect("nothing panics while it holds this lock") = estimates,
                Err(error) => tracing::warn!(%error, "the estimates could not be refreshed"),
            }
            pulse.rest(REFRESH_EVERY).await;
        }
    }
}

fn target_seconds(workflow: &str) -> Option<i32> {
    let workflow = shared::workflow::find(workflow)?;
    i32::try_from(workflow.target.as_secs()).ok()
}
