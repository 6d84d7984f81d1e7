//! Requests that are refused after they were admitted leave no rows behind, whatever they are refused for.

use devstack::builders::request;
use devstack::samples::{self, Sample};
use devstack::test_stack::TestStack;
use image::ImageFormat;
use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

async fn run(stack: &TestStack, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(stack.database.pool()).await.unwrap();
}

async fn noted(stack: &TestStack) -> i64 {
    sqlx::query_scalar("select count(*) from gateway.stored_object").fetch_one(stack.database.pool()).await.unwrap()
}

#[tokio::test]
async fn refused_requests_leave_no_rows() {
    let stack = TestStack::new().await;
    let user = stack.user().await;
    let png = Sample::Mug.file(80, ImageFormat::Png);
    let damaged = samples::base64(&png[..png.len() / 2]);
    let uploaded = stack.auth().upload(&user.signed_in, "mug.png", png, "image/png").await.unwrap();
    let absent = |n: usize| format!("{}/uploads/absent-{n}.png", user.id());
    let clip = json!((0..8).map(absent).collect::<Vec<_>>());
    let refusals = [
        ("absent uploads", request("video").picture("input_images", clip), 422),
        (
            "an absent output",
            request("upscale").picture("input_image", format!("{}/{}/1.webp", user.id(), Uuid::now_v7())),
            422,
        ),
        ("a damaged picture", request("upscale").picture("input_image", damaged), 422),
    ];
    for (what, refused, status) in refusals {
        drop(user.generate(&refused.build()).await.unwrap().expecting(status));
        assert_eq!(noted(&stack).await, 0, "{what}");
    }
    let upscale = || request("upscale").picture("input_image", uploaded.as_str()).build();
    run(&stack, format!("insert into gateway.debt (user_id, credits) values ('{}', 5)", user.id())).await;
    drop(user.generate(&upscale()).await.unwrap().expecting(402));
    assert_eq!(noted(&stack).await, 0, "a debt");
    run(&stack, "delete from gateway.debt; update public.credits set balance = 0".to_owned()).await;
    drop(user.generate(&upscale()).await.unwrap().expecting(402));
    assert_eq!(noted(&stack).await, 0, "too few credits");
    // An accepted request is what its picture is noted for.
    run(&stack, "update public.credits set balance = 100".to_owned()).await;
    drop(user.generate(&upscale()).await.unwrap().expecting(202));
    assert_eq!(noted(&stack).await, 1);
}
