//! What only the database tells: how a run was made. SQL.

use sqlx::PgPool;
use uuid::Uuid;

/// What the endpoint spoke that ran the generation.
///
/// # Errors
/// Whatever the database says.
pub async fn dialect(pool: &PgPool, generation_id: Uuid) -> Result<String, sqlx::Error> {
    let found = sqlx::query_scalar("select dialect from gateway.run where generation_id = $1");
    found.bind(generation_id).fetch_one(pool).await
}
