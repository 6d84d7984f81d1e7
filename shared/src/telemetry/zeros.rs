//! Sets every series whose labels are known in advance to 0 when a process starts.
//!
//! A counter that appears with its first event shows no increase, so an alert misses that event. A gauge that is set
//! only while there is something to measure cannot be told from one that is never set.

use metrics::{Label, counter, gauge};

use super::{Misconfiguration, names};
use crate::billing::event::KINDS as PAYMENT_EVENT_KINDS;
use crate::generation::message::CODES as ERROR_CODES;
use crate::jobs::Depth;
use crate::ledger::AnomalyKind;
use crate::queue::Queue;
use crate::retention;
use crate::workflow::CATALOGUE;

/// The program that a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `shootx-api`.
    Api,
    /// `shootx-worker`.
    Worker,
}

/// How calls to RunPod and Stripe end.
const CALL_OUTCOMES: [&str; 6] = ["ok", "rejected", "misconfigured", "unavailable", "unknown", "not_found"];
/// Outcomes of steps that failed to do their work. The other outcomes are named after what happened to the generation.
const STEP_FAILURES: [&str; 7] =
    ["error", "timeout", "panic", "unreadable", "too_many_attempts", "nothing_to_do", "lease_lost"];
/// Statements that are timed.
const STATEMENTS: [&str; 17] = [
    "accept",
    "admit",
    "commit",
    "count_waiting",
    "estimates",
    "lease_due_for_poll",
    "lease_for_collection",
    "lease_for_submission",
    "lease_stuck",
    "list_entries",
    "note_cancel",
    "note_webhook",
    "read_credits",
    "read_generations",
    "renew_lease",
    "take_slot",
    "wake_sleeping",
];
const STATEMENT_FAILURES: [&str; 7] =
    ["pool_timeout", "connection", "statement_timeout", "lock_timeout", "deadlock", "constraint", "other"];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

use Kind::{Counter, Gauge};

