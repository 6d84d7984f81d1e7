//! SQL: what must be true of the money (`reconcile.sql`).

use sqlx::PgPool;
use uuid::Uuid;

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
/// Per user the balance is the sum of the entries; per run the reservation is its price, and what the entries
/// leave is what the delivered outputs cost, from the row's own numbers.
///
/// # Errors
/// Whatever the database says.
pub async fn reconcile(pool: &PgPool) -> Result<Vec<Difference>, sqlx::Error> {
    sqlx::query_file_as!(Difference, "src/ledger/reconcile.sql").fetch_all(pool).await
}
