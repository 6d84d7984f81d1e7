//! SQL: removing the objects whose paths are noted in `gateway.stored_object`, and forgetting old uses.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::{Amount, BATCH, BATCHES_MAX, CleanupError, IN_FLIGHT, Kind, USES_KEPT, in_batches, seconds};
use crate::ids::{GenerationId, UserId};
use crate::images::ImageStore;

/// How long whoever claims a path may take to remove it: longer than a call to the store, with all its tries.
const CLAIM_SECONDS: f64 = 300.0;

/// Paths that were claimed together.
struct Claim {
    paths: Vec<String>,
    bytes: i64,
    until: DateTime<Utc>,
}

/// Removes the objects that are noted as `kind`, of one user's `paths` or of all, and forgets them. Safe beside anybody
/// else who does the same, and to repeat.
///
/// # Errors
/// See [`CleanupError`]. What was claimed then is claimed again after five minutes.
pub async fn remove_noted(
    pool: &PgPool,
    images: &dyn ImageStore,
    kind: Kind,
    paths: Option<&[String]>,
) -> Result<Amount, CleanupError> {
    let mut removed = Amount::default();
    for _ in 0..BATCHES_MAX {
        let Some(claim) = claim(pool, kind, paths).await? else { break };
        images.delete(&claim.paths).await?;
        forget(pool, &claim).await?;
        removed.add(Amount::of(i64::try_from(claim.paths.len()).unwrap_or(0), claim.bytes));
    }
    Ok(removed)
}

/// The conditions stand twice: the first finds paths, the second is asked of rows as they are by then, so that of two
/// who claim a path one gets it, and none that a request has named meanwhile.
async fn claim(pool: &PgPool, kind: Kind, paths: Option<&[String]>) -> Result<Option<Claim>, sqlx::Error> {
    let claimed = sqlx::query!(
        r#"
        with due as (
            select path from gateway.stored_object as noted
            where remove_as = $1 and ($2::text[] is null or path = any ($2))
              and (removing_until is null or removing_until <= gateway.now())
              and (used_at is null or used_at <= gateway.now() - make_interval(secs => $3))
              and not exists (
                  select from gateway.run join public.generations on generations.id = run.generation_id
                  where run.user_id = noted.user_id and run.stage in ('queued', 'submitting', 'running', 'collecting')
                    and gateway.may_name(generations.input_data::text, array[noted.path], run.user_id)
                    and noted.path in (select gateway.named_pictures(generations.input_data, '{}', run.user_id)))
            order by noted_at
            limit $4
        )
        update gateway.stored_object
        set removing_until = gateway.now() + make_interval(secs => $5)
        where path in (select path from due) and remove_as = $1
          and (removing_until is null or removing_until <= gateway.now())
          and (used_at is null or used_at <= gateway.now() - make_interval(secs => $3))
        returning path, size_bytes, removing_until as "until!"
        "#,
        kind.as_str(),
        paths,
        seconds(IN_FLIGHT),
        BATCH,
        CLAIM_SECONDS,
    )
    .fetch_all(pool)
    .await?;
    let Some(until) = claimed.first().map(|row| row.until) else { return Ok(None) };
    let bytes = claimed.iter().map(|row| row.size_bytes).sum();
    Ok(Some(Claim { paths: claimed.into_iter().map(|row| row.path).collect(), bytes, until }))
}

async fn forget(pool: &PgPool, claim: &Claim) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from gateway.stored_object where path = any ($1) and removing_until = $2",
        &claim.paths,
        claim.until,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// What is noted as `kind` and could be removed now.
pub(super) async fn count_noted(pool: &PgPool, kind: Kind) -> Result<Amount, sqlx::Error> {
    let noted = sqlx::query!(
        r#"
        select count(*) as "objects!", coalesce(sum(size_bytes), 0)::bigint as "bytes!"
        from gateway.stored_object as noted
        where remove_as = $1
          and (used_at is null or used_at <= gateway.now() - make_interval(secs => $2))
          and not exists (
              select from gateway.run join public.generations on generations.id = run.generation_id
              where run.user_id = noted.user_id and run.stage in ('queued', 'submitting', 'running', 'collecting')
                and gateway.may_name(generations.input_data::text, array[noted.path], run.user_id)
                and noted.path in (select gateway.named_pictures(generations.input_data, '{}', run.user_id)))
        "#,
        kind.as_str(),
        seconds(IN_FLIGHT),
    )
    .fetch_one(pool)
    .await?;
    Ok(Amount::of(noted.objects, noted.bytes))
}

/// Forgets which pictures a request named that was admitted and then refused. Returns how many that were. A picture that
/// another request named at the same time is left to [`forget_uses`].
///
/// # Errors
/// Whatever the database says. What is left then is forgotten by [`forget_uses`].
pub async fn forget_uses_of(pool: &PgPool, user_id: UserId, refused: GenerationId) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "delete from gateway.stored_object where user_id = $1 and used_by = $2 and remove_as is null",
        user_id as UserId,
        refused as GenerationId,
    )
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}

/// Forgets that pictures were named, once that protects them no longer.
///
/// # Errors
/// Whatever the database says.
pub async fn forget_uses(pool: &PgPool) -> Result<(), sqlx::Error> {
    in_batches(|limit| forget_batch(pool, limit)).await.map(drop)
}

async fn forget_batch(pool: &PgPool, limit: i64) -> Result<i64, sqlx::Error> {
    let forgotten = sqlx::query!(
        r#"
        delete from gateway.stored_object
        where path in (select path from gateway.stored_object
                       where remove_as is null and used_at <= gateway.now() - make_interval(secs => $1) limit $2)
          and remove_as is null and used_at <= gateway.now() - make_interval(secs => $1)
        "#,
        seconds(USES_KEPT),
        limit,
    )
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected().cast_signed())
}
