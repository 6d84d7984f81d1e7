//! `/api/v1/notifications/unsubscribe`: whoever holds the link may stop her mails, and nothing else.

use devstack::attack::{self, Target};
use devstack::client::Answer;
use reqwest::Method;
use secrecy::SecretString;
use shared::ids::UserId;
use shared::notification::unsubscribe;
use url::{Position, Url};
use uuid::Uuid;

use crate::harness::{Stack, WEBHOOK_SECRETS};

fn link(stack: &Stack, user: Uuid) -> Url {
    unsubscribe::build(&stack.base, &stack.config.unsubscribe_secrets, UserId(user))
}

async fn call(stack: &Stack, method: Method, link: &Url) -> Answer {
    let anyone = stack.client(None);
    anyone.send(anyone.request(method, &link[Position::BeforePath..])).await.unwrap()
}

/// What her settings say; `None` without a row.
async fn wants_mail(stack: &Stack, user: Uuid) -> Option<bool> {
    sqlx::query_scalar("select email_notifications from public.user_settings where user_id = $1")
        .bind(user)
        .fetch_optional(stack.database.pool())
        .await
        .unwrap()
}

#[tokio::test]
async fn looking_at_the_page_changes_nothing_and_its_button_stops_the_mails() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let link = link(&stack, user.id);
    let page = call(&stack, Method::GET, &link).await.expecting(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").contains("form-action 'self'"));
    assert!(page.body.as_str().unwrap().contains("<form method=\"post\"><button type=\"submit\">"));
    assert_eq!(wants_mail(&stack, user.id).await, None);

    for _ in 0..2 {
        let done = call(&stack, Method::POST, &link).await.expecting(200);
        assert!(done.body.as_str().unwrap().contains("no more mails"));
        assert_eq!((wants_mail(&stack, user.id).await, wants_mail(&stack, other.id).await), (Some(false), None));
    }
    stack.finish().await;
}

#[tokio::test]
async fn what_else_she_has_set_stays() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    sqlx::query("insert into public.user_settings (user_id, language, weekly_summary) values ($1, 'de', false)")
        .bind(user.id)
        .execute(stack.database.pool())
        .await
        .unwrap();
    drop(call(&stack, Method::POST, &link(&stack, user.id)).await.expecting(200));
    let kept: (String, bool, bool) = sqlx::query_as(
        "select language, weekly_summary, email_notifications from public.user_settings where user_id = $1",
    )
    .bind(user.id)
    .fetch_one(stack.database.pool())
    .await
    .unwrap();
    assert_eq!(kept, ("de".to_owned(), false, false));
    stack.finish().await;
}

#[tokio::test]
async fn a_user_who_is_gone_is_told_the_same() {
    let stack = Stack::start().await;
    drop(call(&stack, Method::POST, &link(&stack, Uuid::now_v7())).await.expecting(200));
    stack.finish().await;
}

#[tokio::test]
async fn a_link_of_a_secret_on_its_way_out_still_works() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let old = &stack.config.unsubscribe_secrets[1..];
    let link = unsubscribe::build(&stack.base, old, UserId(user.id));
    drop(call(&stack, Method::POST, &link).await.expecting(200));
    assert_eq!(wants_mail(&stack, user.id).await, Some(false));
    stack.finish().await;
}

#[tokio::test]
async fn nobody_stops_the_mails_of_another() {
    let stack = Stack::start().await;
    let (user, eve) = (stack.sign_up().await, stack.sign_up().await);
    let own = link(&stack, eve.id);
    let signature = own.query_pairs().find(|(name, _)| name == "s").unwrap().1.into_owned();
    // The key of webhook links, not the one that is derived from it.
    let webhook_key = [SecretString::from(WEBHOOK_SECRETS[0])];
    let with = |query: &[(&str, &str)]| {
        let mut forged = own.clone();
        forged.query_pairs_mut().clear().extend_pairs(query);
        forged
    };
    let id = user.id.to_string();
    for (attack, forged) in [
        ("no signature", with(&[("u", &id)])),
        ("no user", with(&[("s", &signature)])),
        ("nothing", with(&[])),
        ("an empty signature", with(&[("u", &id), ("s", "")])),
        ("the attacker's own signature", with(&[("u", &id), ("s", &signature)])),
        ("the key of webhook links", unsubscribe::build(&stack.base, &webhook_key, UserId(user.id))),
        ("no id at all", with(&[("u", "1' or '1'='1"), ("s", &signature)])),
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = call(&stack, method.clone(), &forged).await;
            let seen = format!("{} {}", answer.status.as_u16(), answer.body["code"].as_str().unwrap_or_default());
            attack::is_met(
                Target::Content,
                format!("{method} of the link that stops another's mails, with {attack}"),
                "401 invalid-signature",
                seen,
            );
        }
    }
    assert_eq!(wants_mail(&stack, user.id).await, None);
    stack.finish().await;
}
