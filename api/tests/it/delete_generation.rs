//! `DELETE /api/v1/generations/{generation_id}`.

use devstack::bucket::BUCKET;
use devstack::builders::{RequestBuilder, model, request};
use devstack::samples::{self, Sample};
use devstack::test_stack::{TestStack, TestUser};
use image::ImageFormat;
use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Words that nobody else would write.
const SECRET: &str = "a wedding dress for Eleonora";

async fn generated(stack: &TestStack, user: &TestUser, request: RequestBuilder) -> Uuid {
    let id = user.generate(&request.build()).await.unwrap().expecting(202).generation_id();
    assert_eq!(stack.finish(user, id).await["status"], "completed");
    id
}

fn objects(stack: &TestStack) -> Vec<String> {
    stack.supabase.objects().into_iter().filter(|object| object.bucket == BUCKET).map(|object| object.key).collect()
}

async fn number(stack: &TestStack, query: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(stack.database.pool()).await.unwrap()
}

/// Columns of all tables that hold this text in the row of anybody.
async fn tables_with(stack: &TestStack, text: &str) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', schemaname, tablename) from pg_tables
         where schemaname in ('public', 'gateway', 'apalis') order by 1",
    )
    .fetch_all(stack.database.pool())
    .await
    .unwrap();
    let mut found = Vec::new();
    for table in tables {
        if number(stack, format!("select count(*) from {table} as t where to_jsonb(t)::text like '%{text}%'")).await > 0
        {
            found.push(table);
        }
    }
    found
}

#[tokio::test]
async fn everything_she_gave_and_got_goes_at_once_and_the_ledger_stays() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let picture = samples::base64(&Sample::Mug.file(80, ImageFormat::Png));
    let body = request("background").picture("input_image", picture).prompt(SECRET).field("brand_name", SECRET);
    let body = body.field("campaign_name", SECRET).field("tags", json!([SECRET]));
    let id = generated(&stack, &user, body).await;
    let before = user.get("/api/v1/credits/transactions").await.unwrap().expecting(200).body;
    let link = user.status(id).await.unwrap().expecting(200).body["image_urls"][0].as_str().unwrap().to_owned();
    assert_eq!(tables_with(&stack, SECRET).await, ["public.generations"]);

    for _ in 0..2 {
        let gone = user.delete(id).await.unwrap().expecting(204);
        assert_eq!(gone.body, "");
    }
    assert_eq!(objects(&stack), Vec::<String>::new());
    assert!(user.download(&link).await.is_err());
    assert_eq!(tables_with(&stack, SECRET).await, Vec::<String>::new());
    assert_eq!(tables_with(&stack, &format!("{id}/1")).await, Vec::<String>::new());
    let kept = format!(
        "select count(*) from public.generations join gateway.run on generation_id = id
         where id = '{id}' and deleted_at is not null and price > 0 and outputs_delivered > 0 and input_data = '{{}}'"
    );
    assert_eq!(number(&stack, kept).await, 1);
    assert_eq!(user.get("/api/v1/credits/transactions").await.unwrap().expecting(200).body, before);

    let _ = user.status(id).await.unwrap().expecting(404);
    let _ = user.cancel(id).await.unwrap().expecting(404);
    assert_eq!(user.get("/api/v1/generations").await.unwrap().expecting(200).body["items"], json!([]));
    let as_browser = format!(
        "begin; set local role authenticated; set local request.jwt.claims = '{{\"sub\": \"{}\"}}';
         do $$ begin if exists (select from public.generations) then raise 'it is seen'; end if; end $$; commit",
        user.id()
    );
    sqlx::raw_sql(AssertSqlSafe(as_browser)).execute(stack.database.pool()).await.unwrap();
    stack.reconcile().await;
}

#[tokio::test]
async fn what_is_under_way_must_be_cancelled_first() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let id = user.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    let refused = user.delete(id).await.unwrap().expecting(409);
    assert_eq!(refused.body["code"], "generation-open", "{}", refused.body);
    let _ = user.status(id).await.unwrap().expecting(200);
    let _ = user.cancel(id).await.unwrap().expecting(200);
    let _ = user.delete(id).await.unwrap().expecting(204);
    let _ = user.status(id).await.unwrap().expecting(404);
    stack.drain().await;
    stack.reconcile().await;
}

