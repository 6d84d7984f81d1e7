//! SQL: the folders of users who are gone, noted by the trigger on `auth.users`.

use chrono::TimeDelta;
use sqlx::PgPool;
use uuid::Uuid;

use super::{Amount, CleanupError, Mode, seconds};
use crate::images::{ImageStore, Listing};

/// Users of one round.
const USERS_MAX: i64 = 20;
/// Pages of one folder in one round: a hundred thousand objects. What is left waits for the next.
const PAGES_MAX: usize = 100;
/// How long whoever takes up a folder has it for herself.
const TAKEN: TimeDelta = TimeDelta::minutes(10);
/// When the folder is looked at again: tokens last an hour, a run half of one, and both may have put more there.
const AGAIN: TimeDelta = TimeDelta::hours(24);

/// Removes, or counts, what is stored of users who are gone.
///
/// # Errors
/// The first of any user's, see [`CleanupError`]; the others were seen to. What is left is due again after ten minutes.
pub async fn remove_accounts(pool: &PgPool, images: &dyn ImageStore, mode: Mode) -> Result<Amount, CleanupError> {
    let mut amount = Amount::default();
    let users = match mode {
        Mode::Look => list(pool).await?,
        Mode::Apply => take(pool).await?,
    };
    let mut failed = None;
    for user_id in users {
        match remove_account(pool, images, user_id, mode).await {
            Ok(found) => amount.add(found),
            Err(error) => {
                tracing::error!(%user_id, %error, "a user is gone and not all of her pictures were removed");
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(amount), Err)
}

async fn remove_account(
    pool: &PgPool,
    images: &dyn ImageStore,
    user_id: Uuid,
    mode: Mode,
) -> Result<Amount, CleanupError> {
    let (found, is_empty) = empty_folder(images, user_id, mode).await?;
    if mode == Mode::Apply {
        end_round(pool, user_id, is_empty).await?;
    }
    Ok(found)
}

/// The slash keeps it to this user; what the store lists beyond it is refused by [`ImageStore::list`].
async fn empty_folder(images: &dyn ImageStore, user_id: Uuid, mode: Mode) -> Result<(Amount, bool), CleanupError> {
    let (mut amount, mut cursor) = (Amount::default(), None);
    for _ in 0..PAGES_MAX {
        let Listing { objects, next } = images.list(&format!("{user_id}/"), cursor.as_deref()).await?;
        let bytes = objects.iter().map(|object| object.size_bytes).sum();
        let paths: Vec<String> = objects.into_iter().map(|object| object.path).collect();
        if mode == Mode::Apply {
            images.delete_listed(&paths).await?;
        }
        amount.add(Amount::of(i64::try_from(paths.len()).unwrap_or(0), bytes));
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok((amount, true)),
        }
    }
    Ok((amount, false))
}

async fn list(pool: &PgPool) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select user_id from gateway.removed_user
        where next_at <= gateway.now() and not exists (select from gateway.list_shown_pictures(array[removed_user.user_id]))
        order by next_at limit $1
        "#,
        USERS_MAX,
    )
    .fetch_all(pool)
    .await
}

async fn take(pool: &PgPool) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        update gateway.removed_user set next_at = gateway.now() + make_interval(secs => $1)
        where user_id in (
            select user_id from gateway.removed_user
            where next_at <= gateway.now()
              -- Nobody who is there, whatever these rows say: a restored database may disagree with them.
              and not exists (select from gateway.list_shown_pictures(array[removed_user.user_id]))
            order by next_at limit $2
            for update skip locked)
        returning user_id
        "#,
        seconds(TAKEN),
        USERS_MAX,
    )
    .fetch_all(pool)
    .await
}

/// After the second round nothing of her is kept here, either.
async fn end_round(pool: &PgPool, user_id: Uuid, is_empty: bool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        with gone as (
            delete from gateway.removed_user where user_id = $1 and $2::boolean and rounds > 0
        )
        update gateway.removed_user
        set rounds = rounds + $2::boolean::int::smallint,
            next_at = gateway.now() + make_interval(secs => case when $2 then $3::float8 else 0 end)
        where user_id = $1 and not ($2 and rounds > 0)
        "#,
        user_id,
        is_empty,
        seconds(AGAIN),
    )
    .execute(pool)
    .await?;
    Ok(())
}
