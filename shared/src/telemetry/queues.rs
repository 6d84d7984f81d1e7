//! How much waits in the queues, and for how long: gauges read from one snapshot of the queue's table.

use std::collections::HashSet;
use std::time::Duration;

use metrics::gauge;
use sqlx::PgPool;

use super::names;
use crate::jobs::{self, Depth, Queue};
use crate::liveness::Pulse;

/// How often the queue's table is counted.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// Keeps the queue gauges current for as long as the process lives. While the database cannot be reached they
/// keep their last values.
pub async fn watch_queues(pool: PgPool, pulse: Pulse) {
    let mut seen = HashSet::new();
    loop {
        match jobs::queue_depth(&pool).await {
            Ok(depths) => record(&depths, &mut seen),
            Err(error) => tracing::warn!(%error, "the queues could not be counted"),
        }
        pulse.rest(COUNT_EVERY).await;
    }
}

/// Sets the gauges from `depths`; what was `seen` before and is gone now is set to zero, not left standing.
fn record(depths: &[Depth], seen: &mut HashSet<(String, String)>) {
    for (queue, status) in &*seen {
        gauge!(names::QUEUE_JOBS, "queue" => queue.clone(), "status" => status.clone()).set(0.0);
    }
    for queue in Queue::ALL {
        let oldest = depths.iter().filter(|depth| depth.queue == queue.as_str() && depth.status == Depth::WAITING);
        let seconds = oldest.map(|depth| depth.oldest_seconds).fold(0.0, f64::max);
        gauge!(names::QUEUE_OLDEST_SECONDS, "queue" => queue.as_str()).set(seconds);
    }
    for depth in depths {
        #[expect(clippy::cast_precision_loss, reason = "no queue holds 2^53 jobs")]
        let jobs = depth.jobs as f64;
        gauge!(names::QUEUE_JOBS, "queue" => depth.queue.clone(), "status" => depth.status.clone()).set(jobs);
        seen.insert((depth.queue.clone(), depth.status.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn a_queue_that_ran_empty_reads_zero() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let waiting =
            Depth { queue: "submit".to_owned(), status: Depth::WAITING.to_owned(), jobs: 3, oldest_seconds: 1.5 };
        let mut seen = HashSet::new();
        let page = |depths: &[Depth], seen: &mut HashSet<_>| {
            metrics::with_local_recorder(&recorder, || record(depths, seen));
            recorder.handle().render()
        };
        let full = page(&[waiting], &mut seen);
        assert!(full.contains(r#"shootx_queue_jobs{queue="submit",status="Pending"} 3"#), "{full}");
        assert!(full.contains(r#"shootx_queue_oldest_seconds{queue="submit"} 1.5"#), "{full}");
        let empty = page(&[], &mut seen);
        assert!(empty.contains(r#"shootx_queue_jobs{queue="submit",status="Pending"} 0"#), "{empty}");
        assert!(empty.contains(r#"shootx_queue_oldest_seconds{queue="submit"} 0"#), "{empty}");
    }
}
