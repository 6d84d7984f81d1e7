//! Mails to users, as a genuine mail server gets them.

mod bounds;
mod content;
mod outages;
mod protected;
pub(crate) mod server;
mod unsubscribed;

use std::time::Duration;

use devstack::builders::model;
use devstack::test_stack::{TestStack, TestStackBuilder, TestUser};
use shared::ids::UserId;
use shared::notification::GATHER;
use uuid::Uuid;

use server::{MailServer, Received};

const APP_URL: &str = "https://app.example.com";

/// A system whose mails go to `server`.
pub(crate) fn builder(server: &MailServer) -> TestStackBuilder {
    TestStack::builder()
        .set("SMTP_URL", &format!("smtp://127.0.0.1:{}", server.port))
        .set("MAIL_FROM", "ShootX <hello@shootx.example>")
        .set("APP_URL", APP_URL)
}

/// A generation that is brought to its end.
async fn generation(stack: &TestStack, user: &TestUser) -> Uuid {
    let id = user.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    stack.finish(user, id).await;
    id
}

/// Lets what was noted gather, and works.
async fn gathered(stack: &TestStack) {
    pass(stack, GATHER).await;
}

/// Lets time pass, and a little more, and works.
async fn pass(stack: &TestStack, time: Duration) {
    stack.advance(time + Duration::from_secs(6)).await;
    stack.drain().await;
}

fn message_ids(mails: &[Received]) -> Vec<&str> {
    mails.iter().map(|mail| mail.headers["message-id"].as_str()).collect()
}

/// How many of the user's rows are in each state, by its name.
async fn states(stack: &TestStack, user: &TestUser) -> Vec<(String, i64)> {
    sqlx::query_as("select state, count(*) from gateway.notification where user_id = $1 group by state order by state")
        .bind(user.id())
        .fetch_all(stack.database.pool())
        .await
        .unwrap()
}

fn state(name: &str, rows: i64) -> Vec<(String, i64)> {
    vec![(name.to_owned(), rows)]
}

fn user_id(user: &TestUser) -> UserId {
    UserId(user.id())
}

async fn set_notifications(stack: &TestStack, user: &TestUser, on: bool) {
    let sql = "insert into public.user_settings (user_id, email_notifications) values ($1, $2)
               on conflict (user_id) do update set email_notifications = excluded.email_notifications";
    sqlx::query(sql).bind(user.id()).bind(on).execute(stack.database.pool()).await.unwrap();
}
