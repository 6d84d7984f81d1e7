//! SQL: what must be true of the money (`reconcile.sql`).

use std::time::Duration;

use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::db;

/// How long one statement may take that reads all of the books.
const READ_TIME_MAX: Duration = Duration::from_mins(5);

/// Something that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// Which rule is broken.
    pub rule: String,
    /// The user or generation it is broken for.
    pub id: Uuid,
    /// What the rule demands, credits.
    pub expected: i64,
    /// What the rows say, credits.
    pub found: i64,
}

/// Lists broken rules, at most 1,000; empty when all is well. Repairs nothing.
///
/// Per user the balance is the sum of the entries and not below zero; per run the reservation is its price, and what
/// the entries leave is what the delivered outputs or a late cancel cost, from the row's own numbers; no refund is without reservation.
///
/// # Errors
/// Whatever the database says.
pub async fn reconcile(pool: &PgPool) -> Result<Vec<Difference>, sqlx::Error> {
    let mut connection = connect_for_reading(pool).await?;
    let mut tx = connection.begin().await?;
    let found = differences(&mut tx).await?;
    tx.commit().await?;
    Ok(found)
}

pub(super) async fn differences(connection: &mut PgConnection) -> Result<Vec<Difference>, sqlx::Error> {
    sqlx::query_file_as!(Difference, "src/ledger/reconcile.sql").fetch_all(connection).await
}

/// Opens a connection whose statements may take as long as an audit of the whole ledger.
pub(super) async fn connect_for_reading(pool: &PgPool) -> Result<PgConnection, sqlx::Error> {
    db::connect_for_long(pool, READ_TIME_MAX).await
}
