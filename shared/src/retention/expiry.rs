//! SQL: outputs that are older than their user's plans, or the setting, keep them.

use sqlx::{Connection, PgPool};

use super::scan::connect_for_long;
use super::{Amount, PLAN_GRACE, in_batches, seconds};

/// Notes the outputs of generations past their time for removal, and takes them out of the rows that name them. Goes on
/// where the last call stopped, and begins anew at the end: what plans keep for years must not be in the way for ever.
pub(super) async fn expire(pool: &PgPool, days: u32) -> Result<(), sqlx::Error> {
    in_batches(|limit| expire_batch(pool, days, limit)).await.map(drop)
}

/// Looks at so many runs that are older than the setting, and returns how many there were. The longest time counts: the
/// setting's, and that of every plan she is subscribed to or was within the grace.
async fn expire_batch(pool: &PgPool, days: u32, limit: i64) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        with old as (
            select generation_id, settled_at
            from gateway.run, gateway.cleanup
            where stage = 'completed' and outputs_expired_at is null
              and settled_at <= gateway.now() - make_interval(days => $1)
              and (expiry_at is null or (settled_at, generation_id) > (expiry_at, expiry_id))
            order by settled_at, generation_id
            limit $3
        ), moved as (
            -- The last of them, or nothing where these were all.
            update gateway.cleanup
            set (expiry_at, expiry_id) = (select settled_at, generation_id from old
                                          order by settled_at, generation_id limit 1 offset $3 - 1)
        ), due as (
            select generation_id, user_id
            from gateway.run
            where generation_id in (select generation_id from old) and outputs_expired_at is null
              and not exists (
                  select from public.subscriptions join gateway.plan_retention using (plan_id)
                  where subscriptions.user_id = run.user_id
                    and (coalesce(subscriptions.status, 'active') in ('active', 'past_due')
                         or greatest(subscriptions.current_period_end, subscriptions.updated_at)
                            > gateway.now() - make_interval(secs => $2))
                    and run.settled_at > gateway.now() - make_interval(days => plan_retention.days))
              and gateway.try_keep_user(user_id)
            for update skip locked
        ), gone as (
            delete from gateway.output using due where output.generation_id = due.generation_id
            returning output.path, due.user_id, output.size_bytes
        ), noted as (
            insert into gateway.stored_object as held (path, user_id, size_bytes, remove_as, noted_at)
            select path, user_id, size_bytes, 'expired_outputs', gateway.now() from gone
            on conflict (path) do update
            set remove_as = excluded.remove_as, noted_at = excluded.noted_at, size_bytes = excluded.size_bytes
        ), emptied as (
            update public.generations
            set output_urls = '{}', output_url = null, image_url = null
            from due where generations.id = due.generation_id
        ), marked as (
            update gateway.run set outputs_expired_at = gateway.now()
            from due where run.generation_id = due.generation_id
        )
        select count(*) as "runs!" from old
        "#,
        i32::try_from(days).unwrap_or(i32::MAX),
        seconds(PLAN_GRACE),
        limit,
    )
    .fetch_one(pool)
    .await
}

/// What [`expire`] would note now.
pub(super) async fn count(pool: &PgPool, days: u32) -> Result<Amount, sqlx::Error> {
    let mut connection = connect_for_long(pool).await?;
    let mut tx = connection.begin().await?;
    let due = sqlx::query!(
        r#"
        select count(*) as "objects!", coalesce(sum(size_bytes), 0)::bigint as "bytes!"
        from gateway.run join gateway.output using (generation_id)
        where stage = 'completed' and outputs_expired_at is null
          and settled_at <= gateway.now() - make_interval(days => $1)
          and not exists (
              select from public.subscriptions join gateway.plan_retention using (plan_id)
              where subscriptions.user_id = run.user_id
                and (coalesce(subscriptions.status, 'active') in ('active', 'past_due')
                     or greatest(subscriptions.current_period_end, subscriptions.updated_at)
                        > gateway.now() - make_interval(secs => $2))
                and run.settled_at > gateway.now() - make_interval(days => plan_retention.days))
        "#,
        i32::try_from(days).unwrap_or(i32::MAX),
        seconds(PLAN_GRACE),
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(Amount::of(due.objects, due.bytes))
}
