//! Database connections that fall silent (stay open, but answer nothing), and loops that stand still.

use std::time::{Duration, Instant};

use devstack::builders::model;
use devstack::postgres::TestDatabase;
use devstack::silent_proxy::SilentProxy;
use tokio::time::sleep;

use crate::harness::{Answered, LOOP_TURN_MAX, Stack};

/// Every loop of the API; a new one is added here, and so is halted and silenced below.
const LOOPS: [&str; 4] = ["backlog", "clock", "estimates", "process gauges"];
/// Longest any request waits while the database is silent.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);
/// After this time everything works again.
const MENDED_WITHIN: Duration = Duration::from_secs(30);
const ROUNDS: usize = 4;

fn loops(stack: &Stack) -> Vec<&'static str> {
    stack.liveness.ages().into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn an_api_whose_connections_fall_silent_answers_and_works_again() {
    let database = TestDatabase::new().await;
    let proxy = SilentProxy::start(&database.api_url()).await;
    let url = proxy.url(&database.api_url());
    let changes = [("DATABASE_URL", url.as_str()), ("DATABASE_SILENCE_SECONDS", "2"), ("QUEUE_MAX", "40")];
    let stack = Stack::on(database, &changes).await;
    let user = stack.sign_up().await;
    for round in 0..ROUNDS {
        // Each time at a different moment of the loops.
        sleep(Duration::from_millis(300 * round as u64)).await;
        proxy.silence();
        let silenced = Instant::now();
        loop {
            let asked = Instant::now();
            let ready = user.client.get("/readyz").await.unwrap().status;
            assert!(asked.elapsed() < ANSWERED_WITHIN, "{:?}", asked.elapsed());
            assert!(ready == 200 || ready == 503, "{ready}");
            let listed = user.client.get("/api/v1/generations").await.unwrap().status;
            assert!(asked.elapsed() < ANSWERED_WITHIN * 2, "{:?}", asked.elapsed());
            assert!(listed == 200 || listed == 503, "{listed}");
            if ready == 200 && listed == 200 {
                break;
            }
            assert!(silenced.elapsed() < MENDED_WITHIN, "not mended within {MENDED_WITHIN:?}");
        }
        while stack.liveness.ages().iter().any(|(_, age)| *age > silenced.elapsed()) {
            assert!(silenced.elapsed() < MENDED_WITHIN, "a loop stands still: {:?}", stack.liveness.ages());
            sleep(Duration::from_millis(50)).await;
        }
    }
    assert_eq!(loops(&stack), LOOPS);
    drop(user.client.generate(&model().build()).await.unwrap().expecting(202));
    stack.finish().await;
}

#[tokio::test]
async fn each_loop_that_stands_still_is_named_by_livez() {
    let stack = Stack::start().await;
    let probe = stack.client(None);
    probe.get("/livez").await.unwrap().answered(200);
    assert_eq!(loops(&stack), LOOPS);
    for name in LOOPS {
        stack.liveness.halt(name);
    }
    sleep(LOOP_TURN_MAX + Duration::from_secs(1)).await;
    let unwell = probe.get("/livez").await.unwrap().expecting(503);
    assert_eq!(unwell.header("retry-after"), "2");
    let detail = unwell.body["detail"].as_str().unwrap().to_owned();
    for name in LOOPS {
        assert!(detail.contains(&format!("the loop \"{name}\" has not completed a turn for")), "{detail}");
    }
}

#[tokio::test]
async fn one_loop_that_stands_still_is_enough() {
    let stack = Stack::start().await;
    let probe = stack.client(None);
    probe.get("/livez").await.unwrap().answered(200);
    stack.liveness.halt("backlog");
    sleep(LOOP_TURN_MAX + Duration::from_secs(1)).await;
    let detail = probe.get("/livez").await.unwrap().expecting(503).body["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("backlog") && !detail.contains("clock"), "{detail}");
}
