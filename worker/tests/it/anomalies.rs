//! What is odd about the money is found, told by rows, gauges and a command, and over when it is over.

use std::io::Read;
use std::process::{ChildStderr, Stdio};
use std::time::Duration;

use devstack::builders::model;
use devstack::test_stack::{TestStack, TestUser};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;
use shared::ledger::{AnomalyKind, READ_EVERY};
use shared::telemetry;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::operations::operate;
use crate::processes::{PATIENCE, Worker, free_address, until};

const HOUR: Duration = Duration::from_hours(1);

async fn run(stack: &TestStack, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(stack.database.pool()).await.unwrap();
}

/// Signs somebody up with this address, as the sign-in server does.
async fn sign_up(stack: &TestStack, email: &str) -> Uuid {
    let insert = "insert into auth.users (id, email, email_confirmed_at, created_at)
                  values ($1, $2, clock_timestamp(), clock_timestamp()) returning id";
    sqlx::query_scalar(insert).bind(Uuid::now_v7()).bind(email).fetch_one(stack.database.pool()).await.unwrap()
}

/// An entry, and the balance with it.
fn entry(user: Uuid, amount: i32, kind: &str, generation: Option<Uuid>) -> String {
    let of = generation.map_or("null, null".to_owned(), |id| format!("'{id}', '{kind}:{id}'"));
    format!(
        "insert into public.credit_transactions (user_id, amount, transaction_type, generation_id, entry_key, created_at)
           values ('{user}', {amount}, '{kind}', {of}, gateway.now());
         update public.credits set balance = balance + {amount} where user_id = '{user}';"
    )
}

