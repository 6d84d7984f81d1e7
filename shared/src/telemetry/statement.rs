//! How long named statements of the database take, and how they fail.

use std::time::Instant;

use metrics::{counter, histogram};

use super::names;

/// Times a statement, or a transaction, under `name`: the wait for a connection included, as its caller feels it.
///
/// # Errors
/// Those of the statement, which are also counted.
pub(crate) async fn timed<T>(
    name: &'static str,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let begun = Instant::now();
    let result = statement.await;
    histogram!(names::STATEMENT_SECONDS, "statement" => name).record(begun.elapsed());
    if let Err(error) = &result {
        counter!(names::STATEMENT_ERRORS_TOTAL, "statement" => name, "kind" => kind(error)).increment(1);
    }
    result
}

/// What went wrong, as far as it asks for different remedies.
fn kind(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::PoolTimedOut => "pool_timeout",
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => "connection",
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("57014") => "statement_timeout",
            Some("55P03") => "lock_timeout",
            Some("40P01") => "deadlock",
            // Admin shutdown, crash shutdown, starting up, too many connections.
            Some("57P01" | "57P02" | "57P03" | "53300") => "connection",
            Some(code) if code.starts_with("23") => "constraint",
            _ => "other",
        },
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics_exporter_prometheus::PrometheusBuilder;

    #[test]
    fn a_statement_is_timed_and_its_failure_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let ended = futures::executor::block_on(timed("accept", async { Ok(7) }));
            assert_eq!(ended.ok(), Some(7));
            for error in [sqlx::Error::PoolTimedOut, sqlx::Error::PoolClosed, sqlx::Error::RowNotFound] {
                assert!(futures::executor::block_on(timed::<()>("accept", async { Err(error) })).is_err());
            }
        });
        let page = recorder.handle().render();
        assert!(page.contains(r#"shootx_statement_seconds_count{statement="accept"} 4"#), "{page}");
        for kind in ["pool_timeout", "connection", "other"] {
            let line = format!(r#"shootx_statement_errors_total{{statement="accept",kind="{kind}"}} 1"#);
            assert!(page.contains(&line), "{page}");
        }
    }
}
