//! `POST /api/v1/quotes`: a price that is promised for one request, and what `generate` makes of the promise.

use std::time::Duration;

use devstack::builders::{RequestBuilder, model, request};
use devstack::client::Answer;
use devstack::samples::{bad, base64};
use image::ImageFormat::Png;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answered, CURRENT_KEY, Stack, User, WELCOME, sign};

const KEY: &str = "order-17";
const LIFETIME: Duration = Duration::from_mins(15);

/// Quotes what must be quoted, and answers the quote's id.
pub(crate) async fn quoted(user: &User, request: &RequestBuilder) -> String {
    let quote = user.client.quote(&request.clone().build()).await.unwrap().expecting(201);
    quote.body["quote_id"].as_str().unwrap().to_owned()
}

pub(crate) async fn generate_under(user: &User, quote_id: &str, request: RequestBuilder) -> Answer {
    user.client.generate(&request.field("quote_id", quote_id).build()).await.unwrap()
}

/// As if the quote had been made by another catalogue.
async fn reprice(stack: &Stack, quote_id: &str, price: i32) {
    let changed = sqlx::query("update gateway.quote set price = $2 where quote_id = $1::uuid")
        .bind(quote_id)
        .bind(price)
        .execute(stack.database.pool())
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
}

/// What is recorded of the one generation there is: the run's price, and the ledger's entry.
async fn recorded(stack: &Stack) -> (i32, i32) {
    sqlx::query_as(
        "select run.price, entry.amount from gateway.run join public.credit_transactions as entry using (generation_id)
         where entry.transaction_type = 'generation'",
    )
    .fetch_one(stack.database.pool())
    .await
    .unwrap()
}

async fn nothing_was_taken(stack: &Stack, user: &User) {
    assert_eq!(user.client.balance().await.unwrap(), WELCOME);
    assert_eq!((stack.count("generations").await, stack.count("jobs").await), (0, 0));
    let limits: i64 = sqlx::query_scalar("select count(*) from gateway.user_limit where user_id = $1")
        .bind(user.id)
        .fetch_one(stack.database.pool())
        .await
        .unwrap();
    assert_eq!(limits, 0, "her rate of generations was not charged");
}

#[tokio::test]
async fn a_quote_says_its_price_how_it_comes_about_and_how_long_it_is_good() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let answer = user.client.quote(&request("tryon").outputs(1).build()).await.unwrap().expecting(201);
    let body = &answer.body;
    let formula = "cost × outputs_asked ÷ default_outputs, rounded up to a whole credit";
    let breakdown = json!({
        "workflow_type": "tryon", "cost": 3, "default_outputs": 2, "outputs_asked": 1, "formula": formula,
        "balance": WELCOME,
    });
    assert_eq!((&body["price"], &body["breakdown"]), (&json!(2), &breakdown), "half of 3 is rounded up");
    assert!(answer.header("ratelimit").starts_with("\"user\""), "it is of her ordinary budget");
    let lifetime: f64 = sqlx::query_scalar(
        "select extract(epoch from $1::timestamptz - created_at)::float8 from gateway.quote where quote_id = $2::uuid",
    )
    .bind(body["expires_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap())
    .bind(body["quote_id"].as_str().unwrap())
    .fetch_one(stack.database.pool())
    .await
    .unwrap();
    assert!((lifetime - LIFETIME.as_secs_f64()).abs() < 0.001, "{lifetime}");
    nothing_was_taken(&stack, &user).await;
    stack.finish().await;
}

#[tokio::test]
async fn a_quoted_request_costs_its_quote_whatever_the_catalogue_says_by_now() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let quote_id = quoted(&user, &model().outputs(4)).await;
    reprice(&stack, &quote_id, 7).await;
    let accepted = generate_under(&user, &quote_id, model().outputs(4)).await.expecting(202);
    assert_eq!(accepted.body["cost"], json!({"price": 7, "charged": 7, "refunded": 0}));
    assert_eq!((recorded(&stack).await, user.client.balance().await.unwrap()), ((7, -7), WELCOME - 7));
    let status = user.client.status(accepted.generation_id()).await.unwrap().expecting(200);
    assert_eq!(status.body["cost"]["price"], 7);
    stack.finish().await;
}

