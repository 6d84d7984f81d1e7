//! While the database is read-only, as hosts make it when its disk is nearly full, requests that write get 503, not
//! 500.

use devstack::builders::model;
use devstack::client::Answer;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::harness::{Answered, Stack};

const LOOKS_MAX: usize = 200;

/// Makes all new sessions read-only, or able to write again, and ends those there are.
async fn set_read_only(stack: &Stack, is_read_only: bool) {
    let pool = stack.database.pool();
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(pool).await.unwrap();
    let sql =
        format!("begin read write; alter database {name} set default_transaction_read_only = {is_read_only}; commit");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
    let others = "select pg_terminate_backend(pid) from pg_stat_activity
                  where datname = current_database() and pid <> pg_backend_pid()";
    sqlx::query(others).execute(pool).await.unwrap();
}

/// Waits until each connection of the pool in turn has answered readiness as expected: then the old connections are
/// gone, and later failures have the right reason.
async fn every_connection_is_new(stack: &Stack, is_as_expected: impl Fn(&Answer) -> bool) {
    let probe = stack.client(None);
    let mut in_a_row = 0;
    for _ in 0..LOOKS_MAX {
        let ready = probe.get("/readyz").await.unwrap();
        in_a_row = if is_as_expected(&ready) { in_a_row + 1 } else { 0 };
        if in_a_row > stack.config.database.pool_max {
            return;
        }
    }
    panic!("readiness is never answered as expected");
}

#[tokio::test]
async fn every_route_that_writes_says_unavailable_and_recovers() {
    let stack = Stack::start().await;
    let user = stack.sign_up().await;
    let open = user.client.generate(&model().build()).await.unwrap().generation_id();
    set_read_only(&stack, true).await;
    let client = &user.client;
    every_connection_is_new(&stack, |ready| ready.body["detail"] == "the database takes no writes at present").await;
    client.get("/livez").await.unwrap().answered(200);
    let request = model().build();
    let (key, none) = (Uuid::now_v7().to_string(), Uuid::now_v7());
    let refused = [
        ("generate", client.generate(&request).await.unwrap()),
        ("generate once", client.generate_once(&key, &request).await.unwrap()),
        ("cancel", client.cancel(open).await.unwrap()),
        ("quote", client.quote(&request).await.unwrap()),
        ("delete", client.delete(none).await.unwrap()),
    ];
    for (what, answer) in refused {
        assert_eq!(answer.status, 503, "{what}: {}", answer.body);
        assert_eq!(answer.header("retry-after"), "2", "{what}");
    }
    for path in ["/api/v1/credits", "/api/v1/credits/transactions", "/api/v1/generations", "/api/v1/subscriptions"] {
        let read = client.get(path).await.unwrap();
        assert!([200, 503].contains(&read.status.as_u16()), "{path}: {} {}", read.status, read.body);
    }
    client.status(open).await.unwrap().answered(200);

    set_read_only(&stack, false).await;
    every_connection_is_new(&stack, |ready| ready.status == 200).await;
    client.generate(&model().build()).await.unwrap().answered(202);
    stack.finish().await;
}
