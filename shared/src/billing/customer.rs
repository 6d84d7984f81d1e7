//! SQL: the id of a user's customer at Stripe.

use sqlx::{PgConnection, PgPool};

use super::purchase::Purchase;
use crate::ids::UserId;

/// The user's customer id when this purchase began: a repeated request must send the same.
pub(super) async fn find(pool: &PgPool, purchase: &Purchase) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "select customer_id from gateway.customer where user_id = $1 and known_at <= $2",
        purchase.user_id as UserId,
        purchase.created_at,
    )
    .fetch_optional(pool)
    .await
}

/// Stores the user's customer id, from their first purchase on.
pub(super) async fn note(connection: &mut PgConnection, user_id: UserId, customer_id: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        insert into gateway.customer (user_id, customer_id, known_at) values ($1, $2, gateway.now())
        on conflict do nothing
        "#,
        user_id as UserId,
        customer_id,
    )
    .execute(connection)
    .await?;
    Ok(())
}