#[tokio::test]
async fn the_quoted_price_is_what_credits_must_cover() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let quote_id = quoted(&user, &model()).await;
    stack.leave_credits(&user, 1).await;
    let refused = generate_under(&user, &quote_id, model()).await.expecting(402);
    assert_eq!((&refused.body["price"], &refused.body["balance"]), (&json!(2), &json!(1)));
    let poor = user.client.quote(&model().build()).await.unwrap().expecting(201);
    assert_eq!((&poor.body["price"], &poor.body["breakdown"]["balance"]), (&json!(2), &json!(1)));
    reprice(&stack, &quote_id, 1).await;
    generate_under(&user, &quote_id, model()).await.answered(202);
    assert_eq!(user.client.balance().await.unwrap(), 0);
    stack.finish().await;
}

#[tokio::test]
async fn a_quote_may_be_used_more_than_once_and_is_paid_each_time() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let quote_id = quoted(&user, &model()).await;
    let spelt = model().without_input("age_range").input("ageRange", "25-35").field("quoteId", quote_id.as_str());
    let first = generate_under(&user, &quote_id, model()).await.expecting(202).generation_id();
    let second = user.client.generate(&spelt.build()).await.unwrap().expecting(202).generation_id();
    assert_ne!(first, second);
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 4);
    stack.finish().await;
}

#[tokio::test]
async fn a_quote_is_good_until_it_expires() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let quote_id = quoted(&user, &model()).await;
    stack.advance(LIFETIME - Duration::from_mins(1)).await;
    generate_under(&user, &quote_id, model()).await.answered(202);
    stack.advance(Duration::from_mins(1)).await;
    let refused = generate_under(&user, &quote_id, model()).await.expecting(409);
    assert_eq!(
        (&refused.body["code"], &refused.body["type"]),
        (&json!("quote-expired"), &json!("/problems/quote-expired"))
    );
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 2);
    user.client.generate(&model().build()).await.unwrap().answered(202);
    stack.finish().await;
}

#[tokio::test]
async fn a_quote_of_another_user_is_as_good_as_absent() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let theirs = quoted(&other, &model()).await;
    for quote_id in [theirs, Uuid::now_v7().to_string()] {
        let refused = generate_under(&user, &quote_id, model()).await.expecting(404);
        assert_eq!(
            (&refused.body["code"], &refused.body["detail"]),
            (&json!("quote-not-found"), &json!("there is no such quote of yours"))
        );
        assert_eq!(refused.body["errors"][0]["pointer"], "/quote_id");
    }
    nothing_was_taken(&stack, &user).await;
    stack.finish().await;
}

#[tokio::test]
async fn a_quote_is_of_one_request_and_no_other() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let quote_id = quoted(&user, &model()).await;
    for other in [model().outputs(4), model().prompt("a portrait in hard light"), model().field("brand_name", "Acme")] {
        let refused = generate_under(&user, &quote_id, other).await.expecting(422);
        let fault = json!([{
            "pointer": "/quote_id",
            "detail": "is of a quote for another request: what was quoted must be sent unchanged",
        }]);
        assert_eq!((&refused.body["code"], &refused.body["errors"]), (&json!("invalid-request"), &fault));
    }
    let unreadable = generate_under(&user, "seventeen", model()).await.expecting(422);
    assert_eq!(unreadable.body["errors"], json!([{"pointer": "/quote_id", "detail": "must be a UUID"}]));
    nothing_was_taken(&stack, &user).await;
    stack.finish().await;
}

