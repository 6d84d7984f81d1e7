//! SQL: who reads an object of the provider's and then writes what follows from it, writes only if nobody else did so
//! in between; otherwise an old reading could undo a newer one.

use sqlx::{PgConnection, PgPool};

/// The version of an object, to be read before the object itself.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    object_id: String,
    version: i64,
}

/// Notes the version of an object that is about to be read.
pub(super) async fn look(pool: &PgPool, object_id: &str) -> Result<Seen, sqlx::Error> {
    let version = sqlx::query_scalar!("select version from gateway.provider_object where object_id = $1", object_id);
    let version = version.fetch_optional(pool).await?.unwrap_or(0);
    Ok(Seen { object_id: object_id.to_owned(), version })
}

/// Moves the version on, as the first thing that the caller's transaction does; `false` if somebody else has.
pub(super) async fn claim(connection: &mut PgConnection, seen: &Seen) -> Result<bool, sqlx::Error> {
    let claimed = sqlx::query!(
        r#"
        insert into gateway.provider_object as known (object_id, version) values ($1, $2::bigint + 1)
        on conflict (object_id) do update set version = known.version + 1
        where known.version = $2::bigint
        "#,
        seen.object_id,
        seen.version,
    )
    .execute(connection)
    .await?;
    Ok(claimed.rows_affected() == 1)
}
