//! `/livez` and `/readyz`.

use devstack::postgres::{TestDatabase, ensure_login_roles};
use serde_json::json;

use crate::harness::{Answered, Stack};

#[tokio::test]
async fn a_working_service_is_live_and_ready() {
    let stack = Stack::start().await;
    let probe = stack.client(None);
    for path in ["/livez", "/readyz"] {
        assert_eq!(probe.get(path).await.unwrap().expecting(200).body, json!({"status": "ok"}));
    }
    stack.finish().await;
}

#[tokio::test]
async fn on_a_database_that_is_behind_it_is_live_but_not_ready() {
    let database = TestDatabase::empty().await;
    ensure_login_roles(&mut database.pool().acquire().await.unwrap()).await.unwrap();
    let stack = Stack::on(database, &[]).await;
    let probe = stack.client(None);
    probe.get("/livez").await.unwrap().answered(200);
    let behind = probe.get("/readyz").await.unwrap().expecting(503);
    assert_eq!(behind.body["code"], "unavailable");
    assert_eq!(behind.header("retry-after"), "2");
}

#[tokio::test]
async fn without_a_database_it_is_live_but_not_ready_and_says_so_to_users() {
    let stack = Stack::with(&[("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none")]).await;
    let probe = stack.client(None);
    probe.get("/livez").await.unwrap().answered(200);
    probe.get("/readyz").await.unwrap().answered(503);
}

#[tokio::test]
async fn the_health_check_of_the_program_tells_ready_from_not_ready_and_from_not_there() {
    let stack = Stack::start().await;
    assert_eq!(stack.healthcheck(&stack.base).await, Ok(()));
    let unready = Stack::with(&[("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none")]).await;
    let said = unready.healthcheck(&unready.base).await.unwrap_err();
    assert!(said.contains("answers /readyz with 503"), "{said}");
    let said = stack.healthcheck(&"http://127.0.0.1:9".parse().unwrap()).await.unwrap_err();
    assert!(said.contains("127.0.0.1:9 does not answer"), "{said}");
    stack.finish().await;
}
