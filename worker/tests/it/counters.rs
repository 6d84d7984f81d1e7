//! After a run in which everything happened, each counter equals what the database says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use devstack::builders::model;
use devstack::shop;
use devstack::test_stack::{TestStack, TestUser};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use shared::telemetry;
use shootx_worker::queue::Settings;
use simulators::runpod::JobFault;
use simulators::{RunPodFault, RunPodOptions, Time};

use crate::processes::{PATIENCE, until};

/// A series, by its name and its labels' values in the order of their names, and the query that answers its labels'
/// values and what it counts.
const COUNTED: [(&str, &[&str], &str); 14] = [
    ("shootx_accepts_total{outcome=\"accepted\"}", &[], "select count(*) from gateway.run"),
    (
        "shootx_generations_total",
        &["outcome", "workflow"],
        "select stage || ' ' || workflow, count(*) from gateway.run where settled_at is not null group by 1",
    ),
    (
        "shootx_generation_failures_total",
        &["code"],
        "select error_code, count(*) from gateway.run where stage = 'failed' group by 1",
    ),
    ("shootx_generation_seconds_count", &[], "select count(*) from gateway.run where settled_at is not null"),
    (
        "shootx_settle_seconds_count",
        &[],
        "select count(*) from gateway.run where settled_at is not null and result_at is not null",
    ),
    (
        "shootx_enqueue_to_start_seconds_count{queue=\"submit\"}",
        &[],
        "select count(distinct generation_id) from gateway.attempt",
    ),
    (
        "shootx_enqueue_to_start_seconds_count{queue=\"collect\"}",
        &[],
        "select count(*) from gateway.run where result_at is not null",
    ),
    (
        "shootx_credits_total",
        &["kind"],
        "select transaction_type, sum(abs(amount))::bigint from public.credit_transactions group by 1",
    ),
    (
        "shootx_provider_calls_total{operation=\"run\",outcome=\"ok\"}",
        &[],
        "select count(*) from gateway.attempt where provider_job_id is not null",
    ),
    ("shootx_storage_calls_total{operation=\"put\",outcome=\"ok\"}", &[], "select count(*) from gateway.output"),
    (
        "shootx_webhooks_total{outcome=\"noted\"}",
        &[],
        "select count(*) from gateway.event where kind = 'webhook_received'",
    ),
    (
        "shootx_payment_events_total",
        &["kind", "outcome"],
        "select kind || ' ' || outcome, count(*) from gateway.payment_event where outcome is not null group by 1",
    ),
    (
        "shootx_cancels_charged_total",
        &[],
        "select count(*) from gateway.run where stage = 'cancelled' and cancel_fee > 0",
    ),
    ("shootx_payment_events_recovered_total", &[], "select count(*) from gateway.payment_event where recovered"),
];

/// Counters that are not compared: of what leaves no row (refusals, traffic, calls that changed nothing, what was removed,
/// other servers' doings), and of mails, which need a mail server.
const NOT_IN_THE_DATABASE: [&str; 20] = [
    "shootx_billing_stops_total",
    "shootx_cleanup_removed_bytes_total",
    "shootx_cleanup_removed_total",
    "shootx_http_connections_ended_total",
    "shootx_http_drains_total",
    "shootx_http_requests_total",
    "shootx_input_fetches_total",
    "shootx_jwks_fetches_total",
    "shootx_leases_lost_total",
    "shootx_mails_total",
    "shootx_misconfigurations_total",
    "shootx_payment_calls_total",
    "shootx_payment_webhooks_total",
    "shootx_provider_calls_total",
    "shootx_statement_errors_total",
    "shootx_steps_total",
    "shootx_storage_calls_total",
    "shootx_throttled_total",
    "shootx_trace_spans_total",
    "shootx_wal_bytes_total",
];

#[tokio::test]
async fn after_a_run_every_counter_equals_what_the_database_says() {
    // Everything of this test runs on this thread, the API and the worker, too.
    let recorder = PrometheusBuilder::new().build_recorder();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let options = RunPodOptions { time: Time::Running, picture_size: (96, 64), ..RunPodOptions::default() };
    let stack = TestStack::builder().runpod(options).webhooks().start().await;
    shop::stock(stack.database.pool()).await.unwrap();
    let (user, poor) = (stack.user().await, stack.user().await);

    let given_up = user.generate(&model().build()).await.unwrap().generation_id();
    drop(user.cancel(given_up).await.unwrap().expecting(200));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = tokio::spawn(shootx_worker::app::run(stack.worker.clone(), Settings::default(), async {
        let _ = stopped.await;
    }));
    generate_all(&stack, &user).await;
    spend_all(&poor).await;
    let payment = buy(&stack, &user).await;
    give_back(&stack, &payment).await;
    let open = "select (select count(*) from gateway.run where settled_at is null)
                     + (select count(*) from gateway.payment_event where outcome is null)
                     + (select count(*) from gateway.attempt where provider_job_id is not null and webhook_at is null)";
    until("everything ends", PATIENCE, async || count(&stack, open).await == 0).await;
    until("the payment came", PATIENCE, async || {
        count(&stack, "select count(*) from public.credit_transactions where transaction_type = 'reversal'").await == 1
    })
    .await;
    stop.send(()).unwrap();
    worker.await.unwrap().unwrap();

    stack.database.advance(Duration::from_hours(1)).await;
    telemetry::report_anomalies(&stack.worker.pool, &stack.worker.anomalies).await.unwrap();
    telemetry::show_books(&stack.worker.pool).await.unwrap();
    let page = page(&recorder.handle());
    all_were_there_from_the_start(&page);
    for (series, labels, query) in COUNTED {
        let said = said(&stack, labels, query).await;
        let may_be_none = ["shootx_cancels_charged_total", "shootx_payment_events_recovered_total"].contains(&series);
        assert!(may_be_none || said.values().any(|count| *count > 0), "nothing happened to {series}");
        assert_eq!(shown(&page, series, labels), said, "{series}");
    }
    stack.reconcile().await;
}

