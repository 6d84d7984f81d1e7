//! An issuer whose key set cannot be had: whoever was let in still is, for a bounded time, and nobody else.

use std::time::{Duration, Instant};

use devstack::attack::{Target, is_met};
use reqwest::Method;

use crate::harness::{Answering, CURRENT_KEY, FOREIGN_KEY, Stack, sign};
use crate::key_rotation::status;

/// Longer than any answer may take while the issuer hangs: two fetches, and a slow machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
const STALE: Duration = Duration::from_mins(11);

#[tokio::test]
async fn keys_that_cannot_be_used_do_not_spoil_those_beside_them() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let mut keys = vec![
        serde_json::json!("text"),
        serde_json::json!({"kty": "oct", "kid": "current", "alg": "HS256", "k": "c2VjcmV0"}),
    ];
    keys.push(CURRENT_KEY.published());
    stack.issuer.publish(keys);
    is_met(Target::Tokens, "a key set with rubbish and a secret in it: a good token", 200, status(&user.client).await);
    let secret = crate::harness::sign_with_secret(
        jsonwebtoken::Algorithm::HS256,
        b"secret",
        Some("current"),
        &stack.issuer.claims(user.id),
    );
    let seen = status(&stack.client(Some(secret))).await;
    is_met(Target::Tokens, "a key set with a secret in it: a token by that secret", 401, seen);
    stack.finish().await;
}

#[tokio::test]
async fn an_issuer_that_hangs_holds_up_nobody_whose_key_is_known() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    assert_eq!(status(&user.client).await, 200);
    stack.issuer.set_answering(Answering::Hanging);
    stack.advance(STALE).await;
    let begun = Instant::now();
    let together = futures::future::join_all((0..20).map(|_| status(&user.client))).await;
    let refused = status(&stack.client(Some(sign(&FOREIGN_KEY, &stack.issuer.claims(user.id))))).await;
    let all = together.into_iter().all(|status| status == 200);
    let in_time = begun.elapsed() < ANSWERED_WITHIN;
    is_met(
        Target::Tokens,
        "the issuer hangs: 20 good tokens are taken, in bounded time",
        "true true",
        format!("{all} {in_time}"),
    );
    is_met(Target::Tokens, "the issuer hangs: a token by an unknown key", 401, refused);
    stack.finish().await;
}

/// Whoever leaves at once may not make us ask the issuer once more each time.
#[tokio::test]
async fn callers_who_go_away_midway_cause_one_fetch() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    stack.issuer.set_answering(Answering::Hanging);
    let nobody = stack.client(Some(sign(&FOREIGN_KEY, &stack.issuer.claims(user.id))));
    for _ in 0..5 {
        let left = nobody.request(Method::GET, "/api/v1/credits").timeout(Duration::from_millis(200)).send().await;
        assert!(left.unwrap_err().is_timeout());
    }
    is_met(
        Target::Tokens,
        "unknown key ids by callers who leave at once: fetches of the key set",
        1,
        stack.issuer.asked(),
    );
    stack.issuer.set_answering(Answering::Keys);
    assert_eq!(status(&user.client).await, 200, "what they began was finished");
    assert_eq!(stack.issuer.asked(), 1);
    stack.finish().await;
}
