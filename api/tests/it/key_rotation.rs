//! The issuer's keys: fetched when they are needed, remembered for a while, never asked for too often.

use std::time::Duration;

use devstack::client::Client;

use crate::harness::{CURRENT_KEY, FOREIGN_KEY, Stack, sign};

async fn status(client: &Client) -> u16 {
    client.get("/api/v1/credits").await.unwrap().status.as_u16()
}

#[tokio::test]
async fn a_new_key_is_found_and_made_up_ones_do_not_hammer_the_issuer() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    assert_eq!(status(&user.client).await, 200);
    let rotated = stack.client(Some(sign(&FOREIGN_KEY, &stack.issuer.claims(user.id))));
    for _ in 0..20 {
        assert_eq!(status(&rotated).await, 401);
    }
    assert_eq!(stack.issuer.asked(), 1);

    stack.issuer.publish(vec![CURRENT_KEY.published(), FOREIGN_KEY.published()]);
    stack.advance(Duration::from_secs(31)).await;
    let together = futures::future::join_all((0..10).map(|_| status(&rotated))).await;
    assert_eq!(together, [200; 10]);
    assert_eq!(stack.issuer.asked(), 2);
    assert_eq!(status(&user.client).await, 200);
    stack.finish().await;
}

#[tokio::test]
async fn a_revoked_key_is_forgotten() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    assert_eq!(status(&user.client).await, 200);
    stack.issuer.publish(vec![FOREIGN_KEY.published()]);
    stack.advance(Duration::from_mins(11)).await;
    assert_eq!(status(&user.client).await, 401);
    stack.finish().await;
}

#[tokio::test]
async fn an_issuer_that_is_away_is_trusted_for_an_hour_from_its_last_answer() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    assert_eq!(status(&user.client).await, 200);
    stack.issuer.set_down(true);
    stack.advance(Duration::from_mins(59)).await;
    assert_eq!(status(&user.client).await, 200);
    stack.advance(Duration::from_mins(2)).await;
    assert_eq!(status(&user.client).await, 401);
    stack.issuer.set_down(false);
    stack.advance(Duration::from_secs(3)).await;
    assert_eq!(status(&user.client).await, 200);
    stack.finish().await;
}

#[tokio::test]
async fn the_api_starts_while_the_issuer_is_away() {
    let stack = Stack::start().await;
    stack.issuer.set_down(true);
    let user = stack.sign_up().await;
    assert_eq!(status(&user.client).await, 401);
    stack.issuer.set_down(false);
    stack.advance(Duration::from_secs(3)).await;
    assert_eq!(status(&user.client).await, 200);
    stack.finish().await;
}
