//! Whether the books balance: a gauge that should read zero for ever.

use std::time::Duration;

use metrics::gauge;
use sqlx::PgPool;
use tokio::time::MissedTickBehavior;

use super::names;
use crate::ledger;

/// How often the books are read: all of them, so not often.
const RECONCILE_EVERY: Duration = Duration::from_mins(10);

/// Keeps the gauge current for as long as the process lives, and names what differs. Repairs nothing.
pub async fn watch_ledger(pool: PgPool) {
    let mut ticks = tokio::time::interval(RECONCILE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match ledger::reconcile(&pool).await {
            Ok(differences) => {
                for difference in &differences {
                    tracing::error!(
                        rule = difference.rule,
                        id = %difference.id,
                        expected = difference.expected,
                        found = difference.found,
                        "the books do not balance"
                    );
                }
                let count = u32::try_from(differences.len()).unwrap_or(u32::MAX);
                gauge!(names::LEDGER_IMBALANCE).set(f64::from(count));
            }
            Err(error) => tracing::warn!(%error, "the books could not be read"),
        }
    }
}
