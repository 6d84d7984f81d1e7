//! SQL: the pictures that are stored, recorded with the commit of the step that stored them.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};

use crate::ids::GenerationId;

/// One stored picture, as recorded with the settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOutput {
    /// Its place in the provider's answer, from 1.
    pub n: i16,
    /// Its key in the image store.
    pub path: String,
    /// Its format's name.
    pub format: String,
    /// Pixels across.
    pub width: i32,
    /// Pixels down.
    pub height: i32,
    /// Size of the stored file, bytes.
    pub size_bytes: i64,
    /// A signed link to it and when it expires, if one could be had.
    pub link: Option<(String, DateTime<Utc>)>,
}

/// Records stored pictures in the caller's transaction; one that is stored again replaces its row.
///
/// # Errors
/// Whatever the database says.
pub(super) async fn insert(
    tx: &mut PgConnection,
    generation_id: GenerationId,
    outputs: &[StoredOutput],
) -> Result<(), sqlx::Error> {
    for output in outputs {
        sqlx::query!(
            r#"
            insert into gateway.output
                (generation_id, n, path, format, width, height, size_bytes, link, link_until, created_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, gateway.now())
            on conflict (generation_id, n) do update
            set path = excluded.path, format = excluded.format, width = excluded.width, height = excluded.height,
                size_bytes = excluded.size_bytes, link = excluded.link, link_until = excluded.link_until
            "#,
            generation_id as GenerationId,
            output.n,
            output.path,
            output.format,
            output.width,
            output.height,
            output.size_bytes,
            output.link.as_ref().map(|(link, _)| link.as_str()),
            output.link.as_ref().map(|(_, until)| *until),
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// What is stored of a generation, in order; at most what was asked for.
///
/// # Errors
/// Whatever the database says.
pub async fn list(
    executor: impl PgExecutor<'_>,
    generation_id: GenerationId,
) -> Result<Vec<StoredOutput>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select n, path, format, width, height, size_bytes, link, link_until
        from gateway.output
        where generation_id = $1
        order by n
        "#,
        generation_id as GenerationId,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| StoredOutput {
            n: row.n,
            path: row.path,
            format: row.format,
            width: row.width,
            height: row.height,
            size_bytes: row.size_bytes,
            link: row.link.zip(row.link_until),
        })
        .collect())
}
