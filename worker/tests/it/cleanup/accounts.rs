//! Whoever deletes the user of the sign-in server deletes everything.

use devstack::builders::{model, request};
use devstack::samples::Sample;
use devstack::test_stack::TestStack;
use image::ImageFormat;
use shared::retention::{Kind, Mode};
use shootx_worker::housekeeping;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{DAY, clean, number, objects, put, removed, upload};
use crate::generations::{accepted, delivered, flat, inline};

/// Tables with a row that holds this id anywhere, whatever its column.
async fn tables_that_know(stack: &TestStack, id: Uuid) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', schemaname, tablename) from pg_tables
         where schemaname in ('public', 'gateway', 'apalis', 'auth') order by 1",
    )
    .fetch_all(stack.database.pool())
    .await
    .unwrap();
    let mut knowing = Vec::new();
    for table in tables {
        let query = format!("select count(*) from {table} as t where to_jsonb(t)::text like '%{id}%'");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(stack.database.pool()).await.unwrap();
        if rows > 0 {
            knowing.push(table);
        }
    }
    knowing
}

#[tokio::test]
async fn a_deleted_user_leaves_no_row_and_no_object() {
    let stack = TestStack::new().await;
    let (user, other) = (stack.user().await, stack.user().await);
    let path = upload(&stack, &user, "a.png", Sample::Mug.file(80, ImageFormat::Png)).await;
    // A name that the store takes and we would not.
    let long = format!("{}.png", "a".repeat(241));
    drop(upload(&stack, &user, &long, Sample::Mug.file(80, ImageFormat::Png)).await);
    delivered(&stack, &user, request("upscale").picture("input_image", path)).await;
    let base64 = inline(&flat(40, 30, [9, 99, 199]));
    delivered(&stack, &user, request("upscale").picture("input_image", base64)).await;
    let _ = user.generate_once("key", &model().build()).await.unwrap().expecting(202);
    let _ = user.quote(&model().build()).await.unwrap().expecting(201);
    let theirs = delivered(&stack, &other, model()).await;

    assert!(stack.supabase.delete_user(user.id()).await);
    assert_eq!(tables_that_know(&stack, user.id()).await, ["gateway.removed_user"]);
    assert_eq!(clean(&stack, &[Kind::RemovedUsers], Mode::Look).await.unwrap().of(Kind::RemovedUsers).count, 7);
    housekeeping::clean_up(&stack.worker).await.unwrap();
    let hers =
        |stack: &TestStack| objects(stack).into_iter().filter(|path| path.contains(&user.id().to_string())).count();
    assert_eq!(hers(&stack), 0);
    assert_eq!(objects(&stack).len(), 2, "the other user's");

    // What was on its way when she went is removed a day later, and then nothing of her is kept in mind.
    put(&stack, &format!("{}/uploads/late.png", user.id())).await;
    housekeeping::clean_up(&stack.worker).await.unwrap();
    assert_eq!(hers(&stack), 1);
    stack.advance(DAY).await;
    assert_eq!(removed(&stack, Kind::RemovedUsers).await.count, 1);
    assert_eq!(tables_that_know(&stack, user.id()).await, Vec::<String>::new());
    let other = stack.sign_in_again(&other).await;
    assert_eq!(other.status(theirs.id).await.unwrap().expecting(200).body["image_urls"].as_array().unwrap().len(), 2);
    stack.drain().await;
    stack.reconcile().await;
}

#[tokio::test]
async fn workers_in_the_middle_of_her_runs_survive_it() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    // One that waits, one at the provider, and one whose result is there: nothing of them is left to move.
    let mut runs = Vec::new();
    for _ in 0..2 {
        runs.push(accepted(&user, model()).await);
        stack.drain().await;
    }
    runs.push(accepted(&user, model()).await);
    assert_eq!(number(&stack, "select count(*) from gateway.run where settled_at is null").await, 3);
    assert!(stack.supabase.delete_user(user.id()).await);
    for _ in 0..40 {
        stack.advance(std::time::Duration::from_secs(20)).await;
        stack.drain().await;
    }
    assert_eq!(number(&stack, "select count(*) from gateway.run").await, 0);
    assert_eq!(number(&stack, "select count(*) from public.credit_transactions").await, 0);
    stack.advance(DAY).await;
    housekeeping::clean_up(&stack.worker).await.unwrap();
    assert!(objects(&stack).is_empty());
    stack.reconcile().await;
}

#[tokio::test]
async fn nobody_who_is_there_is_removed_whatever_the_rows_say() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    delivered(&stack, &user, model()).await;
    let noted = format!(
        "insert into gateway.removed_user (user_id, removed_at, next_at) values ('{}', '-infinity', '-infinity')",
        user.id()
    );
    super::run(&stack, &noted).await;
    for mode in [Mode::Look, Mode::Apply] {
        assert_eq!(clean(&stack, &[Kind::RemovedUsers], mode).await.unwrap().of(Kind::RemovedUsers).count, 0);
    }
    assert_eq!(objects(&stack).len(), 2);
    stack.reconcile().await;
}
