//! One user's share of what all users share: database connections, memory for large bodies, and their own rate limit.

use std::collections::BTreeSet;
use std::time::Duration;

use devstack::attack::{self, Target};
use devstack::builders::model;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Answered, CURRENT_KEY, Stack, User, Wire, request, sign};

/// Database connections that one user's requests may use at once.
const USER_CONNECTIONS_MAX: i64 = 4;
/// Statements of the API itself that may wait, too: the counts that it keeps up to date.
const OF_THE_API_MAX: i64 = 3;
/// Large bodies of one user at once.
const UPLOADS_MAX: usize = 2;
/// How long to wait on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Every operation that takes a token, as method and path.
async fn operations(stack: &Stack) -> BTreeSet<(String, String)> {
    let document = stack.client(None).get("/openapi.json").await.unwrap().expecting(200).body;
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let concrete =
            path.split('/').map(|part| if part.starts_with('{') { Uuid::nil().to_string() } else { part.into() });
        let concrete = concrete.collect::<Vec<_>>().join("/");
        let methods = methods.as_object().unwrap().iter().filter(|(_, operation)| operation["security"].is_array());
        found.extend(methods.map(|(method, _)| (method.to_uppercase(), concrete.clone())));
    }
    assert!(found.len() >= 15, "{found:?}");
    found
}

/// The status of one operation, called with a body that its checks let pass.
async fn call(user: &User, method: &str, path: &str) -> u16 {
    let body = match path.rsplit('/').next().unwrap() {
        "generate" | "quotes" => model().outputs(1).build(),
        "purchase" => json!({"pack_id": "small"}),
        _ => json!({"plan_id": Uuid::nil()}),
    };
    let request = user.client.request(method.parse::<Method>().unwrap(), path);
    let request = if method == "POST" { request.json(&body) } else { request };
    user.client.send(request).await.unwrap().status.as_u16()
}

