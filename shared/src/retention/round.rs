//! One round: every kind once, each in bounded batches.

use sqlx::PgPool;

use super::scan::{Part, scan};
use super::{CleanupError, Kind, Mode, Report, account, expiry, object, remove_noted, rows, schedule};
use crate::images::ImageStore;

/// Pages of the store's list that a worker reads in one round: 20 000 objects.
const PAGES_OF_A_ROUND: usize = 20;

/// What decides how long things are kept, beside the constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether workers remove pictures that no user asked them to remove.
    pub scheduled: bool,
    /// How long outputs are kept of users whose plan says nothing longer; none: for ever, all of them.
    pub outputs_days: Option<u32>,
}

/// Cleans up, or looks at what there is to clean up, as an operator asks for it: the whole of the store's list is read.
///
/// # Errors
/// The first of any kind, see [`CleanupError`]; what was done stays done.
pub async fn clean_up(
    pool: &PgPool,
    images: &dyn ImageStore,
    settings: &Settings,
    kinds: &[Kind],
    mode: Mode,
) -> Result<Report, CleanupError> {
    let mut report = Report::default();
    clean_kinds(pool, images, settings, kinds, (mode, Part::Whole), &mut report).await?;
    if mode == Mode::Apply && kinds.len() == Kind::ALL.len() {
        schedule::end(pool).await?;
    }
    Ok(report)
}

/// A worker's hourly round. Into `report` goes what was removed, also where the round fails.
///
/// # Errors
/// See [`CleanupError`]; the next round goes on.
pub async fn clean_up_hourly(
    pool: &PgPool,
    images: &dyn ImageStore,
    settings: &Settings,
    report: &mut Report,
) -> Result<(), CleanupError> {
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| settings.scheduled || kind.is_due_anyway()).collect();
    clean_kinds(pool, images, settings, &kinds, (Mode::Apply, Part::Next(PAGES_OF_A_ROUND)), report).await?;
    // Left off, it is overdue after a day: somebody may have forgotten to have pictures removed again.
    if settings.scheduled {
        schedule::end(pool).await?;
    }
    Ok(())
}

/// What users wait for: pictures of what they deleted, and of users who are gone.
///
/// # Errors
/// See [`CleanupError`]; the next call goes on.
pub async fn remove_requested(pool: &PgPool, images: &dyn ImageStore, report: &mut Report) -> Result<(), CleanupError> {
    let removed = account::remove_accounts(pool, images, Mode::Apply).await;
    let deleted = Kind::DeletedGenerations;
    report.add(deleted, remove_noted(pool, images, deleted, None).await?);
    report.add(Kind::RemovedUsers, removed?);
    Ok(())
}

async fn clean_kinds(
    pool: &PgPool,
    images: &dyn ImageStore,
    settings: &Settings,
    kinds: &[Kind],
    (mode, part): (Mode, Part),
    report: &mut Report,
) -> Result<(), CleanupError> {
    let mut failed = None;
    let mut note = |result: Result<(), CleanupError>| {
        if let Err(error) = result {
            tracing::error!(error = &error as &dyn std::error::Error, "a part of cleaning up failed; the others go on");
            failed.get_or_insert(error);
        }
    };
    for kind in Kind::ALL.into_iter().filter(|kind| kinds.contains(kind)) {
        note(find(pool, images, settings, (kind, mode), report).await);
    }
    if kinds.contains(&Kind::UnusedInputs) || kinds.contains(&Kind::Orphans) {
        note(scan(pool, images, (mode, part), kinds, report).await);
    }
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_noted() && kinds.contains(kind)) {
        let amount = match mode {
            Mode::Look => object::count_noted(pool, kind).await.map_err(CleanupError::from),
            Mode::Apply => remove_noted(pool, images, kind, None).await,
        };
        note(amount.map(|amount| report.add(kind, amount)));
    }
    failed.map_or(Ok(()), Err)
}

/// What rows tell of at once: removes it, counts it, or notes it for removal.
async fn find(
    pool: &PgPool,
    images: &dyn ImageStore,
    settings: &Settings,
    (kind, mode): (Kind, Mode),
    report: &mut Report,
) -> Result<(), CleanupError> {
    match kind {
        Kind::RemovedUsers => report.add(kind, account::remove_accounts(pool, images, mode).await?),
        Kind::ExpiredOutputs => {
            if let Some(days) = settings.outputs_days {
                match mode {
                    Mode::Look => report.add(kind, expiry::count(pool, days).await?),
                    Mode::Apply => expiry::expire(pool, days).await?,
                }
            }
        }
        _ if kind.is_noted() => {}
        _ => report.add(kind, super::Amount::of(rows::purge(pool, kind, mode).await?, 0)),
    }
    Ok(())
}

impl Kind {
    /// Whether it goes even where workers leave pictures alone: rows, and what users asked for.
    const fn is_due_anyway(self) -> bool {
        !matches!(self, Self::ExpiredOutputs | Self::UnusedInputs | Self::Orphans)
    }
}
