//! Settles what was under way at the moment that a restored database is of, before workers start on it again.
//!
//! Each run's outputs are looked for in the image store, under the paths that follow from the run; what comes of that
//! is `lifecycle::next`'s to say and `store::commit`'s to write. May be repeated, and stopped anywhere.

use std::time::Duration;

use futures::StreamExt as _;
use shared::generation::lease::{self, Leased};
use shared::generation::lifecycle::{self, InvalidTransition};
use shared::generation::output::StoredOutput;
use shared::generation::{Event, Run, Stage, attempt};
use shared::ids::GenerationId;
use shared::images::{self, StoreError};
use shared::recovery::{Hold, hold, open_run, world};
use shared::workflow::OutputFormat;
use thiserror::Error;

use crate::attend::call_off;
use crate::objects::patiently;
use crate::state::WorkerState;
use crate::steps::{Keeper, StepError, conclude};

/// Runs looked into at once; each may hold four pictures.
const RUNS_AT_ONCE: usize = 4;
/// Runs of one page.
const PAGE: i64 = 200;
/// Pages of one recovery: a million runs under way.
const PAGES_MAX: usize = 5_000;
/// Times the store is asked for one picture before the run is left for a repeat.
const GET_TRIES_MAX: u32 = 3;
/// Links that only ask whether there is such a picture.
const GLANCE: Duration = Duration::from_secs(60);

/// What an operator may want otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes {
    /// Do it; else only say what would be done.
    pub apply: bool,
    /// Go on though the store has none of the latest pictures.
    pub without_pictures: bool,
}

/// Why nothing could be settled.
#[derive(Debug, Error)]
pub enum RecoverError {
    #[error("{0} workers run on this database; stop them all first")]
    WorkersRun(i64),
    #[error(
        "the image store has none of the latest {0} pictures of this database: bring them back first \
         (`shootx-worker objects import`), or say --without-pictures if they are lost"
    )]
    NoPictures(usize),
    #[error("the image store cannot be asked")]
    Store(#[from] StoreError),
    #[error("more than {PAGES_MAX} pages of runs are under way")]
    TooMany,
    #[error("our bug: a run was decided wrongly")]
    Invalid(#[from] InvalidTransition),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// What becomes of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Its outputs were in the store; this many credits of what is missing are given back.
    Adopted { outputs: usize, refund: i32 },
    /// Nobody can tell what became of it: all of it is given back.
    Refunded { refund: i32 },
    /// RunPod is asked, or its result collected, as soon as workers run.
    Resumed,
    /// Not decided: a repeat is needed.
    Open { reason: String },
}

/// A run and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub generation_id: GenerationId,
    /// Where it was at the backup.
    pub stage: Stage,
    pub fate: Fate,
}

/// All that was found, and done if it was asked for.
#[derive(Debug, Default)]
pub struct Recovery {
    pub hold: Option<Hold>,
    pub cleared: world::Cleared,
    pub findings: Vec<Finding>,
}

impl Recovery {
    /// Whether every run is decided, so that workers may start.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.findings.iter().all(|finding| !matches!(finding.fate, Fate::Open { .. }))
    }
}

/// Settles every run that was under way, or says what would become of it; lifts the hold when all of them are decided.
///
/// # Errors
/// See [`RecoverError`]. The hold then stays, and a repeat goes on.
pub async fn recover(state: &WorkerState, wishes: Wishes) -> Result<Recovery, RecoverError> {
    let pool = &state.pool;
    state.clock.read_offset(pool).await?;
    match world::count_workers(pool).await? {
        0 => {}
        running => return Err(RecoverError::WorkersRun(running)),
    }
    if !wishes.without_pictures {
        glance(state).await?;
    }
    let mut recovery = Recovery { hold: hold::find(pool).await?, ..Recovery::default() };
    if wishes.apply {
        let held = hold::place(pool, "being recovered").await?;
        recovery.cleared = world::clear(pool, held.backup_at).await?;
        recovery.hold = Some(held);
    }
    let accepted_by = match &recovery.hold {
        Some(held) => held.held_at,
        None => state.clock.now(),
    };
    let mut after = None;
    for _ in 0..PAGES_MAX {
        let runs = open_run::list(pool, accepted_by, after, PAGE).await?;
        let Some(last) = runs.last() else {
            if wishes.apply && recovery.is_complete() {
                hold::lift(pool).await?;
            }
            return Ok(recovery);
        };
        after = Some(last.generation_id);
        let held = recovery.hold.as_ref().filter(|_| wishes.apply);
        let mut settled = futures::stream::iter(runs).map(|run| settle(state, held, run)).buffered(RUNS_AT_ONCE);
        while let Some(finding) = settled.next().await {
            recovery.findings.push(finding?);
        }
    }
    Err(RecoverError::TooMany)
}