#[tokio::test]
async fn others_and_absent_generations_are_not_found() {
    let stack = TestStack::new().await;
    let (user, other) = (stack.user().await, stack.user().await);
    let id = generated(&stack, &user, model()).await;
    let _ = other.delete(id).await.unwrap().expecting(404);
    let _ = user.delete(Uuid::now_v7()).await.unwrap().expecting(404);
    let _ = stack.anonymous().delete(id).await.unwrap().expecting(401);
    assert_eq!(objects(&stack).len(), 2);
    let _ = user.status(id).await.unwrap().expecting(200);
    let _ = user.delete(id).await.unwrap().expecting(204);
    let _ = other.delete(id).await.unwrap().expecting(404);
    stack.reconcile().await;
}

#[tokio::test]
async fn an_input_that_another_generation_uses_stays_until_that_is_deleted_too() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let file = Sample::Mug.file(80, ImageFormat::Png);
    let upload = stack.auth().upload(&user.signed_in, "a.png", file.clone(), "image/png").await.unwrap();
    for picture in [upload, samples::base64(&file)] {
        let upscale = || request("upscale").picture("input_image", picture.as_str());
        let first = generated(&stack, &user, upscale()).await;
        let second = generated(&stack, &user, upscale()).await;
        let before = objects(&stack);
        let _ = user.delete(first).await.unwrap().expecting(204);
        assert_eq!(objects(&stack).len(), before.len() - 1, "its output alone");
        // The other one can still be run again.
        let third = generated(&stack, &user, upscale()).await;
        for id in [second, third] {
            let _ = user.delete(id).await.unwrap().expecting(204);
        }
        // What another request named a moment ago may be in its hands: it is left to the search for unused inputs.
        let inputs: Vec<_> = objects(&stack).into_iter().filter(|path| !path.contains("/uploads/")).collect();
        assert!(inputs.iter().all(|path| path.contains("/inputs/")), "{inputs:?}");
    }
    stack.reconcile().await;
}

#[tokio::test]
async fn an_output_that_another_generation_started_from_goes_with_its_own() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let first = generated(&stack, &user, request("upscale").format("png")).await;
    let output = format!("{}/{first}/1.png", user.id());
    let second = generated(&stack, &user, request("upscale").picture("input_image", output.as_str())).await;
    let _ = user.delete(second).await.unwrap().expecting(204);
    assert!(objects(&stack).contains(&output), "it is an output of a generation that is kept");
    let _ = user.delete(first).await.unwrap().expecting(204);
    let again = user.generate(&request("upscale").picture("input_image", output.as_str()).build()).await.unwrap();
    let _ = again.expecting(422);
    stack.reconcile().await;
}

#[tokio::test]
async fn the_answer_under_an_idempotency_key_stays_and_charges_nothing() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let first = user.generate_once("key", &model().build()).await.unwrap().expecting(202);
    stack.finish(&user, first.generation_id()).await;
    let _ = user.delete(first.generation_id()).await.unwrap().expecting(204);
    let balance = user.balance().await.unwrap();
    let repeated = user.generate_once("key", &model().build()).await.unwrap().expecting(202);
    assert_eq!((repeated.generation_id(), user.balance().await.unwrap()), (first.generation_id(), balance));
    stack.reconcile().await;
}

#[tokio::test]
async fn a_picture_that_is_removed_at_this_moment_can_be_sent_again_in_a_minute() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let picture = samples::base64(&Sample::Mug.file(80, ImageFormat::Png));
    let upscale = request("upscale").picture("input_image", picture);
    generated(&stack, &user, upscale.clone()).await;
    let removing = "update gateway.stored_object set remove_as = 'unused_inputs', noted_at = gateway.now(),
                      removing_until = gateway.now() + interval '5 minutes'";
    sqlx::raw_sql(removing).execute(stack.database.pool()).await.unwrap();
    let refused = user.generate(&upscale.clone().build()).await.unwrap().expecting(503);
    assert_eq!((refused.header("retry-after"), &refused.body["code"]), ("60", &json!("unavailable")));
    stack.advance(std::time::Duration::from_mins(5)).await;
    generated(&stack, &user, upscale).await;
    stack.reconcile().await;
}
