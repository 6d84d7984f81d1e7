//! SQL: what is told, on its way into a mail and to its end. Called under the lease of its user's mailing.

use secrecy::SecretString;
use sqlx::PgConnection;

use super::letter::Told;
use super::{LATE_MAX, NAMED_MAX, ROWS_MAX};
use crate::ids::{GenerationId, MailId, UserId};

/// Ends the rows that nobody is told: those of a user who wants no mail, of generations that she has deleted, those that
/// would come too late, and those of a mail that is sent no more.
pub(super) async fn drop_vain(
    tx: &mut PgConnection,
    user_id: UserId,
    is_wanted: bool,
    is_mail_vain: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        update gateway.notification
        set state = case when not $2 or generations.deleted_at is not null then 'unwanted' else 'given_up' end
        from public.generations
        where generations.id = generation_id and notification.user_id = $1
          and (state = 'waiting' and (not $2 or generations.deleted_at is not null
                                      or notification.created_at < gateway.now() - make_interval(secs => $3))
               or state = 'sending' and (not $2 or $4))
        "#,
        user_id as UserId,
        is_wanted,
        LATE_MAX.as_secs_f64(),
        is_mail_vain,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Puts what waits into a mail; returns how much.
pub(super) async fn gather(tx: &mut PgConnection, user_id: UserId, mail_id: MailId) -> Result<u64, sqlx::Error> {
    let gathered = sqlx::query!(
        r#"
        update gateway.notification
        set state = 'sending', mail_id = $2
        where (generation_id, event) in (
            select generation_id, event from gateway.notification
            where user_id = $1 and state = 'waiting'
            order by created_at, generation_id
            limit $3)
        "#,
        user_id as UserId,
        mail_id as MailId,
        ROWS_MAX,
    )
    .execute(tx)
    .await?;
    Ok(gathered.rows_affected())
}

/// Where a mail goes.
pub(super) async fn address(tx: &mut PgConnection, mail_id: MailId) -> Result<Option<SecretString>, sqlx::Error> {
    let found = sqlx::query_scalar!("select gateway.find_mail_address($1)", mail_id as MailId).fetch_one(tx).await?;
    Ok(found.map(SecretString::from))
}

/// The generations that a mail names.
pub(super) async fn list(tx: &mut PgConnection, mail_id: MailId) -> Result<Vec<Told>, sqlx::Error> {
    sqlx::query_as!(
        Told,
        r#"
        select generation_id as "generation_id: GenerationId", event = 'completed' as "is_completed!",
               coalesce(nullif(left(generations.workflow_name, 100), ''), 'Generation') as "title!",
               left(generations.error_message, 2000) as error_message, coalesce(run.outputs_asked, 0::smallint) as "outputs_asked!",
               coalesce(run.outputs_delivered, 0::smallint) as "outputs_delivered!"
        from gateway.notification
        join public.generations on generations.id = generation_id
        left join gateway.run using (generation_id)
        where mail_id = $1
        order by notification.created_at, generation_id
        limit $2
        "#,
        mail_id as MailId,
        NAMED_MAX,
    )
    .fetch_all(tx)
    .await
}

/// How many rows a mail has.
pub(super) async fn count(tx: &mut PgConnection, mail_id: MailId) -> Result<i64, sqlx::Error> {
    let counting = sqlx::query_scalar!(
        r#"select count(*) as "count!" from gateway.notification where mail_id = $1 and state = 'sending'"#,
        mail_id as MailId,
    );
    counting.fetch_one(tx).await
}

/// Gives the rows of a mail their new state, or back.
pub(super) async fn end(tx: &mut PgConnection, mail_id: MailId, state: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        update gateway.notification
        set state = $2, mail_id = case when $2 = 'waiting' then null else mail_id end
        where mail_id = $1 and state = 'sending'
        "#,
        mail_id as MailId,
        state,
    )
    .execute(tx)
    .await?;
    Ok(())
}
