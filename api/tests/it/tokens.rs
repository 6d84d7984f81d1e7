//! Who is let in: signed-in users of this project, and nobody else.

use devstack::attack::{self, Target};
use devstack::builders::{model, request};
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{
    Answered, CURRENT_KEY, FOREIGN_KEY, LEGACY_SECRET, RSA_KEY, Stack, User, sign, sign_with_secret, unsigned,
};

/// Answers 401, always alike.
pub(super) async fn refuses(stack: &Stack, token: String, what: &str) {
    let answer = stack.client(Some(token)).get("/api/v1/credits").await.unwrap();
    attack::is_met(Target::Tokens, format!("a token with {what}"), 401, answer.status.as_u16());
    assert_eq!(answer.header("www-authenticate"), "Bearer", "{what}");
    assert_eq!(answer.body["code"], "invalid-token", "{what}");
    assert_eq!(answer.body["detail"], "a valid access token of a signed-in user is required", "{what}");
}

pub(super) async fn accepts(stack: &Stack, token: String) {
    stack.client(Some(token)).get("/api/v1/credits").await.unwrap().answered(200);
}

/// The claims of a good token with some changed; `null` leaves one out.
fn claims(stack: &Stack, user: &User, changes: &[(&str, Value)]) -> Value {
    let mut claims = stack.issuer.claims(user.id);
    for (name, value) in changes {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
            value => claims[*name] = value.clone(),
        }
    }
    claims
}

#[tokio::test]
async fn both_published_kinds_of_key_are_accepted() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    for key in [&CURRENT_KEY, &RSA_KEY] {
        accepts(&stack, sign(key, &stack.issuer.claims(user.id))).await;
    }
    assert_eq!(stack.issuer.asked(), 1);
    stack.finish().await;
}

#[tokio::test]
async fn without_a_token_nothing_is_told() {
    let stack = Stack::start().await;
    let nobody = stack.client(None);
    let id = Uuid::now_v7();
    for path in ["/api/v1/credits".to_owned(), "/api/v1/generations".to_owned(), format!("/api/v1/status/{id}")] {
        nobody.get(&path).await.unwrap().answered(401);
    }
    nobody.cancel(id).await.unwrap().answered(401);
    let in_the_query = format!("/api/v1/credits?access_token={}", stack.issuer.token(id));
    nobody.get(&in_the_query).await.unwrap().answered(401);
    stack.finish().await;
}

#[tokio::test]
async fn a_token_must_say_exactly_what_a_signed_in_users_says() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let now = stack.now().await.timestamp();
    let wrong = [
        ("iss", json!("https://another.supabase.co/auth/v1")),
        ("iss", json!([format!("{}auth/v1", stack.issuer.url), "another"])),
        ("iss", Value::Null),
        ("aud", json!("anon")),
        ("aud", json!(["anon", "other"])),
        ("aud", Value::Null),
        ("role", json!("service_role")),
        ("role", json!("anon")),
        ("role", json!("supabase_admin")),
        ("role", Value::Null),
        ("sub", json!("user-1")),
        ("sub", Value::Null),
        ("session_id", json!("")),
        ("session_id", Value::Null),
        ("exp", json!(now - 31)),
        ("exp", json!(0)),
        ("exp", json!("tomorrow")),
        ("exp", Value::Null),
        ("exp", json!("-1")),
        ("nbf", json!(now + 300)),
        ("nbf", json!("tomorrow")),
        ("is_anonymous", json!("no")),
    ];
    for (name, value) in wrong {
        // Times are others in every run.
        let shown = value.as_i64().map_or_else(|| value.to_string(), |time| format!("now{:+}", time - now));
        let shown = shown.replace(stack.issuer.url.as_str(), "https://ours/");
        let what = format!("{name} = {shown}");
        refuses(&stack, sign(&CURRENT_KEY, &claims(&stack, &user, &[(name, value)])), &what).await;
    }
    stack.finish().await;
}

#[tokio::test]
async fn clocks_may_differ_a_little_and_audiences_may_be_many() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let now = stack.now().await.timestamp();
    for (name, value) in [
        ("exp", json!(now - 5)),
        ("iat", json!(now + 120)),
        ("nbf", json!(now + 5)),
        ("aud", json!(["x", "authenticated"])),
    ] {
        accepts(&stack, sign(&CURRENT_KEY, &claims(&stack, &user, &[(name, value)]))).await;
    }
    stack.finish().await;
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let good = stack.issuer.claims(user.id);
    let published = CURRENT_KEY.published().to_string();
    let impostor = FOREIGN_KEY.named("current");
    let nameless = CURRENT_KEY.named("");
    let token = stack.issuer.token(user.id);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let hs256 = Algorithm::HS256;
    let forged = [
        ("alg none", unsigned(&good)),
        ("no signature", format!("{signed}.")),
        ("a cut signature", format!("{signed}.{}", &signature[..40])),
        ("somebody else's key", sign(&FOREIGN_KEY, &good)),
        ("somebody else's key under our key's id", sign(&impostor, &good)),
        ("an empty key id", sign(&nameless, &good)),
        (
            "the PEM text of the public key as a secret",
            sign_with_secret(hs256, CURRENT_KEY.public_pem().as_bytes(), Some("current"), &good),
        ),
        ("the public key as a secret", sign_with_secret(hs256, published.as_bytes(), Some("current"), &good)),
        ("a secret where none is set", sign_with_secret(hs256, LEGACY_SECRET.as_bytes(), None, &good)),
        ("an empty secret", sign_with_secret(hs256, b"", None, &good)),
        ("no token", "sb_secret_0123456789".to_owned()),
        ("too long a token", format!("{signed}.{}", "A".repeat(9000))),
    ];
    for (what, token) in forged {
        refuses(&stack, token, what).await;
    }
    stack.finish().await;
}