/// Every series that appears later must be there with 0 from the start: a label value that is not known in advance
/// would be missing from the first scrape. The exceptions have labels that are known only in part.
fn all_were_there_from_the_start(page: &BTreeMap<String, f64>) {
    const OPEN: [&str; 2] = ["shootx_accepts_total", "shootx_steps_total"];
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        [telemetry::Program::Api, telemetry::Program::Worker].map(telemetry::show_zeros)
    });
    let start = self::page(&recorder.handle());
    let name = |series: &str| series.split('{').next().unwrap_or_default().to_owned();
    let known: BTreeSet<_> = start.keys().map(|series| name(series)).collect();
    for series in page.keys().filter(|series| known.contains(&name(series)) && !OPEN.contains(&&*name(series))) {
        assert!(start.contains_key(series), "{series} is not there from the start");
    }
}

/// A counter that nobody compares, and nobody has thought about, fails here.
#[test]
fn every_counter_is_compared_or_known_to_leave_no_row() {
    let names = include_str!("../../../shared/src/telemetry/names.rs");
    let counters = names.split('"').filter(|name| name.starts_with("shootx_") && name.ends_with("_total"));
    for counter in counters {
        let is_compared = COUNTED.iter().any(|(series, ..)| series.split('{').next() == Some(counter));
        assert!(is_compared || NOT_IN_THE_DATABASE.contains(&counter), "{counter} is in neither list");
    }
}

/// Generations with every kind of end.
async fn generate_all(stack: &TestStack, user: &TestUser) {
    let fates = [
        ("whole", None),
        ("partial", Some(JobFault::FewerPictures { count: 1 })),
        ("empty", Some(JobFault::WorkflowInvalid)),
        ("again", Some(JobFault::WorkerGone)),
    ];
    for (tag, fault) in fates {
        if let Some(fault) = fault {
            stack.runpod.script(RunPodFault::new(fault).prompt_contains(tag));
        }
        drop(user.generate(&model().prompt(tag).outputs(2).build()).await.unwrap().expecting(202));
    }
}

/// A refusal for want of credits, after the last credit is spent.
async fn spend_all(poor: &TestUser) {
    while poor.generate(&model().outputs(4).build()).await.unwrap().status == 202 {}
}

async fn buy(stack: &TestStack, user: &TestUser) -> String {
    let checkout = user.buy(shop::STARTER.0).await.unwrap().expecting(201);
    let session = shop::session(&checkout);
    assert!(stack.payments.pay(&session));
    let bought = "select count(*) from public.credit_transactions where transaction_type = 'purchase'";
    until("the purchase arrives", PATIENCE, async || count(stack, bought).await == 1).await;
    stack.payments.object(&session).unwrap()["payment_intent"].as_str().unwrap().to_owned()
}

async fn give_back(stack: &TestStack, payment: &str) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let refund = http.post(format!("{}/v1/refunds", stack.payments.url())).form(&[("payment_intent", payment)]);
    assert!(refund.bearer_auth(stack.payments.secret_key()).send().await.unwrap().status().is_success());
}

async fn count(stack: &TestStack, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(stack.database.pool()).await.unwrap()
}

/// What the database counts, by the labels' values.
async fn said(stack: &TestStack, labels: &[&str], query: &'static str) -> BTreeMap<String, i64> {
    if labels.is_empty() {
        return BTreeMap::from([(String::new(), count(stack, query).await)]);
    }
    let rows: Vec<(String, i64)> = sqlx::query_as(query).fetch_all(stack.database.pool()).await.unwrap();
    rows.into_iter().collect()
}

/// Name with labels, and value, of every series.
fn page(handle: &PrometheusHandle) -> BTreeMap<String, f64> {
    let lines = handle.render();
    let series = lines.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    series.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// What the metrics count of `series` (with the labels it names), by the values of `labels`.
fn shown(page: &BTreeMap<String, f64>, series: &str, labels: &[&str]) -> BTreeMap<String, i64> {
    let (name, fixed) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
    let mut shown = BTreeMap::new();
    if labels.is_empty() {
        shown.insert(String::new(), 0);
    }
    for (full, value) in page {
        let (of, given) = full.trim_end_matches('}').split_once('{').unwrap_or((full, ""));
        if of != name || !fixed.split(',').all(|label| given.contains(label)) {
            continue;
        }
        let value_of = |label: &&str| {
            let start = format!("{label}=\"");
            given.split(',').find_map(|pair| pair.strip_prefix(&start)?.strip_suffix('"')).unwrap_or_default()
        };
        let key = labels.iter().map(value_of).collect::<Vec<_>>().join(" ");
        #[expect(clippy::cast_possible_truncation, reason = "counts are small whole numbers")]
        let value = *value as i64;
        *shown.entry(key).or_insert(0) += value;
    }
    shown
}