/// Has the worker read the books, and answers what is open: subject, observed, threshold and detail of each anomaly.
/// Rows, gauges and the command tell the same, and all of it is of `kind`.
async fn open(stack: &TestStack, kind: AnomalyKind) -> Vec<(Uuid, i64, i64, String)> {
    stack.advance(READ_EVERY).await;
    let recorder = PrometheusBuilder::new().build_recorder();
    {
        let _guard = metrics::set_default_local_recorder(&recorder);
        telemetry::report_anomalies(&stack.worker.pool, &stack.worker.anomalies).await.unwrap();
        telemetry::show_books(&stack.worker.pool).await.unwrap();
    }
    let told = operate(stack, &["anomalies", "--json"]);
    let anomalies: Vec<Value> = serde_json::from_str(&told.said).unwrap();
    assert_eq!(told.code, i32::from(!anomalies.is_empty()), "{told:?}");
    let page = recorder.handle().render();
    for each in AnomalyKind::ALL {
        let count = if each == kind { anomalies.len() } else { 0 };
        let line = format!("shootx_anomalies{{kind=\"{}\"}} {count}\n", each.as_str());
        assert!(page.contains(&line), "{line} is not in\n{page}\n{told:?}");
    }
    let number = |anomaly: &Value, name: &str| anomaly[name].as_i64().unwrap();
    let text = |anomaly: &Value, name: &str| anomaly[name].as_str().unwrap().to_owned();
    let rows = anomalies.iter().map(|anomaly| {
        assert_eq!((text(anomaly, "kind").as_str(), &anomaly["ended_at"]), (kind.as_str(), &Value::Null));
        let subject = text(anomaly, "subject").parse().unwrap();
        (subject, number(anomaly, "observed"), number(anomaly, "threshold"), text(anomaly, "detail"))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

/// It is over, and remembered.
async fn is_over(stack: &TestStack, kind: AnomalyKind) {
    assert_eq!(open(stack, kind).await, []);
    let all = operate(stack, &["anomalies", "--all"]);
    assert!(all.code == 0 && all.said.contains(kind.as_str()) && all.said.contains("ended"), "{all:?}");
}

#[tokio::test]
async fn a_balance_below_zero_is_an_anomaly_until_it_is_none() {
    let stack = TestStack::new().await;
    let user = stack.user().await.id();
    assert_eq!(open(&stack, AnomalyKind::NegativeBalance).await, []);
    // Nothing of ours gets past the constraint, and what broke the one may break the other.
    run(&stack, "alter table public.credits drop constraint credits_never_negative").await;
    run(&stack, &entry(user, -103, "adjustment", None)).await;
    stack.advance(READ_EVERY).await;
    telemetry::report_anomalies(&stack.worker.pool, &stack.worker.anomalies).await.unwrap();
    let told = operate(&stack, &["anomalies"]);
    assert_eq!(told.code, 1, "{told:?}");
    for line in [
        format!("negative_balance of {user}: -3, threshold 0; since "),
        format!("imbalance of {user} (balance is the sum of the entries): -3, threshold -3; since "),
    ] {
        assert!(told.said.contains(&line), "{line} is not in {told:?}");
    }
    run(&stack, &entry(user, 3, "adjustment", None)).await;
    is_over(&stack, AnomalyKind::NegativeBalance).await;
    stack.reconcile().await;
}

#[tokio::test]
async fn more_credits_than_usual_within_an_hour_are_an_anomaly_for_that_hour() {
    let stack = TestStack::new().await;
    let user = stack.user().await.id();
    run(&stack, &entry(user, 9_900, "purchase", None)).await;
    // With the welcome these are 10,000: the threshold is not passed.
    assert_eq!(open(&stack, AnomalyKind::JumpingBalance).await, []);
    run(&stack, &(entry(user, -9_000, "adjustment", None) + &entry(user, 1, "purchase", None))).await;
    assert_eq!(open(&stack, AnomalyKind::JumpingBalance).await, [(user, 10_001, 10_000, String::new())]);
    run(&stack, &entry(user, 4, "purchase", None)).await;
    assert_eq!(open(&stack, AnomalyKind::JumpingBalance).await, [(user, 10_005, 10_000, String::new())]);
    stack.advance(HOUR).await;
    is_over(&stack, AnomalyKind::JumpingBalance).await;
    stack.reconcile().await;
}

#[tokio::test]
async fn a_reservation_without_a_run_is_an_anomaly_until_there_is_one_or_its_user_is_gone() {
    let stack = TestStack::new().await;
    let (user, other) = (stack.user().await.id(), stack.user().await.id());
    let generation = Uuid::now_v7();
    run(
        &stack,
        &format!(
            "insert into public.generations (id, user_id, generation_type, method)
               values ('{generation}', '{user}', 'model', 'automatic');
             {}
             insert into public.credit_transactions (user_id, amount, transaction_type, entry_key)
               values ('{other}', -1, 'generation', 'generation:none');
             insert into public.credit_transactions (user_id, amount, transaction_type) values ('{other}', -1, 'generation');
             update public.credits set balance = balance - 2 where user_id = '{other}'",
            entry(user, -2, "generation", Some(generation)),
        ),
    )
    .await;
    let mut expected =
        [(generation, 2, 0, format!("generation:{generation}")), (other, 1, 0, "generation:none".to_owned())];
    expected.sort();
    assert_eq!(open(&stack, AnomalyKind::SpendWithoutGeneration).await, expected);
    run(
        &stack,
        &format!(
            "insert into gateway.run (generation_id, user_id, workflow, endpoint, price, outputs_asked, output_format,
                 seed, request_id, accepted_at, deadline_at, target_seconds, max_seconds)
               values ('{generation}', '{user}', 'model', 'e', 2, 2, 'webp', 1, 'r', now(), now(), 20, 45);
             delete from auth.users where id = '{other}'"
        ),
    )
    .await;
    is_over(&stack, AnomalyKind::SpendWithoutGeneration).await;
    stack.reconcile().await;
}

/// Starts a generation that costs 2 credits, and has it fail or end well.
async fn spend(stack: &TestStack, user: &TestUser, cancelled: bool) {
    let id = user.generate(&model().build()).await.unwrap().expecting(202).generation_id();
    if cancelled {
        user.cancel(id).await.unwrap();
    }
    stack.finish(user, id).await;
}

#[tokio::test]
async fn a_user_who_gets_most_of_her_reservations_back_is_an_anomaly_for_a_day() {
    let stack = TestStack::builder().set("ANOMALY_REFUND_CREDITS_MIN", "6").start().await;
    let user = stack.user().await;
    spend(&stack, &user, true).await;
    spend(&stack, &user, true).await;
    assert_eq!(open(&stack, AnomalyKind::Refunds).await, [], "4 credits are too few to tell");
    let user = stack.sign_in_again(&user).await;
    spend(&stack, &user, false).await;
    spend(&stack, &user, false).await;
    assert_eq!(open(&stack, AnomalyKind::Refunds).await, [], "half of 8 is not above half");
    let user = stack.sign_in_again(&user).await;
    spend(&stack, &user, true).await;
    assert_eq!(open(&stack, AnomalyKind::Refunds).await, [(user.id(), 60, 50, String::new())]);
    stack.advance(24 * HOUR).await;
    is_over(&stack, AnomalyKind::Refunds).await;
    stack.reconcile().await;
}

#[tokio::test]
async fn users_of_one_mailbox_who_took_welcome_credits_are_an_anomaly_until_one_is_left() {
    let stack = TestStack::new().await;
    let first = sign_up(&stack, "ada.lovelace@gmail.com").await;
    sign_up(&stack, "ada.lovelace@example.com").await;
    // She got none.
    run(&stack, "update gateway.setting set value = '0' where name = 'welcome_credits'").await;
    sign_up(&stack, "adalovelace+none@gmail.com").await;
    run(&stack, "update gateway.setting set value = '100' where name = 'welcome_credits'").await;
    assert_eq!(open(&stack, AnomalyKind::SharedEmail).await, []);
    let second = sign_up(&stack, "AdaLovelace+more@googlemail.com").await;
    let detail = format!("first user {first}");
    let mut expected = [(first, 2, 1, detail.clone()), (second, 2, 1, detail)];
    expected.sort();
    assert_eq!(open(&stack, AnomalyKind::SharedEmail).await, expected);
    run(&stack, &format!("delete from auth.users where id = '{second}'")).await;
    is_over(&stack, AnomalyKind::SharedEmail).await;
    stack.reconcile().await;
}

#[tokio::test]
async fn a_broken_rule_of_the_books_is_an_anomaly_until_they_balance() {
    let stack = TestStack::new().await;
    let user = stack.user().await.id();
    run(&stack, "update public.credits set balance = balance + 7").await;
    let rule = "balance is the sum of the entries".to_owned();
    assert_eq!(open(&stack, AnomalyKind::Imbalance).await, [(user, 107, 100, rule.clone())]);
    run(&stack, "update public.credits set balance = balance + 1").await;
    assert_eq!(open(&stack, AnomalyKind::Imbalance).await, [(user, 108, 100, rule.clone())], "still the one");
    run(&stack, "update public.credits set balance = balance - 8").await;
    is_over(&stack, AnomalyKind::Imbalance).await;
    run(&stack, "update public.credits set balance = balance + 7").await;
    assert_eq!(open(&stack, AnomalyKind::Imbalance).await, [(user, 107, 100, rule)], "and another one");
    run(&stack, "update public.credits set balance = balance - 7").await;
    is_over(&stack, AnomalyKind::Imbalance).await;
    stack.reconcile().await;
}

fn alarms(mut stderr: ChildStderr) -> Vec<String> {
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    log.lines().filter(|line| line.contains("an anomaly of the books")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_worker_shows_what_one_of_them_read_and_each_anomaly_is_logged_once() {
    let stack = TestStack::new().await;
    sign_up(&stack, "ada.lovelace@gmail.com").await;
    sign_up(&stack, "adalovelace@gmail.com").await;
    let browser = stack.anonymous();
    let mut logs = Vec::new();
    let mut workers = Vec::new();
    for _ in 0..2 {
        let metrics = free_address();
        let mut worker = Worker::spawn(&stack, &metrics, Stdio::piped());
        logs.push(worker.0.stderr.take().unwrap());
        let page = format!("http://{metrics}/metrics");
        for line in [
            r#"shootx_anomalies{kind="shared_email"} 2"#,
            r#"shootx_anomalies{kind="refunds"} 0"#,
            "shootx_ledger_imbalance 0",
            "shootx_books_age_seconds ",
        ] {
            let shows = async || {
                let text = browser.download(&page).await.unwrap_or_default();
                String::from_utf8(text).unwrap().contains(line)
            };
            until(line, PATIENCE, shows).await;
        }
        workers.push(worker);
    }
    for worker in workers {
        assert!(worker.terminate().await.success());
    }
    let [first, second] = logs.try_into().unwrap();
    let (first, second) = (alarms(first), alarms(second));
    assert_eq!((first.len(), second.len()), (2, 0), "{first:?} {second:?}");
    for line in &first {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["level"], &line["kind"]), (&"ERROR".into(), &"shared_email".into()), "{line}");
        assert!(!line.to_string().contains("gmail"), "{line}");
    }
    let told = operate(&stack, &["anomalies"]);
    assert!(!told.said.contains("gmail") && told.complained.contains("the books were read "), "{told:?}");
    stack.reconcile().await;
}
