//! SQL: reading the list of the image store, page by page, for objects that nothing refers to (`unreferenced.sql`).

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use super::place::Place;
use super::{Amount, CleanupError, INPUTS_KEPT, Kind, Mode, ORPHANS_KEPT, Report, seconds};
use crate::db;
use crate::images::{ImageStore, Listed, StoreError};

/// Pages that a look or an operator reads at most: a million objects.
const PAGES_MAX: usize = 1_000;

/// Time for a statement that reads all generations of some users, or all that may be too old.
const LONG_TIME_MAX: Duration = Duration::from_mins(1);

/// Which part of the list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// From where the last round stopped, this many pages.
    Next(usize),
    /// All of it, up to a million objects.
    Whole,
}

/// Objects of one page that may be unused, by column.
#[derive(Default)]
struct Candidates {
    paths: Vec<String>,
    users: Vec<Uuid>,
    generations: Vec<Option<Uuid>>,
    sizes: Vec<i64>,
    written: Vec<DateTime<Utc>>,
}

/// Reads the list and notes, or counts, what of `kinds` nothing refers to. A page of which the database does not say it
/// holds up no other one: it comes again when the list is read anew.
pub(super) async fn scan(
    pool: &PgPool,
    images: &dyn ImageStore,
    (mode, part): (Mode, Part),
    kinds: &[Kind],
    report: &mut Report,
) -> Result<(), CleanupError> {
    let (mut cursor, pages) = match part {
        Part::Whole => (None, PAGES_MAX),
        Part::Next(pages) => (stored_cursor(pool).await?, pages),
    };
    let mut failed = None;
    for _ in 0..pages {
        let page = match images.list("", cursor.as_deref()).await {
            // A cursor of a store that was changed meanwhile: the next round begins anew.
            Err(error @ StoreError::Rejected { .. }) if cursor.is_some() && part != Part::Whole => {
                keep_cursor(pool, None, false).await?;
                return Err(error.into());
            }
            page => page?,
        };
        let now = sqlx::query_scalar!(r#"select gateway.now() as "now!""#).fetch_one(pool).await?;
        let candidates = Candidates::of(&page.objects, now, &mut report.unexpected);
        let found = unreferenced(pool, &candidates, kinds, mode).await.unwrap_or_else(|error| {
            tracing::error!(%error, first = candidates.paths.first(), "a page of the store's list was not looked into");
            failed.get_or_insert(error);
            Vec::new()
        });
        for (kind, amount) in found {
            // What is noted now is counted when it is removed.
            if mode == Mode::Look && kinds.contains(&kind) {
                report.add(kind, amount);
            }
        }
        cursor = page.next;
        if part != Part::Whole {
            keep_cursor(pool, cursor.as_deref(), cursor.is_none()).await?;
        }
        if cursor.is_none() {
            report.scanned_to_end = true;
            break;
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

impl Candidates {
    fn of(objects: &[Listed], now: DateTime<Utc>, unexpected: &mut u64) -> Self {
        let mut candidates = Self::default();
        for object in objects {
            let (user, generation) = match Place::of(&object.path) {
                Place::Input { user } => (user, None),
                Place::Output { user, generation } => (user, Some(generation)),
                Place::Unexpected => {
                    *unexpected += 1;
                    continue;
                }
            };
            // Inputs of a user who is there are kept longer; the question says who is.
            if object.written_at <= now - ORPHANS_KEPT {
                candidates.paths.push(object.path.clone());
                candidates.users.push(user);
                candidates.generations.push(generation);
                candidates.sizes.push(object.size_bytes);
                candidates.written.push(object.written_at);
            }
        }
        candidates
    }
}

/// What of the candidates nothing refers to, by kind; notes it for removal if it shall be.
async fn unreferenced(
    pool: &PgPool,
    candidates: &Candidates,
    kinds: &[Kind],
    mode: Mode,
) -> Result<Vec<(Kind, Amount)>, sqlx::Error> {
    if candidates.paths.is_empty() {
        return Ok(Vec::new());
    }
    let kinds: Vec<String> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let mut connection = connect_for_long(pool).await?;
    let mut tx = connection.begin().await?;
    let found = sqlx::query_file!(
        "src/retention/unreferenced.sql",
        &candidates.paths,
        &candidates.users,
        &candidates.generations as &[Option<Uuid>],
        &candidates.sizes,
        &candidates.written,
        seconds(INPUTS_KEPT),
        &kinds,
        mode == Mode::Apply,
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(vec![
        (Kind::UnusedInputs, Amount::of(found.inputs, found.input_bytes)),
        (Kind::Orphans, Amount::of(found.orphans, found.orphan_bytes)),
    ])
}

/// A connection for a statement that reads more than the session's time allows.
pub(super) async fn connect_for_long(pool: &PgPool) -> Result<PgConnection, sqlx::Error> {
    db::connect_for_long(pool, LONG_TIME_MAX).await
}

async fn stored_cursor(pool: &PgPool) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("select scan_cursor from gateway.cleanup").fetch_one(pool).await
}

async fn keep_cursor(pool: &PgPool, cursor: Option<&str>, is_at_end: bool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        update gateway.cleanup
        set scan_cursor = $1, scanned_at = case when $2 then gateway.now() else scanned_at end
        "#,
        cursor,
        is_at_end,
    )
    .execute(pool)
    .await?;
    Ok(())
}
