//! The issuer's keys: fetched when they are needed, remembered for a while, never asked for too often.

use std::time::Duration;

use devstack::attack::{self, Target};
use devstack::client::Client;

use crate::harness::{Answering, CURRENT_KEY, FOREIGN_KEY, Stack, sign};

pub(super) async fn status(client: &Client) -> u16 {
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
    attack::is_met(
        Target::Tokens,
        "20 tokens with made-up key ids",
        "1 fetch",
        format!("{} fetch", stack.issuer.asked()),
    );

    stack.issuer.publish(vec![CURRENT_KEY.published(), FOREIGN_KEY.published()]);
    stack.advance(Duration::from_secs(31)).await;
    let together = futures::future::join_all((0..10).map(|_| status(&rotated))).await;
    assert_eq!(together, [200; 10]);
    attack::is_met(
        Target::Tokens,
        "10 tokens of a new key at once",
        "2 fetches",
        format!("{} fetches", stack.issuer.asked()),
    );
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
    attack::is_met(Target::Tokens, "a token of a key that was revoked", 401, status(&user.client).await);
    stack.finish().await;
}

#[tokio::test]
async fn an_issuer_that_is_away_is_trusted_for_an_hour_from_its_last_answer() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    assert_eq!(status(&user.client).await, 200);
    stack.issuer.set_answering(Answering::Down);
    stack.advance(Duration::from_mins(59)).await;
    assert_eq!(status(&user.client).await, 200);
    stack.advance(Duration::from_mins(2)).await;
    attack::is_met(Target::Tokens, "an issuer that is away for more than an hour", 401, status(&user.client).await);
    stack.issuer.set_answering(Answering::Keys);
    stack.advance(Duration::from_secs(3)).await;
    assert_eq!(status(&user.client).await, 200);
    stack.finish().await;
}

#[tokio::test]
async fn the_api_starts_while_the_issuer_is_away() {
    let stack = Stack::start().await;
    stack.issuer.set_answering(Answering::Down);
    let user = stack.sign_up().await;
    assert_eq!(status(&user.client).await, 401);
    stack.issuer.set_answering(Answering::Keys);
    stack.advance(Duration::from_secs(3)).await;
    assert_eq!(status(&user.client).await, 200);
    stack.finish().await;
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_changes_nothing_of_what_is_known() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    assert_eq!(status(&user.client).await, 200);
    for (what, text) in [
        ("no JSON", "<html>".to_owned()),
        ("no keys", "{}".to_owned()),
        ("keys that are no list", r#"{"keys": {"kid": "current"}}"#.to_owned()),
        ("more than a key set can be", format!("{{\"keys\": [{}1]}}", "1,".repeat(40_000))),
    ] {
        stack.issuer.set_answering(Answering::Text(text));
        stack.advance(Duration::from_mins(11)).await;
        let seen = status(&user.client).await;
        attack::is_met(Target::Tokens, format!("an issuer that answers {what}: a good token"), 200, seen);
    }
    stack.finish().await;
}
