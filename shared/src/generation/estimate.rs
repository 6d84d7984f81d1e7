//! SQL: how long generations take at present.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use sqlx::PgPool;

use crate::telemetry::timed;

/// Completed runs whose times an estimate is made of, per workflow.
const ESTIMATE_SAMPLE: i64 = 50;
/// Older runs say nothing about the present.
const ESTIMATE_WINDOW: TimeDelta = TimeDelta::hours(1);

/// Seconds from accept to delivery to expect now, per workflow: the median of the last hour's latest runs.
///
/// Workflows without recent runs are absent; their target time is the best guess.
///
/// # Errors
/// Whatever the database says.
pub async fn estimates(pool: &PgPool) -> Result<BTreeMap<String, i32>, sqlx::Error> {
    let query = sqlx::query!(
        r#"
        select workflow as "workflow!",
               ceil(percentile_cont(0.5) within group (order by seconds))::integer as "seconds!"
        from (
            select workflow, extract(epoch from settled_at - accepted_at) as seconds,
                   row_number() over (partition by workflow order by settled_at desc) as place
            from gateway.run
            where stage = 'completed' and settled_at > gateway.now() - make_interval(secs => $1)
        ) as recent
        where place <= $2
        group by workflow
        "#,
        ESTIMATE_WINDOW.as_seconds_f64(),
        ESTIMATE_SAMPLE,
    );
    let rows = timed("estimates", query.fetch_all(pool)).await?;
    Ok(rows.into_iter().map(|row| (row.workflow, row.seconds)).collect())
}