#[tokio::test]
async fn the_legacy_secret_is_accepted_where_it_is_set() {
    let stack = Stack::with(&[("SUPABASE_JWT_SECRET", LEGACY_SECRET)]).await;
    let user = stack.sign_up().await;
    let good = stack.issuer.claims(user.id);
    let secret = LEGACY_SECRET.as_bytes();
    accepts(&stack, stack.issuer.token(user.id)).await;
    for kid in [None, Some("legacy")] {
        accepts(&stack, sign_with_secret(Algorithm::HS256, secret, kid, &good)).await;
    }
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        refuses(&stack, sign_with_secret(algorithm, secret, None, &good), "another algorithm").await;
    }
    refuses(&stack, sign_with_secret(Algorithm::HS256, b"another secret", None, &good), "another secret").await;
    stack.finish().await;
}

#[tokio::test]
async fn what_else_the_legacy_secret_signs_is_no_login() {
    let stack = Stack::with(&[("SUPABASE_JWT_SECRET", LEGACY_SECRET)]).await;
    let now = stack.now().await.timestamp();
    let key = |role: &str| json!({"iss": "supabase", "ref": "abc", "role": role, "iat": now, "exp": now + 315_360_000});
    let link = json!({"url": "shootx-images/u/1.webp", "scope": "download", "iat": now, "exp": now + 3600});
    let named = json!({"url": "shootx-images/u/1.webp", "scope": "download", "sub": Uuid::now_v7(), "iat": now, "exp": now + 3600});
    for (what, claims) in [
        ("anon key", key("anon")),
        ("service_role key", key("service_role")),
        ("storage link", link),
        ("storage link that names a user", named),
    ] {
        refuses(&stack, sign_with_secret(Algorithm::HS256, LEGACY_SECRET.as_bytes(), None, &claims), what).await;
    }
    stack.finish().await;
}

#[tokio::test]
async fn only_one_authorization_header_of_one_kind_is_read() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let (good, nobody) = (stack.issuer.token(user.id), stack.client(None));
    for (what, values) in [
        ("a good token twice", vec![format!("Bearer {good}"), format!("Bearer {good}")]),
        ("a good token beside another", vec![format!("Bearer {good}"), "Bearer x.y.z".to_owned()]),
        ("a good token under another scheme", vec![format!("Basic {good}")]),
        ("a good token without a scheme", vec![good.clone()]),
        ("two good tokens in one header", vec![format!("Bearer {good}, Bearer {good}")]),
        ("a header of 20 KB", vec![format!("Bearer {}", "a".repeat(20_000))]),
    ] {
        let mut request = nobody.request(Method::GET, "/api/v1/credits");
        for value in values {
            request = request.header("Authorization", value);
        }
        attack::is_met(Target::Tokens, what, 401, nobody.send(request).await.unwrap().status.as_u16());
    }
    stack.finish().await;
}

#[tokio::test]
async fn users_who_never_signed_up_or_are_gone_spend_nothing() {
    let stack = Stack::start().await;
    let (anonymous, gone) = (stack.sign_up().await, stack.sign_up().await);
    let token = sign(&CURRENT_KEY, &claims(&stack, &anonymous, &[("is_anonymous", json!(true))]));
    let refused = stack.client(Some(token)).generate(&model().build()).await.unwrap();
    attack::is_met(
        Target::Tokens,
        "an anonymous user's token, spending",
        "anonymous-user",
        refused.body["code"].as_str().unwrap(),
    );
    gone.client.generate_once("before", &model().build()).await.unwrap().answered(202);
    sqlx::query("delete from auth.users where id = $1").bind(gone.id).execute(stack.database.pool()).await.unwrap();
    let refused = gone.client.generate(&model().build()).await.unwrap();
    attack::is_met(
        Target::Tokens,
        "a deleted user's token, spending",
        "no-profile",
        refused.body["code"].as_str().unwrap(),
    );
    for (what, key, request) in [
        ("a repeat of what she was charged for", "before", model()),
        ("a request with a picture", "after", request("upscale")),
    ] {
        let refused = gone.client.generate_once(key, &request.build()).await.unwrap();
        let seen = refused.body["code"].as_str().unwrap();
        attack::is_met(Target::Tokens, format!("a deleted user's token, {what}"), "no-profile", seen);
    }
    assert_eq!(stack.count("generations").await, 0, "hers went with her");
    stack.finish().await;
}