/// Statements of the API that wait for a lock at this moment.
async fn waiting(pool: &PgPool) -> i64 {
    let query = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'shootx-api' and wait_event_type = 'Lock'";
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn every_operation_is_taken_from_the_users_rate_before_anything_is_done_for_it() {
    const TRIES: usize = 50;
    let stack = Stack::with(&[("USER_RATE_PER_SECOND", "1")]).await;
    let user = stack.sign_up().await;
    let mut unbounded = Vec::new();
    for (method, path) in operations(&stack).await {
        // Uses up what the rate regains meanwhile: an operation outside the rate limit would never be refused.
        let mut tries = 0..TRIES;
        let mut is_refused = false;
        while !is_refused && tries.next().is_some() {
            is_refused = call(&user, &method, &path).await == 429;
        }
        if !is_refused {
            unbounded.push(format!("{method} {path}"));
        }
    }
    assert!(unbounded.is_empty(), "{unbounded:?}");
    assert!(stack.count("generations").await <= 10, "a refused request starts nothing");
    stack.finish().await;
}

#[tokio::test]
async fn one_users_requests_never_hold_more_than_their_share_of_database_connections() {
    const OF_EACH: usize = 3;
    let stack = Stack::with(&[("DATABASE_POOL_MAX", "20")]).await;
    let user = stack.sign_up().await;
    let operations = operations(&stack).await;
    // From now on every statement of a request waits.
    let mut locks = stack.database.pool().begin().await.unwrap();
    let lock_all = "do $$ declare t regclass; begin
        for t in select c.oid from pg_class c where relkind = 'r' and relnamespace in ('public'::regnamespace, 'gateway'::regnamespace)
        loop execute 'lock table ' || t || ' in access exclusive mode'; end loop; end $$";
    sqlx::raw_sql(lock_all).execute(&mut *locks).await.unwrap();

    let calls = operations.iter().flat_map(|operation| std::iter::repeat_n(operation, OF_EACH));
    let calls = futures::future::join_all(calls.map(|(method, path)| call(&user, method, path)));
    tokio::pin!(calls);
    let mut most = 0;
    let statuses = loop {
        most = most.max(waiting(stack.database.pool()).await);
        if let Ok(statuses) = tokio::time::timeout(LOOK_EVERY, &mut calls).await {
            break statuses;
        }
    };
    locks.rollback().await.unwrap();
    let refused = statuses.iter().filter(|status| **status == 429).count();
    assert!(most >= USER_CONNECTIONS_MAX, "only {most} waited: nothing was tried");
    assert!(refused >= OF_EACH, "{statuses:?}");
    attack::is_met(
        Target::Limits,
        format!("{} requests of one user that wait in the database", statuses.len()),
        "within the share",
        if most <= USER_CONNECTIONS_MAX + OF_THE_API_MAX { "within the share".to_owned() } else { most.to_string() },
    );
    stack.finish().await;
}

#[tokio::test]
async fn a_users_requests_that_wait_for_each_other_keep_nobody_else_waiting() {
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let mut row = stack.database.pool().begin().await.unwrap();
    let lock = sqlx::query("select from public.credits where user_id = $1 for update").bind(user.id);
    lock.execute(&mut *row).await.unwrap();

    let request = model().outputs(1).build();
    let generating = futures::future::join_all((0..40).map(|_| user.client.generate(&request)));
    let others = async {
        let enough = async {
            while waiting(stack.database.pool()).await < USER_CONNECTIONS_MAX {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.expect("the user's requests wait");
        for path in ["/api/v1/credits", "/api/v1/generations", "/api/v1/credits/transactions"] {
            other.client.get(path).await.unwrap().answered(200);
            assert!(waiting(stack.database.pool()).await <= USER_CONNECTIONS_MAX);
        }
        row.rollback().await.unwrap();
    };
    let (answers, ()) = tokio::join!(generating, others);
    let statuses: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().status.as_u16()).collect();
    assert!(statuses.iter().all(|status| [202, 429].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&202), "{statuses:?}");
    stack.finish().await;
}

/// Begins to send a large body, once it is asked for; what the API says to that.
async fn begin_upload(stack: &Stack, token: &str) -> (Wire, u16) {
    let length = 16 * 1024 * 1024 - 1;
    let more = format!("content-length: {length}\r\nexpect: 100-continue\r\n");
    let mut wire = Wire::connect(&stack.base).await.unwrap();
    wire.send(&request("POST", "/api/v1/generate", token, &more, "")).await.unwrap();
    let status = wire.answer().await.unwrap().status;
    (wire, status)
}

#[tokio::test]
async fn one_user_fills_their_share_of_the_room_for_large_bodies_and_no_more() {
    const TRIED: usize = 16;
    let stack = Stack::start().await;
    let (user, other) = (stack.sign_up().await, stack.sign_up().await);
    let (token, others) = (stack.issuer.token(user.id), stack.issuer.token(other.id));
    let begun = futures::future::join_all((0..TRIED).map(|_| begin_upload(&stack, &token))).await;
    let let_in = begun.iter().filter(|(_, status)| *status == 100).count();
    assert!(begun.iter().all(|(_, status)| [100, 429].contains(status)));
    attack::is_met(
        Target::Limits,
        format!("{TRIED} large bodies of one user that are never sent"),
        UPLOADS_MAX.to_string(),
        let_in.to_string(),
    );
    let (_wire, status) = begin_upload(&stack, &others).await;
    assert_eq!(status, 100, "another user has a share of their own");
    // What is small needs no share.
    user.client.generate(&model().outputs(1).build()).await.unwrap().answered(202);
    drop(begun);
    stack.finish().await;
}

#[tokio::test]
async fn who_may_not_generate_is_refused_before_their_body_is_read() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let mut anonymous: Value = stack.issuer.claims(user.id);
    anonymous["is_anonymous"] = json!(true);
    for (who, token, expected) in [
        ("nobody", "not.a.token".to_owned(), 401),
        ("an anonymous user", sign(&CURRENT_KEY, &anonymous), 403),
        ("a user without a profile", stack.issuer.token(Uuid::now_v7()), 403),
    ] {
        let (_wire, status) = begin_upload(&stack, &token).await;
        attack::is_met(Target::Limits, format!("a large body of {who}"), expected, status);
    }
    stack.finish().await;
}
