//! The books are read by one worker at a time, in bounds, and every rule of `reconcile` is noticed when it is broken.

use std::time::Duration;

use devstack::postgres::TestDatabase;
use futures::future::join_all;
use shared::ledger::{self, Anomaly, READ_EVERY, Thresholds};
use sqlx::PgPool;
use uuid::Uuid;

use crate::people::{run, sign_up, value};

const THRESHOLDS: Thresholds =
    Thresholds { jump_credits: 10_000, refund_percent: 50, refund_credits_min: 50, email_users_max: 1 };

async fn read(pool: &PgPool) -> Vec<Anomaly> {
    ledger::read_books(pool, &THRESHOLDS).await.unwrap()
}

async fn age(pool: &PgPool) -> Option<f64> {
    ledger::books(pool).await.unwrap().age_seconds
}

/// A balance that is not the sum of its entries.
async fn imbalance(pool: &PgPool) -> Uuid {
    let user = sign_up(pool, "ada@example.com").await;
    run(pool, "update public.credits set balance = balance + 1").await;
    user
}

#[tokio::test]
async fn the_books_are_read_by_one_worker_of_many_and_again_when_that_is_due() {
    let database = TestDatabase::new().await;
    let user = imbalance(database.pool()).await;
    let workers: Vec<PgPool> = (0..4).map(|_| database.worker_pool()).collect();
    assert_eq!(age(&workers[0]).await, None);
    let opened: Vec<Anomaly> = join_all(workers.iter().map(read)).await.into_iter().flatten().collect();
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert_eq!((opened[0].subject, opened[0].observed, opened[0].threshold), (user, 101, 100));
    assert!(age(&workers[3]).await.unwrap() < 60.0, "each knows");

    run(database.pool(), "update public.credits set balance = balance - 1").await;
    for worker in &workers {
        assert!(read(worker).await.is_empty());
        assert_eq!(ledger::list_anomalies(worker, false).await.unwrap().len(), 1, "not due yet");
    }
    database.advance(READ_EVERY).await;
    join_all(workers.iter().map(read)).await;
    assert!(ledger::list_anomalies(&workers[1], false).await.unwrap().is_empty());
    assert_eq!(ledger::list_anomalies(&workers[1], true).await.unwrap().len(), 1, "what is over is kept");
}

#[tokio::test]
async fn a_worker_does_not_wait_for_the_one_that_reads_and_takes_over_when_that_one_is_gone() {
    let database = TestDatabase::new().await;
    imbalance(database.pool()).await;
    let worker = database.worker_pool();
    let mut reader = database.pool().begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock($1)").bind(0x5368_6f6f_7442_i64).execute(&mut *reader).await.unwrap();
    assert!(read(&worker).await.is_empty());
    assert_eq!(age(&worker).await, None);
    reader.rollback().await.unwrap();
    assert_eq!(read(&worker).await.len(), 1);
}

#[tokio::test]
async fn a_reading_that_fails_leaves_nothing_and_is_still_due() {
    let database = TestDatabase::new().await;
    imbalance(database.pool()).await;
    let worker = database.worker_pool();
    run(database.pool(), "alter table gateway.anomaly add constraint full_up check (false) not valid").await;
    ledger::read_books(&worker, &THRESHOLDS).await.unwrap_err();
    assert_eq!(age(&worker).await, None);
    run(database.pool(), "alter table gateway.anomaly drop constraint full_up").await;
    assert_eq!(read(&worker).await.len(), 1);
}