#[tokio::test]
async fn a_quote_named_while_quoting_changes_nothing() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let first = quoted(&user, &model()).await;
    let second = quoted(&user, &model().field("quote_id", first.as_str())).await;
    assert_ne!(first, second);
    generate_under(&user, &second, model()).await.answered(202);
    stack.finish().await;
}

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_time_though_its_quote_has_expired_or_gone() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let quote_id = quoted(&user, &model()).await;
    let body = model().field("quote_id", quote_id.as_str()).build();
    let first = user.client.generate_once(KEY, &body).await.unwrap().expecting(202);
    for gone in [false, true] {
        if gone {
            sqlx::query("delete from gateway.quote").execute(stack.database.pool()).await.unwrap();
        } else {
            stack.advance(LIFETIME).await;
        }
        let again = user.client.generate_once(KEY, &body).await.unwrap().expecting(202);
        assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &first.body));
    }
    assert_eq!((user.client.balance().await.unwrap(), stack.count("generations").await), (WELCOME - 2, 1));
    stack.finish().await;
}

#[tokio::test]
async fn a_key_stands_for_a_request_and_its_quote() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let (one, other) = (quoted(&user, &model()).await, quoted(&user, &model()).await);
    let under = |quote_id: &str| model().field("quote_id", quote_id).build();
    user.client.generate_once(KEY, &under(&one)).await.unwrap().answered(202);
    for body in [under(&other), model().build()] {
        let refused = user.client.generate_once(KEY, &body).await.unwrap().expecting(422);
        assert_eq!(refused.body["code"], "idempotency-key-reused");
    }
    assert_eq!(user.client.balance().await.unwrap(), WELCOME - 2);
    stack.finish().await;
}

/// Status, code and faults: what a caller is told.
fn told(answer: &Answer) -> (u16, Value, Value) {
    (answer.status.as_u16(), answer.body["code"].clone(), answer.body["errors"].clone())
}

#[tokio::test]
async fn what_generate_would_refuse_is_not_quoted_and_told_alike() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let picture = |picture: String| request("resize").picture("input_image", picture);
    let cases = [
        (422, model().field("workflow_type", "teleport")),
        (422, model().input("wings", 2).outputs(9).without_input("pose").field("tags", json!([1]))),
        (422, model().field("quote_id", 7)),
        (403, model().field("user_id", other.id.to_string())),
        (404, model().field("project_id", Uuid::now_v7().to_string())),
        (415, picture(base64(&bad::avif()))),
        (422, picture(base64(&bad::truncated(Png)))),
        (422, picture(base64(&bad::hollow_png(60_000, 60_000)))),
        (422, picture(format!("{}/uploads/a.png", other.id))),
        (422, picture(format!("{}/uploads/absent.png", user.id))),
        (422, picture(format!("{}/{}/1.webp", user.id, Uuid::now_v7()))),
        (422, picture("http://example.com/a.png".to_owned())),
    ];
    for (status, case) in cases {
        let body = case.build();
        let quote = user.client.quote(&body).await.unwrap().expecting(status);
        assert_eq!(told(&quote), told(&user.client.generate(&body).await.unwrap()));
        assert_eq!(quote.body["instance"], "/api/v1/quotes");
    }
    let mut claims = stack.issuer.claims(user.id);
    claims["is_anonymous"] = json!(true);
    for token in [Some(sign(&CURRENT_KEY, &claims)), Some(stack.issuer.token(Uuid::now_v7())), None] {
        let nobody = stack.client(token);
        let (quote, generated) = (nobody.quote(&model().build()).await, nobody.generate(&model().build()).await);
        assert_eq!(told(&quote.unwrap()), told(&generated.unwrap()));
    }
    let quotes: i64 =
        sqlx::query_scalar("select count(*) from gateway.quote").fetch_one(stack.database.pool()).await.unwrap();
    assert_eq!(quotes, 0);
    stack.finish().await;
}
