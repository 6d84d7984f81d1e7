//! `GET /files/{path}`: pictures of the local store, to whoever holds a link that still holds.

use std::time::Duration;

use devstack::builders::model;
use url::Url;

use crate::harness::{Answered, Stack};

/// A delivered picture's link.
async fn link(stack: &Stack) -> Url {
    let user = stack.sign_up().await;
    let id = user.client.generate(&model().outputs(1).build()).await.unwrap().expecting(202).generation_id();
    let path = format!("{}/{id}/1.webp", user.id);
    stack.put_image(&path, b"webp").await;
    stack.submit(id, "job-1").await;
    stack.deliver(id, &[path], None).await;
    let status = user.client.status(id).await.unwrap().expecting(200).body;
    status["image_urls"][0].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_link_shows_its_picture_until_it_ends() {
    let stack = Stack::start().await;
    let link = link(&stack).await;
    let anyone = stack.client(None);
    let picture = anyone.get(&link[url::Position::BeforePath..]).await.unwrap().expecting(200);
    assert_eq!(picture.body, "webp");
    assert_eq!(picture.header("content-type"), "image/webp");
    assert!(picture.header("cache-control").starts_with("private, max-age="));
    stack.advance(Duration::from_hours(25)).await;
    anyone.get(&link[url::Position::BeforePath..]).await.unwrap().answered(401);
    stack.finish().await;
}

#[tokio::test]
async fn a_link_opens_nothing_else() {
    let stack = Stack::start().await;
    let link = link(&stack).await;
    let other = link.path().replace("1.webp", "2.webp");
    let anyone = stack.client(None);
    let climbing = format!("/files/..%2f..%2fetc%2fpasswd?{}", link.query().unwrap());
    for path in [format!("{other}?{}", link.query().unwrap()), climbing] {
        anyone.get(&path).await.unwrap().answered(401);
    }
    anyone.get(link.path()).await.unwrap().answered(404);
    stack.finish().await;
}
