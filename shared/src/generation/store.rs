//! SQL: what a step decided, written in one transaction under the lease it was taken with.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use super::lease::Leased;
use super::message::{CANCEL_CHARGED, message};
use super::output::{self, StoredOutput};
use super::{Run, Stage, Transition};
use crate::credits::Credits;
use crate::db;
use crate::ids::{GenerationId, LeaseId};
use crate::jobs::{self, Job};
use crate::ledger;
use crate::notification::{self, Notify};
use crate::telemetry::{self, timed};

/// A look that found nothing new; there are many of them, and none is worth a row.
const UNEVENTFUL: &str = "provider_pending";

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is written.
    Written,
    /// The lease was lost; nothing is written, and whoever holds the run now decides.
    LeaseLost,
}

/// Writes a transition, its outputs, refund, event, next job and what is to be told of it together, and gives the lease
/// back.
///
/// # Errors
/// Whatever the database says; then nothing is written.
pub async fn commit(
    pool: &PgPool,
    leased: &Leased,
    transition: &Transition,
    outputs: &[StoredOutput],
    notify: Notify,
) -> Result<Committed, sqlx::Error> {
    let committed = timed("commit", async {
        let mut tx = pool.begin().await?;
        let committed = commit_in(&mut tx, leased, transition, outputs, notify).await?;
        tx.commit().await?;
        Ok(committed)
    })
    .await?;
    match committed {
        Committed::LeaseLost => telemetry::count_lease_lost(),
        Committed::Written if settles(leased, transition) => telemetry::count_settled(&transition.run),
        Committed::Written => {}
    }
    Ok(committed)
}

/// [`commit`] between begin and end. Locks the user first where the run ends, then the run, the user's limit, credits and
/// mailing.
async fn commit_in(
    tx: &mut PgConnection,
    leased: &Leased,
    transition: &Transition,
    outputs: &[StoredOutput],
    notify: Notify,
) -> Result<Committed, sqlx::Error> {
    let run = &transition.run;
    let job_id = transition.job.map(|_| jobs::new_job_id());
    if settles(leased, transition) {
        db::keep_user(tx, run.user_id).await?;
    }
    if !update_run(tx, leased, run, job_id.as_deref()).await? {
        return Ok(Committed::LeaseLost);
    }
    record_attempt(tx, leased, transition).await?;
    output::insert(tx, run.generation_id, outputs).await?;
    if settles(leased, transition) {
        let stored = output::list(&mut *tx, run.generation_id).await?;
        settle_generation(tx, transition, &stored).await?;
        ledger::refund(tx, run.user_id, run.generation_id, transition.refund).await?;
        notification::note(tx, run, notify).await?;
    }
    if transition.kind != UNEVENTFUL {
        record_event(tx, transition).await?;
    }
    if let (Some(job), Some(job_id)) = (transition.job, job_id) {
        jobs::enqueue(tx, &job_id, job.queue, Job::Generation(run.generation_id), job.delay).await?;
    }
    Ok(Committed::Written)
}

/// Whether the run ends with this transition.
fn settles(leased: &Leased, transition: &Transition) -> bool {
    transition.run.stage.is_final() && !leased.run.stage.is_final()
}

