//! SQL: a user deletes a generation of hers. What it cost stays; what she gave and what it made goes.

use sqlx::{PgConnection, PgPool};
use thiserror::Error;

use super::{IN_FLIGHT, seconds};
use crate::generation::Stage;
use crate::ids::{GenerationId, UserId};
use crate::images::is_valid_path;

/// Other generations of the user whose text is searched for the pictures of the deleted one. For a user with more, inputs
/// are left to the search for unused ones.
const OTHERS_MAX: i64 = 10_000;

/// Other generations that may name one of these pictures, or that hold encoded links: each is decoded, which costs about
/// a hundred times what searching its text does. If there are more, inputs are left to the search for unused ones.
const DECODED_MAX: i64 = 100;

/// Why a generation was not deleted.
#[derive(Debug, Error)]
pub enum DeleteError {
    /// There is none, or it is not hers.
    #[error("there is no such generation")]
    NotFound,
    /// It is not final.
    #[error("the generation is under way")]
    Open,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// Empties a generation, hides it, and notes its pictures for removal: all or nothing. Returns their paths, for
/// [`super::remove_noted`]; of a generation that was deleted before, none.
///
/// # Errors
/// See [`DeleteError`].
pub async fn delete_generation(
    pool: &PgPool,
    user_id: UserId,
    generation_id: GenerationId,
) -> Result<Vec<String>, DeleteError> {
    let mut tx = pool.begin().await?;
    let Some(is_deleted) = lock(&mut tx, user_id, generation_id).await? else { return Err(DeleteError::NotFound) };
    if is_deleted {
        return Ok(Vec::new());
    }
    if find_stage(&mut tx, generation_id).await?.is_some_and(|stage| !stage.is_final()) {
        return Err(DeleteError::Open);
    }
    let (outputs, inputs) = list_pictures(&mut tx, user_id, generation_id).await?;
    note(&mut tx, generation_id, user_id, &outputs, &inputs).await?;
    empty(&mut tx, generation_id).await?;
    tx.commit().await?;
    Ok(outputs.into_iter().map(|(path, _)| path).chain(inputs).collect())
}

/// Locks the generation, so that of two who delete it the second finds it deleted. `None`: there is none of hers.
async fn lock(
    tx: &mut PgConnection,
    user_id: UserId,
    generation_id: GenerationId,
) -> Result<Option<bool>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select deleted_at is not null as "deleted!" from public.generations where id = $1 and user_id = $2 for update"#,
        generation_id as GenerationId,
        user_id as UserId,
    )
    .fetch_optional(tx)
    .await
}

/// A final stage stays, so the run need not be locked; one of before this backend has none, and nothing will move it.
async fn find_stage(tx: &mut PgConnection, generation_id: GenerationId) -> Result<Option<Stage>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select stage as "stage: Stage" from gateway.run where generation_id = $1"#,
        generation_id as GenerationId,
    )
    .fetch_optional(tx)
    .await
}

/// Lists the outputs with their sizes, and the other pictures of the user that only this generation names
/// (`named_alone.sql`).
async fn list_pictures(
    tx: &mut PgConnection,
    user_id: UserId,
    generation_id: GenerationId,
) -> Result<(Vec<(String, i64)>, Vec<String>), sqlx::Error> {
    let outputs = sqlx::query!(
        "select path, size_bytes from gateway.output where generation_id = $1",
        generation_id as GenerationId
    )
    .fetch_all(&mut *tx)
    .await?;
    let named = sqlx::query_file_scalar!(
        "src/retention/named_alone.sql",
        user_id as UserId,
        generation_id as GenerationId,
        OTHERS_MAX,
        DECODED_MAX,
    )
    .fetch_all(tx)
    .await?;
    let outputs = outputs.into_iter().map(|row| (row.path, row.size_bytes)).collect();
    Ok((outputs, named.into_iter().filter(|path| is_valid_path(path)).collect()))
}

/// An input that another request has named within [`IN_FLIGHT`] is left to the search for unused ones.
async fn note(
    tx: &mut PgConnection,
    generation_id: GenerationId,
    user_id: UserId,
    outputs: &[(String, i64)],
    inputs: &[String],
) -> Result<(), sqlx::Error> {
    let (output_paths, sizes): (Vec<String>, Vec<i64>) = outputs.iter().cloned().unzip();
    sqlx::query!(
        r#"
        insert into gateway.stored_object as held (path, user_id, size_bytes, remove_as, noted_at)
        select path, $1, size_bytes, 'deleted_generations', gateway.now()
        from (select path, size_bytes from unnest($2::text[], $3::bigint[]) as output (path, size_bytes)
              union all
              select path, 0 from unnest($4::text[]) as input (path)) as picture
        order by path
        on conflict (path) do update
        set remove_as = excluded.remove_as, noted_at = excluded.noted_at,
            size_bytes = greatest(held.size_bytes, excluded.size_bytes),
            used_at = case when held.used_by = $5 then null else held.used_at end
        where held.used_at is null or held.used_by = $5 or held.path = any ($2)
           or held.used_at <= gateway.now() - make_interval(secs => $6)
        "#,
        user_id as UserId,
        &output_paths,
        &sizes,
        inputs,
        generation_id as GenerationId,
        seconds(IN_FLIGHT),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The row stays for the ledger, without anything she gave or got.
async fn empty(tx: &mut PgConnection, generation_id: GenerationId) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from gateway.output where generation_id = $1", generation_id as GenerationId)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        r#"
        update public.generations
        set deleted_at = gateway.now(), project_id = null, input_data = '{}', input_url = null, workflow_id = null,
            output_urls = '{}', output_url = null, image_url = null, metadata = '{}', error_message = null,
            brand_name = null, campaign_name = null, tags = '{}'
        where id = $1
        "#,
        generation_id as GenerationId,
    )
    .execute(tx)
    .await?;
    Ok(())
}
