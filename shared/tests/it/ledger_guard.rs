//! Entries are never changed and never go, unless their user does.

use devstack::postgres::TestDatabase;

use crate::people::{reconcile, refusal, run, sign_up, value};

#[tokio::test]
async fn not_even_the_owner_changes_an_entry() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    sign_up(pool, "ada@example.com").await;
    for attack in [
        "update public.credit_transactions set description = 'x'",
        "delete from public.credit_transactions",
        "truncate public.credit_transactions",
        "truncate public.profiles cascade",
    ] {
        assert_eq!(refusal(sqlx::query(attack).execute(pool).await), "23001", "{attack}");
    }
    reconcile(pool).await;
}

#[tokio::test]
async fn a_generation_with_entries_stays() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let user = sign_up(pool, "ada@example.com").await;
    run(pool, &spending(user)).await;
    assert_eq!(refusal(sqlx::query("delete from generations").execute(pool).await), "23503");
}

#[tokio::test]
async fn deleting_the_user_deletes_her_entries_with_her() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let (ada, eve) = (sign_up(pool, "ada@example.com").await, sign_up(pool, "eve@example.com").await);
    run(pool, &spending(ada)).await;
    run(pool, &spending(eve)).await;
    run(pool, &format!("begin; set local role supabase_auth_admin; delete from auth.users where id = '{ada}'; commit"))
        .await;
    assert_eq!(value::<i64>(pool, "select count(*) from credit_transactions").await, 2, "only Eve's are left");
    assert_eq!(value::<i64>(pool, "select count(*) from generations").await, 1);
    reconcile(pool).await;
}

#[tokio::test]
async fn an_entry_happens_once_and_a_balance_never_falls_below_zero() {
    let database = TestDatabase::new().await;
    let pool = database.pool();
    let user = sign_up(pool, "ada@example.com").await;
    let again = format!(
        "insert into credit_transactions (user_id, amount, transaction_type, entry_key) values ('{user}', 100, 'grant', 'grant:welcome:{user}')"
    );
    let error = sqlx::query(sqlx::AssertSqlSafe(again)).execute(pool).await.unwrap_err();
    assert_eq!(shared::db::constraint_name(&error), Some("credit_transactions_entry_key_once"));
    let error = sqlx::query("update credits set balance = balance - 101").execute(pool).await.unwrap_err();
    assert_eq!(shared::db::constraint_name(&error), Some("credits_never_negative"));
}

fn spending(user: uuid::Uuid) -> String {
    format!(
        "with g as (insert into generations (user_id, generation_type, method) values ('{user}', 'model', 'automatic') returning id)
         insert into credit_transactions (user_id, amount, transaction_type, generation_id, entry_key)
         select '{user}', -2, 'generation', id, 'generation:' || id from g;
         update credits set balance = balance - 2 where user_id = '{user}'"
    )
}
