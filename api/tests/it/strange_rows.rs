//! Rows that users could write freely, before this backend or through Supabase, hold the largest and strangest values
//! of their types. Every read is still answered, with a bounded body, and every generation can be deleted.

use devstack::strange_rows::{self, Strange};
use devstack::test_stack::{TestStack, TestUser};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Longest answer to any read, in bytes.
const ANSWER_BYTES_MAX: usize = 200_000;

/// The reads of the API that a user has, as its own document lists them.
async fn reads(stack: &TestStack, id: Uuid) -> Vec<String> {
    let document = stack.anonymous().get("/openapi.json").await.unwrap().expecting(200).body;
    let paths = document["paths"].as_object().unwrap();
    let for_users = |(_, operations): &(&String, &Value)| operations["get"]["security"].is_array();
    paths.iter().filter(for_users).map(|(path, _)| path.replace("{generation_id}", &id.to_string())).collect()
}

async fn all_answered(stack: &TestStack, user: &TestUser, id: Uuid, what: &str) {
    for path in reads(stack, id).await {
        let answer = user.get(&path).await.unwrap();
        assert!(answer.status == 200, "{path} with {what}: {} {}", answer.status, answer.body);
        let length = answer.body.to_string().len();
        assert!(length <= ANSWER_BYTES_MAX, "{path} with {what}: {length} bytes");
    }
}

/// Deletes a second generation of the user that has the same values as the first.
async fn a_second_is_deleted(stack: &TestStack, user: &TestUser, state: &Strange) {
    let (pool, id) = (stack.database.pool(), Uuid::now_v7());
    let second = format!(
        "insert into public.generations (id, user_id, generation_type, method, status)
         values ('{id}', '{}', 'model', 'automatic', 'completed')",
        user.id()
    );
    sqlx::query(AssertSqlSafe(second)).execute(pool).await.unwrap();
    state.apply(pool).await.unwrap();
    let answer = user.delete(id).await.unwrap();
    assert_eq!(answer.status, 204, "{state:?}: {}", answer.body);
    sqlx::query("delete from public.generations where id = $1").bind(id).execute(pool).await.unwrap();
}

#[tokio::test]
async fn every_read_is_answered_whatever_a_row_holds() {
    let settings = [("USER_RATE_PER_SECOND", "10000"), ("ADDRESS_RATE_PER_SECOND", "10000")];
    let stack = settings.iter().fold(TestStack::builder(), |builder, (name, value)| builder.set(name, value));
    let stack = stack.start().await;
    let user = stack.user().await;
    let (pool, id) = (stack.database.pool(), Uuid::now_v7());
    let states = strange_rows::lay(pool, user.id(), id).await.unwrap();
    assert!(reads(&stack, id).await.len() >= 6, "{:?}", reads(&stack, id).await);
    all_answered(&stack, &user, id, "ordinary values").await;
    for state in states {
        state.apply(pool).await.unwrap();
        all_answered(&stack, &user, id, &format!("{state:?}")).await;
        if matches!(state.table.as_str(), "generations" | "projects" | "profiles") {
            a_second_is_deleted(&stack, &user, &state).await;
        }
        state.undo(pool).await.unwrap();
    }
    drop(user.delete(id).await.unwrap().expecting(204));
}