#[tokio::test]
async fn a_reading_takes_down_no_more_than_a_thousand_of_a_kind_and_the_same_ones_again() {
    let database = TestDatabase::new().await;
    let user = sign_up(database.pool(), "ada@example.com").await;
    let spent = format!(
        "insert into public.credit_transactions (user_id, amount, transaction_type, entry_key)
           select '{user}', -1, 'generation', 'generation:' || n from generate_series(1, 1200) n;
         insert into public.credit_transactions (user_id, amount, transaction_type) values ('{user}', 1200, 'grant')"
    );
    run(database.pool(), &spent).await;
    assert_eq!(read(database.pool()).await.len(), 1_000);
    database.advance(READ_EVERY).await;
    assert!(read(database.pool()).await.is_empty(), "nothing new");
    assert_eq!(ledger::list_anomalies(database.pool(), true).await.unwrap().len(), 1_000);
    assert!(ledger::reconcile(database.pool()).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_over_is_forgotten_after_a_year() {
    let database = TestDatabase::new().await;
    imbalance(database.pool()).await;
    read(database.pool()).await;
    run(database.pool(), "update public.credits set balance = balance - 1").await;
    database.advance(READ_EVERY).await;
    read(database.pool()).await;
    let day = Duration::from_hours(24);
    database.advance(364 * day).await;
    read(database.pool()).await;
    assert_eq!(value::<i64>(database.pool(), "select count(*) from gateway.anomaly").await, 1);
    database.advance(2 * day).await;
    read(database.pool()).await;
    assert_eq!(value::<i64>(database.pool(), "select count(*) from gateway.anomaly").await, 0);
}

/// A generation of `user` with a run that cost 3 credits for 2 outputs and delivered one: 1 is charged, 2 come back.
fn settled(user: Uuid, generation: Uuid) -> String {
    format!(
        "insert into public.generations (id, user_id, generation_type, method)
           values ('{generation}', '{user}', 'model', 'automatic');
         insert into gateway.run (generation_id, user_id, workflow, endpoint, stage, price, outputs_asked, outputs_delivered,
             output_format, seed, request_id, accepted_at, deadline_at, target_seconds, max_seconds, settled_at)
           values ('{generation}', '{user}', 'model', 'e', 'completed', 3, 2, 1, 'webp', 1, 'r', now(), now(), 20, 45, now());"
    )
}

fn entry(user: Uuid, amount: i32, kind: &str, generation: Uuid) -> String {
    format!(
        "insert into public.credit_transactions (user_id, amount, transaction_type, generation_id, entry_key)
           values ('{user}', {amount}, '{kind}', '{generation}', '{kind}:{generation}');
         update public.credits set balance = balance + {amount} where user_id = '{user}';"
    )
}

/// A payment of a pack that brought so many credits, of which so many were taken back.
fn payment(user: Uuid, granted: i32, reversed: i32) -> String {
    format!(
        "insert into gateway.pack (pack_id, name, credits, amount_cents) values ('p', 'P', 100, 900);
         insert into gateway.purchase (purchase_id, user_id, pack_id, name, credits, amount_cents, currency, created_at, expires_at)
           values ('{user}', '{user}', 'p', 'P', 100, 900, 'usd', now(), now());
         insert into gateway.payment (payment_id, user_id, purchase_id, name, amount_cents, charged_cents,
             amount_reversed_cents, credits_total, credits_paid, credits_granted, credits_reversed, paid_at)
           values ('pi', '{user}', '{user}', 'P', 900, 900, 900, 100, {granted} - {reversed}, {granted}, {reversed}, now());"
    )
}

fn bought(user: Uuid, amount: i32, kind: &str) -> String {
    format!(
        "insert into public.credit_transactions (user_id, amount, transaction_type, entry_key)
           values ('{user}', {amount}, '{kind}', '{kind}:pi');
         update public.credits set balance = balance + {amount} where user_id = '{user}';"
    )
}

/// Statements that break rules, made for Ada, Eve and a generation of Ada's; and which rules these are.
type Breach = fn(Uuid, Uuid, Uuid) -> String;
const BREACHES: [(&str, Breach, &[&str]); 13] = [
    (
        "all is well",
        |ada, _, it| settled(ada, it) + &entry(ada, -3, "generation", it) + &entry(ada, 2, "refund", it),
        &[],
    ),
    (
        "a balance that no entry explains",
        |ada, _, _| format!("update public.credits set balance = 7 where user_id = '{ada}'"),
        &["balance is the sum of the entries"],
    ),
    (
        "a reservation that is not the price",
        |ada, _, it| settled(ada, it) + &entry(ada, -2, "generation", it) + &entry(ada, 2, "refund", it),
        &["the reservation is the price"],
    ),
    (
        "a refund of more than was not delivered",
        |ada, _, it| settled(ada, it) + &entry(ada, -3, "generation", it) + &entry(ada, 3, "refund", it),
        &["the refund is what was not delivered"],
    ),
    (
        "a refund that never came",
        |ada, _, it| settled(ada, it) + &entry(ada, -3, "generation", it),
        &["the refund is what was not delivered"],
    ),
    (
        "a refund to somebody else",
        |ada, eve, it| settled(ada, it) + &entry(ada, -3, "generation", it) + &entry(eve, 2, "refund", it),
        &["a refund is of a reservation", "the refund is what was not delivered"],
    ),
    (
        "a refund of what was never reserved",
        |ada, _, it| {
            let made = "insert into public.generations (id, user_id, generation_type, method)";
            format!("{made} values ('{it}', '{ada}', 'model', 'automatic');") + &entry(ada, 2, "refund", it)
        },
        &["a refund is of a reservation"],
    ),
    ("a payment and its entry", |ada, _, _| payment(ada, 100, 0) + &bought(ada, 100, "purchase"), &[]),
    ("a payment without an entry", |ada, _, _| payment(ada, 100, 0), &["payments brought what the entries say"]),
    (
        "an entry without a payment",
        |ada, _, _| bought(ada, 100, "subscription"),
        &["payments brought what the entries say"],
    ),
    (
        "a reversal without a payment that went back",
        |ada, _, _| bought(ada, -10, "reversal"),
        &["reversals and debt are what payments took back"],
    ),
    (
        "a debt that no payment explains",
        |ada, _, _| format!("insert into gateway.debt (user_id, credits) values ('{ada}', 5)"),
        &["reversals and debt are what payments took back"],
    ),
    (
        "entries of somebody without a balance",
        |ada, _, _| format!("delete from public.credits where user_id = '{ada}'"),
        &["entries have a balance"],
    ),
];

#[tokio::test]
async fn each_rule_of_the_books_is_noticed_when_it_is_broken() {
    for (what, breach, broken) in BREACHES {
        let database = TestDatabase::new().await;
        let (ada, eve) =
            (sign_up(database.pool(), "ada@example.com").await, sign_up(database.pool(), "eve@e.com").await);
        run(database.pool(), &breach(ada, eve, Uuid::now_v7())).await;
        let found = ledger::reconcile(&database.worker_pool()).await.unwrap();
        let rules: Vec<&str> = found.iter().map(|difference| difference.rule.as_str()).collect();
        assert_eq!(rules, broken, "{what}");
    }
}