/// A label and every value of it.
type Values = (&'static str, Vec<&'static str>);
/// A metric, and its labels in the order in which they are recorded.
type Known = (Kind, &'static str, Vec<Values>);

/// Sets every series of `program` that is known in advance to 0. Code that knows the real value sets it right
/// afterwards.
pub fn show_zeros(program: Program) {
    for (kind, name, labels) in known(program) {
        for labels in combinations(&labels) {
            match kind {
                Counter => counter!(name, labels).increment(0),
                Gauge => gauge!(name, labels).set(0.0),
            }
        }
    }
}

fn combinations(labels: &[Values]) -> Vec<Vec<Label>> {
    labels.iter().fold(vec![Vec::new()], |combinations, (label, values)| {
        let with = |begun: &Vec<Label>, value| [&begun[..], &[Label::from_static_parts(label, value)]].concat();
        combinations.iter().flat_map(|begun| values.iter().map(move |value| with(begun, value))).collect()
    })
}

fn known(program: Program) -> Vec<Known> {
    let mut known = of_both();
    known.extend(match program {
        Program::Api => of_api(),
        Program::Worker => of_worker(),
    });
    known
}

fn of_both() -> Vec<Known> {
    let payment_calls = [
        "cancel_subscription",
        "create_session",
        "expire_session",
        "find_invoice",
        "find_payment",
        "find_session",
        "find_subscription",
        "list_disputes",
        "list_events",
        "update_subscription",
    ];
    let storage_calls = ["create_bucket", "update_bucket", "put", "get", "sign", "delete", "list"];
    let storage_outcomes = ["ok", "not_found", "exists", "too_large", "rejected", "misconfigured", "unavailable"];
    let faults = Misconfiguration::ALL.map(Misconfiguration::as_str);
    vec![
        (
            Counter,
            names::PAYMENT_CALLS_TOTAL,
            vec![values("operation", payment_calls), values("outcome", CALL_OUTCOMES)],
        ),
        (
            Counter,
            names::STORAGE_CALLS_TOTAL,
            vec![values("operation", storage_calls), values("outcome", storage_outcomes)],
        ),
        (Counter, names::MISCONFIGURATIONS_TOTAL, vec![values("fault", faults)]),
        (Counter, names::TRACE_SPANS_TOTAL, vec![values("outcome", ["sent", "failed", "dropped"])]),
        (Gauge, names::POOL_CONNECTIONS, vec![values("state", ["idle", "used"])]),
        (Gauge, names::POOL_CONNECTIONS_MAX, Vec::new()),
        (
            Counter,
            names::STATEMENT_ERRORS_TOTAL,
            vec![values("statement", STATEMENTS), values("kind", STATEMENT_FAILURES)],
        ),
    ]
}

fn of_api() -> Vec<Known> {
    vec![
        (Counter, names::ACCEPTS_TOTAL, vec![values("outcome", ["accepted", "replayed"])]),
        (Gauge, names::HTTP_CONNECTIONS, Vec::new()),
        (
            Counter,
            names::HTTP_CONNECTIONS_ENDED_TOTAL,
            vec![values("reason", ["full", "address", "slow", "evicted", "idle"])],
        ),
        (Counter, names::HTTP_DRAINS_TOTAL, vec![values("outcome", ["drained", "not_sent", "cut", "full"])]),
        (Counter, names::THROTTLED_TOTAL, vec![values("by", ["address", "user", "database", "uploads"])]),
        (Counter, names::WEBHOOKS_TOTAL, vec![values("outcome", ["noted", "refused", "error"])]),
        (
            Counter,
            names::PAYMENT_WEBHOOKS_TOTAL,
            vec![values("outcome", ["noted", "known", "ignored", "refused", "error"])],
        ),
        (Counter, names::JWKS_FETCHES_TOTAL, vec![values("outcome", ["ok", "error"])]),
    ]
}

fn of_worker() -> Vec<Known> {
    let workflows = || values("workflow", CATALOGUE.iter().map(|workflow| workflow.kind.as_str()));
    let queues = || values("queue", Queue::ALL.map(Queue::as_str));
    let steps = values("step", Queue::ALL.map(Queue::as_str).into_iter().chain(["poll", "sweep"]));
    let removed = || values("kind", retention::Kind::ALL.map(retention::Kind::as_str));
    let payment_outcomes = [
        "applied",
        "pending",
        "foreign",
        "orphaned",
        "mismatch",
        "given_up",
        "misconfigured",
        "not_found",
        "unavailable",
        "not_yet",
        "contended",
        "error",
    ];
    vec![
        (Counter, names::STEPS_TOTAL, vec![steps, values("outcome", STEP_FAILURES)]),
        (Gauge, names::ANOMALIES, vec![values("kind", AnomalyKind::ALL.map(AnomalyKind::as_str))]),
        (Gauge, names::LEDGER_IMBALANCE, Vec::new()),
        (Gauge, names::QUEUE_JOBS, vec![queues(), values("status", Depth::OPEN)]),
        (Gauge, names::QUEUE_OLDEST_SECONDS, vec![queues()]),
        (
            Counter,
            names::PROVIDER_CALLS_TOTAL,
            vec![values("operation", ["run", "status", "cancel", "fetch"]), values("outcome", CALL_OUTCOMES)],
        ),
        (
            Counter,
            names::INPUT_FETCHES_TOTAL,
            vec![values("outcome", ["ok", "refused", "dead", "too_large", "unavailable"])],
        ),
        (Gauge, names::WEBHOOKS_EXPECTED, Vec::new()),
        (
            Counter,
            names::PAYMENT_EVENTS_TOTAL,
            vec![values("kind", PAYMENT_EVENT_KINDS), values("outcome", payment_outcomes)],
        ),
        (Gauge, names::PAYMENT_EVENTS_OLDEST_SECONDS, Vec::new()),
        (Counter, names::PAYMENT_EVENTS_RECOVERED_TOTAL, Vec::new()),
        (Counter, names::BILLING_STOPS_TOTAL, vec![values("outcome", ["stopped", "failed"])]),
        (Gauge, names::BILLING_STOPS_OLDEST_SECONDS, Vec::new()),
        (Counter, names::CANCELS_CHARGED_TOTAL, Vec::new()),
        (Counter, names::CLEANUP_REMOVED_TOTAL, vec![removed()]),
        (Counter, names::CLEANUP_REMOVED_BYTES_TOTAL, vec![removed()]),
        (Counter, names::MAILS_TOTAL, vec![values("outcome", ["sent", "refused", "unheard", "undeliverable"])]),
        (Counter, names::GENERATIONS_TOTAL, vec![workflows(), values("outcome", ["completed", "failed", "cancelled"])]),
        (Counter, names::GENERATION_FAILURES_TOTAL, vec![values("code", ERROR_CODES)]),
        (Counter, names::LEASES_LOST_TOTAL, Vec::new()),
    ]
}

fn values(label: &'static str, values: impl IntoIterator<Item = &'static str>) -> Values {
    (label, values.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// Counters and gauges that are not set at the start, and why.
    const EXCUSED: [(&str, &str); 11] = [
        (names::BOOKS_AGE_SECONDS, "0 would say that the books have just been read"),
        (names::CLEANUP_AGE_SECONDS, "0 would say that a cleanup has just ended"),
        (names::CREDITS_TOTAL, "read from the database: a step from 0 would be an increase"),
        (names::WAL_BYTES_TOTAL, "read from the database: a step from 0 would be an increase"),
        (names::TABLE_BYTES, "its tables are those of the database"),
        (names::DATABASE_BYTES, "0 would be taken for a size"),
        (names::HTTP_REQUESTS_TOTAL, "any status may meet any route"),
        (names::TLS_CERTIFICATE_NOT_AFTER_SECONDS, "0 would say that the certificate has expired"),
        (names::LOOP_AGE_SECONDS, "each loop registers itself"),
        (names::BUILD_INFO, "shown before the zeros, as 1"),
        (names::WORKFLOW_TARGET_SECONDS, "shown before the zeros, with its values"),
    ];

    fn page(program: Program) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || show_zeros(program));
        recorder.handle().render()
    }

    /// A metric is a constant of `names.rs`; those that are distributions are described as such.
    #[test]
    fn every_counter_and_gauge_is_there_from_the_start_or_excused() {
        let source = include_str!("names.rs");
        let constants: Vec<(&str, &str)> = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub const ")?.strip_suffix("\";")?.split_once(": &str = \""))
            .collect();
        assert!(constants.len() > 40, "{constants:?}");
        let distributions: BTreeSet<_> = source
            .split("describe_histogram!(")
            .skip(1)
            .filter_map(|rest| rest.trim_start().split(',').next())
            .collect();
        let pages = page(Program::Api) + &page(Program::Worker);
        for (constant, name) in constants {
            let shown = pages.lines().any(|line| line.split(['{', ' ']).next() == Some(name));
            let excused = EXCUSED.iter().any(|(metric, _)| *metric == name);
            let expected = usize::from(!distributions.contains(constant));
            assert_eq!(usize::from(shown) + usize::from(excused), expected, "{name}: shown {shown}, excused {excused}");
        }
    }

    #[test]
    fn every_queue_is_there_in_every_status() {
        let worker = page(Program::Worker);
        for queue in Queue::ALL.map(Queue::as_str) {
            for status in Depth::OPEN {
                let series = format!("shootx_queue_jobs{{queue=\"{queue}\",status=\"{status}\"}} 0\n");
                assert!(worker.contains(&series), "{series}{worker}");
            }
        }
    }
}