/// Makes sure that this is the store of these rows, before anything is given back because it is not there.
async fn glance(state: &WorkerState) -> Result<(), RecoverError> {
    let paths = world::sample_outputs(&state.pool).await?;
    if paths.is_empty() || state.images.sign(&paths, GLANCE).await?.iter().any(Option::is_some) {
        return Ok(());
    }
    Err(RecoverError::NoPictures(paths.len()))
}

/// Decides one run; writes that, under a lease, if there is a hold to write under.
async fn settle(state: &WorkerState, held: Option<&Hold>, run: Run) -> Result<Finding, RecoverError> {
    let finding = |fate| Finding { generation_id: run.generation_id, stage: run.stage, fate };
    let outputs = match stored(state, &run).await {
        Ok(outputs) => outputs,
        Err(error) => return Ok(finding(Fate::Open { reason: error.to_string() })),
    };
    let count = i16::try_from(outputs.len()).expect("at most four outputs are asked for");
    let event = Event::Restored { stored: count };
    let transition = lifecycle::next(&run, event.clone(), state.clock.now())?;
    let refund = transition.refund.get();
    let fate = match transition.run.stage {
        Stage::Completed => Fate::Adopted { outputs: outputs.len(), refund },
        Stage::Failed | Stage::Cancelled => Fate::Refunded { refund },
        Stage::Queued | Stage::Submitting | Stage::Running | Stage::Collecting => Fate::Resumed,
    };
    let Some(held) = held else { return Ok(finding(fate)) };
    let Some(leased) = lease::after_restore(&state.pool, run.generation_id, held.held_at).await? else {
        let reason = "another process holds it, or has just settled it".to_owned();
        return Ok(finding(Fate::Open { reason }));
    };
    Ok(finding(match write(state, &leased, event, &outputs).await {
        Ok(()) => fate,
        Err(error) => Fate::Open { reason: error.to_string() },
    }))
}

async fn write(state: &WorkerState, leased: &Leased, event: Event, outputs: &[StoredOutput]) -> Result<(), StepError> {
    let _keeper = Keeper::start(&state.pool, leased);
    let jobs = attempt::list_open(&state.pool, leased.run.generation_id).await?;
    let kind = conclude(state, leased, event, outputs).await?;
    if kind != lifecycle::RESUMED {
        // Nobody waits for them any more.
        call_off(state, leased, &jobs).await;
    }
    Ok(())
}

/// The outputs of a run that are in the store, checked by their bytes as if they had come from RunPod now.
async fn stored(state: &WorkerState, run: &Run) -> Result<Vec<StoredOutput>, StoreError> {
    let wanted: OutputFormat = run.output_format.parse().expect("accept stores only formats it knows");
    // A picture that was too large to be converted was stored in the format that it was made in.
    let formats = std::iter::once(wanted).chain(OutputFormat::ALL.into_iter().filter(|format| *format != wanted));
    let formats: Vec<_> = formats.collect();
    let mut outputs = Vec::new();
    for n in 1..=run.outputs_asked {
        for format in &formats {
            if let Some(output) = stored_as(state, run, n, *format).await? {
                outputs.push(output);
                break;
            }
        }
    }
    Ok(outputs)
}

/// Finds the `n`th output, if the store has it as `format` and undamaged.
async fn stored_as(
    state: &WorkerState,
    run: &Run,
    n: i16,
    format: OutputFormat,
) -> Result<Option<StoredOutput>, StoreError> {
    let path = run.output_path(n, format.ext());
    let bytes = match patiently(GET_TRIES_MAX, || state.images.get(&path)).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound | StoreError::TooLarge) => return Ok(None),
        Err(error) => return Err(error),
    };
    let size_bytes = i64::try_from(bytes.len()).expect("pictures are bounded to megabytes");
    match images::prepare(bytes, format).await {
        Ok(picture) => Ok(Some(StoredOutput {
            n,
            path,
            format: picture.format.to_string(),
            width: i32::try_from(picture.width).expect("pictures are bounded to 64 megapixels"),
            height: i32::try_from(picture.height).expect("pictures are bounded to 64 megapixels"),
            size_bytes,
            link: None,
        })),
        Err(error) => {
            tracing::warn!(generation_id = %run.generation_id, n, %error, "a stored output is damaged");
            Ok(None)
        }
    }
}
