//! Acting as Supabase does: its sign-up, a browser with a user's token, and pictures of what a table holds.

use serde_json::Value;
use sqlx::postgres::{PgPool, PgQueryResult};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

/// Signs a user up as the sign-in server does and returns her id.
pub(crate) async fn sign_up(pool: &PgPool, email: &str) -> Uuid {
    let id = Uuid::now_v7();
    sqlx::query("insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data) values ($1, $2, now(), '{\"full_name\": \"Ada\"}')")
        .bind(id)
        .bind(email)
        .execute(pool)
        .await
        .unwrap();
    id
}

/// Runs one statement as the data API would for a signed-in user.
pub(crate) async fn as_user(pool: &PgPool, user: Uuid, statement: &str) -> Result<PgQueryResult, sqlx::Error> {
    let claims = serde_json::json!({ "sub": user, "role": "authenticated", "aud": "authenticated" }).to_string();
    as_role(pool, "authenticated", &claims, statement).await
}

/// Runs one statement as the data API would without a token.
pub(crate) async fn as_anon(pool: &PgPool, statement: &str) -> Result<PgQueryResult, sqlx::Error> {
    as_role(pool, "anon", r#"{"role": "anon"}"#, statement).await
}

/// Runs one statement as `role`, which sees `claims`.
pub(crate) async fn as_role(
    pool: &PgPool,
    role: &str,
    claims: &str,
    statement: &str,
) -> Result<PgQueryResult, sqlx::Error> {
    let mut tx = pool.begin().await?;
    tx.execute(AssertSqlSafe(format!("set local role {role}"))).await?;
    sqlx::query("select set_config('request.jwt.claims', $1, true)").bind(claims).execute(&mut *tx).await?;
    let result = tx.execute(AssertSqlSafe(statement.to_owned())).await?;
    tx.commit().await?;
    Ok(result)
}

/// How many rows a statement shows to a signed-in user.
pub(crate) async fn seen(pool: &PgPool, user: Uuid, query: &str) -> u64 {
    as_user(pool, user, query).await.unwrap().rows_affected()
}

/// The SQLSTATE of a refusal.
#[track_caller]
pub(crate) fn refusal<T>(result: Result<T, sqlx::Error>) -> String {
    let error = result.err().expect("this was to be refused");
    error.as_database_error().expect("refused by the database").code().unwrap().into_owned()
}

/// Everything in a table, in a stable order.
pub(crate) async fn rows(pool: &PgPool, table: &str) -> Value {
    let query = format!("select coalesce(jsonb_agg(to_jsonb(t) order by to_jsonb(t)::text), '[]') from {table} t");
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(pool).await.unwrap()
}

/// The first value of the first row.
pub(crate) async fn value<T>(pool: &PgPool, query: &str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(pool).await.unwrap()
}

/// Runs statements as the superuser.
pub(crate) async fn run(pool: &PgPool, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(pool).await.unwrap();
}

/// What must hold at every commit: each balance is the sum of its entries.
pub(crate) async fn reconcile(pool: &PgPool) {
    let differing: i64 = value(
        pool,
        "select count(*) from
           (select user_id, balance from public.credits) c
           full join (select user_id, sum(amount) as ledger from public.credit_transactions group by user_id) l using (user_id)
         where coalesce(balance, 0) <> coalesce(ledger, 0)",
    )
    .await;
    assert_eq!(differing, 0, "balances that differ from their entries");
}