/// A ring that came while the lease was held wins over the poll time decided without knowing of it.
async fn update_run(
    tx: &mut PgConnection,
    leased: &Leased,
    run: &Run,
    job_id: Option<&str>,
) -> Result<bool, sqlx::Error> {
    let updated = sqlx::query!(
        r#"
        update gateway.run
        set stage = $3, attempt = $4, timeouts = $5, tries = $6, polls = $7, lost_looks = $8, provider_job_id = $9,
            submitted_at = $10, unknown_until = $11, result_at = $12, wake_at = $13, progress = $14, error_code = $15,
            outputs_delivered = $16, settled_at = $17, job_id = coalesce($18, job_id),
            poll_at = case when rings <> $20 and $3 in ('submitting', 'running') then gateway.now() else $19 end,
            deadline_at = $21,
            -- A cancel may be requested while the lease is held: what it costs is the request's to say until the end.
            cancel_fee = case when $17::timestamptz is null then cancel_fee else $22 end,
            lease_id = null, leased_until = null, leases_lost = 0
        where generation_id = $1 and lease_id = $2
        "#,
        run.generation_id as GenerationId,
        leased.lease_id as LeaseId,
        run.stage as Stage,
        run.attempt,
        run.timeouts,
        run.tries,
        run.polls,
        run.lost_looks,
        run.provider_job_id,
        run.submitted_at,
        run.unknown_until,
        run.result_at,
        run.wake_at,
        run.progress,
        run.error_code,
        run.outputs_delivered,
        run.settled_at,
        job_id,
        run.poll_at,
        leased.run.rings,
        run.deadline_at,
        run.cancel_fee as Credits,
    )
    .execute(tx)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Keeps what became of the attempt that was current before the transition, and with it of every other job
/// known to exist: a run that moves on has given up, or called off, all of them.
///
/// A provider job that an earlier attempt made, and that was found again, stays that attempt's.
async fn record_attempt(tx: &mut PgConnection, leased: &Leased, transition: &Transition) -> Result<(), sqlx::Error> {
    let submitted =
        (leased.run.stage == Stage::Submitting).then_some(transition.run.provider_job_id.as_deref()).flatten();
    if submitted.is_none() && transition.attempt_outcome.is_none() {
        return Ok(());
    }
    sqlx::query!(
        r#"
        update gateway.attempt
        set provider_job_id = case
                when attempt <> $2 or exists (select from gateway.attempt as earlier
                                              where earlier.generation_id = $1 and earlier.provider_job_id = $3)
                then provider_job_id else coalesce($3, provider_job_id) end,
            outcome = coalesce($4, outcome),
            ended_at = case when $4::text is null then ended_at else gateway.now() end
        where generation_id = $1
          and (attempt = $2
               or ($4 <> 'unknown_outlasted' and provider_job_id is not null
                   and (outcome is null or outcome = 'unknown_outlasted')))
        "#,
        leased.run.generation_id as GenerationId,
        leased.run.attempt,
        submitted,
        transition.attempt_outcome,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What the customer sees: status, paths in order, the text for a failure, and metadata with nothing internal.
async fn settle_generation(
    tx: &mut PgConnection,
    transition: &Transition,
    outputs: &[StoredOutput],
) -> Result<(), sqlx::Error> {
    let run = &transition.run;
    let paths: Vec<String> = outputs.iter().map(|output| output.path.clone()).collect();
    sqlx::query!(
        r#"
        update public.generations
        set status = $2, output_urls = $3::text[], output_url = ($3::text[])[1], image_url = ($3::text[])[1],
            external_job_id = $4,
            error_message = $5, metadata = coalesce(metadata, '{}') || $6, completed_at = gateway.now()
        where id = $1
        "#,
        run.generation_id as GenerationId,
        run.stage.status() as super::Status,
        &paths,
        run.provider_job_id,
        run.error_code.as_deref().map(|code| match run.cancel_fee.is_zero() {
            true => message(code, transition.picture.as_deref(), run.outputs_asked),
            false => CANCEL_CHARGED.to_owned(),
        }),
        metadata(run, outputs),
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn metadata(run: &Run, outputs: &[StoredOutput]) -> serde_json::Value {
    let sizes: Vec<_> = outputs
        .iter()
        .map(|output| {
            serde_json::json!({
                "format": output.format,
                "width": output.width,
                "height": output.height,
                "size_bytes": output.size_bytes,
            })
        })
        .collect();
    // A picture that was too large to be encoded anew has the format that it was made in.
    let format = outputs.first().map_or(run.output_format.as_str(), |output| output.format.as_str());
    let seconds = |from: Option<DateTime<Utc>>| match (from, run.settled_at) {
        (Some(from), Some(to)) => Some((to - from).num_milliseconds().max(0)),
        _ => None,
    };
    serde_json::json!({
        "seed": run.seed,
        "format": format,
        "outputs": sizes,
        "total_ms": seconds(Some(run.accepted_at)),
        "generation_ms": seconds(run.submitted_at),
    })
}

async fn record_event(tx: &mut PgConnection, transition: &Transition) -> Result<(), sqlx::Error> {
    let run = &transition.run;
    sqlx::query!(
        r#"
        insert into gateway.event (generation_id, kind, stage, attempt, detail, created_at)
        values ($1, $2, $3, $4, $5, gateway.now())
        "#,
        run.generation_id as GenerationId,
        transition.kind,
        run.stage as Stage,
        run.attempt,
        transition.attempt_outcome,
    )
    .execute(tx)
    .await?;
    Ok(())
}
