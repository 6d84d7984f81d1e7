//! SQL: whether a user with a valid token still exists.

use sqlx::PgPool;

use crate::ids::UserId;

/// Whether the user has a profile, without which nothing can be generated or bought.
///
/// # Errors
/// Whatever the database says.
pub async fn has_profile(pool: &PgPool, user_id: UserId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from public.profiles where id = $1) as "has_profile!""#,
        user_id as UserId
    )
    .fetch_one(pool)
    .await
}
