//! What is odd about the money: gauges that should read zero for ever, the same in every worker.

use std::time::Duration;

use metrics::{counter, gauge};
use sqlx::PgPool;
use tokio::time::Instant;

use super::names;
use crate::db::LONG_TIME_MAX;
use crate::ledger::{self, Anomaly, AnomalyKind, Books, READ_EVERY, Thresholds};
use crate::liveness::Pulse;

/// How often a worker looks at what was found, and whether the books are due to be read.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Keeps the gauges current for as long as the process lives, and has the books read when they are due. While the
/// database cannot be reached the gauges keep their last values.
pub async fn watch_ledger(pool: PgPool, thresholds: Thresholds, pulse: Pulse) {
    let mut rests_until = None;
    loop {
        if rests_until.is_none_or(|until| until <= Instant::now())
            && let Err(error) = pulse.during(LONG_TIME_MAX, report_anomalies(&pool, &thresholds)).await
        {
            // Books that cannot be read in time are not read again and again.
            tracing::warn!(%error, "the books could not be read");
            rests_until = Some(Instant::now() + READ_EVERY);
        }
        if let Err(error) = show_books(&pool).await {
            tracing::warn!(%error, "anomalies could not be counted");
        }
        pulse.rest(LOOK_EVERY).await;
    }
}

/// Has the books read if they are due, and names what is newly odd.
///
/// # Errors
/// Whatever the database says.
pub async fn report_anomalies(pool: &PgPool, thresholds: &Thresholds) -> Result<(), sqlx::Error> {
    for Anomaly { id, kind, subject, observed, threshold, detail, .. } in ledger::read_books(pool, thresholds).await? {
        let kind = kind.as_str();
        tracing::error!(anomaly = id, kind, %subject, observed, threshold, detail, "an anomaly of the books");
    }
    Ok(())
}

/// Sets the gauges to what the last reading left, whoever read.
///
/// # Errors
/// Whatever the database says.
pub async fn show_books(pool: &PgPool) -> Result<(), sqlx::Error> {
    record(&ledger::books(pool).await?);
    Ok(())
}

fn record(books: &Books) {
    for kind in AnomalyKind::ALL {
        let open = books.open.iter().find(|(of, _)| *of == kind).map_or(0, |(_, open)| *open);
        #[expect(clippy::cast_precision_loss, reason = "there are not 2^53 anomalies")]
        let open = open as f64;
        gauge!(names::ANOMALIES, "kind" => kind.as_str()).set(open);
        if kind == AnomalyKind::Imbalance {
            gauge!(names::LEDGER_IMBALANCE).set(open);
        }
    }
    for (kind, credits) in &books.moved {
        counter!(names::CREDITS_TOTAL, "kind" => kind.clone()).absolute(*credits);
    }
    if let Some(age) = books.age_seconds {
        gauge!(names::BOOKS_AGE_SECONDS).set(age);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn every_kind_of_anomaly_has_a_gauge_whether_there_is_one_or_not() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let moved = BTreeMap::from([("purchase".to_owned(), 120)]);
        let page = |open| {
            metrics::with_local_recorder(&recorder, || {
                record(&Books { age_seconds: Some(30.0), open, moved: moved.clone() })
            });
            recorder.handle().render()
        };
        let some = page(vec![(AnomalyKind::Imbalance, 2)]);
        for kind in AnomalyKind::ALL.map(AnomalyKind::as_str) {
            let open = if kind == "imbalance" { 2 } else { 0 };
            assert!(some.contains(&format!("shootx_anomalies{{kind=\"{kind}\"}} {open}\n")), "{some}");
        }
        assert!(
            some.contains("shootx_ledger_imbalance 2\n") && some.contains("shootx_books_age_seconds 30\n"),
            "{some}"
        );
        assert!(some.contains("shootx_credits_total{kind=\"purchase\"} 120\n"), "{some}");
        let none = page(Vec::new());
        assert!(none.contains("shootx_anomalies{kind=\"imbalance\"} 0\n"), "{none}");
        assert!(none.contains("shootx_ledger_imbalance 0\n"), "{none}");
    }
}
