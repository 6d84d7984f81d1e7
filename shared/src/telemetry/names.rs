//! The names of all metrics, their help texts, and the buckets of those that are distributions.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Labels: `outcome`.
pub const ACCEPTS_TOTAL: &str = "shootx_accepts_total";
/// Labels: `step`, `outcome`.
pub const STEPS_TOTAL: &str = "shootx_steps_total";
/// Labels: `kind`.
pub const ANOMALIES: &str = "shootx_anomalies";
/// Labels: none.
pub const BOOKS_AGE_SECONDS: &str = "shootx_books_age_seconds";
/// Labels: none.
pub const LEDGER_IMBALANCE: &str = "shootx_ledger_imbalance";
/// Labels: `queue`, `status`.
pub const QUEUE_JOBS: &str = "shootx_queue_jobs";
/// Labels: `queue`.
pub const QUEUE_OLDEST_SECONDS: &str = "shootx_queue_oldest_seconds";
/// Labels: `operation`, `outcome`.
pub const PROVIDER_CALLS_TOTAL: &str = "shootx_provider_calls_total";
/// Labels: `operation`.
pub const PROVIDER_CALL_SECONDS: &str = "shootx_provider_call_seconds";
/// Labels: `operation`, `outcome`.
pub const STORAGE_CALLS_TOTAL: &str = "shootx_storage_calls_total";
/// Labels: `operation`.
pub const STORAGE_CALL_SECONDS: &str = "shootx_storage_call_seconds";
/// Labels: `outcome`.
pub const INPUT_FETCHES_TOTAL: &str = "shootx_input_fetches_total";
/// Labels: none.
pub const INPUT_FETCH_SECONDS: &str = "shootx_input_fetch_seconds";
/// Labels: `route`, `method`, `status`.
pub const HTTP_REQUESTS_TOTAL: &str = "shootx_http_requests_total";
/// Labels: `route`.
pub const HTTP_REQUEST_SECONDS: &str = "shootx_http_request_seconds";
/// Labels: none.
pub const HTTP_CONNECTIONS: &str = "shootx_http_connections";
/// Labels: `reason`.
pub const HTTP_CONNECTIONS_ENDED_TOTAL: &str = "shootx_http_connections_ended_total";
/// Labels: `by`.
pub const THROTTLED_TOTAL: &str = "shootx_throttled_total";
/// Labels: `outcome`.
pub const WEBHOOKS_TOTAL: &str = "shootx_webhooks_total";
/// Labels: `operation`, `outcome`.
pub const PAYMENT_CALLS_TOTAL: &str = "shootx_payment_calls_total";
/// Labels: `operation`.
pub const PAYMENT_CALL_SECONDS: &str = "shootx_payment_call_seconds";
/// Labels: `outcome`.
pub const PAYMENT_WEBHOOKS_TOTAL: &str = "shootx_payment_webhooks_total";
/// Labels: `kind`, `outcome`.
pub const PAYMENT_EVENTS_TOTAL: &str = "shootx_payment_events_total";
/// Labels: none.
pub const PAYMENT_EVENTS_OLDEST_SECONDS: &str = "shootx_payment_events_oldest_seconds";
/// Labels: none.
pub const PAYMENT_EVENTS_RECOVERED_TOTAL: &str = "shootx_payment_events_recovered_total";
/// Labels: `outcome`.
pub const MAILS_TOTAL: &str = "shootx_mails_total";
/// Labels: none.
pub const MAIL_SECONDS: &str = "shootx_mail_seconds";
/// Labels: `outcome`.
pub const JWKS_FETCHES_TOTAL: &str = "shootx_jwks_fetches_total";

/// Upper bounds of every `_seconds` distribution: from a database look-up to RunPod's slowest answer.
/// 0.2 and 0.5 are the promised limits of status and submission.
pub(super) const SECONDS_BUCKETS: [f64; 13] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Gives every metric its help text and unit.
pub(super) fn describe() {
    describe_counter!(ACCEPTS_TOTAL, "Requests to start a generation, by outcome");
    describe_counter!(STEPS_TOTAL, "Steps of generations that workers ran, by step and outcome");
    describe_gauge!(ANOMALIES, "What is odd about the money and not over yet, by kind; anything but 0 is an alarm");
    describe_gauge!(BOOKS_AGE_SECONDS, Unit::Seconds, "How long ago a worker, any of them, read all of the books");
    describe_gauge!(LEDGER_IMBALANCE, "Rules of the ledger that the rows break; anything but 0 is an alarm");
    describe_gauge!(QUEUE_JOBS, "Jobs in the queue's table, by queue and status");
    describe_gauge!(
        QUEUE_OLDEST_SECONDS,
        Unit::Seconds,
        "Age of the oldest job that is due and waits, by queue; 0 when none does"
    );
    describe_counter!(PROVIDER_CALLS_TOTAL, "Calls to RunPod, by operation and outcome");
    describe_histogram!(PROVIDER_CALL_SECONDS, Unit::Seconds, "Duration of calls to RunPod, by operation");
    describe_counter!(STORAGE_CALLS_TOTAL, "Calls to the image store, by operation and outcome");
    describe_histogram!(STORAGE_CALL_SECONDS, Unit::Seconds, "Duration of calls to the image store, by operation");
    describe_counter!(INPUT_FETCHES_TOTAL, "Pictures fetched from addresses that customers gave, by outcome");
    describe_histogram!(INPUT_FETCH_SECONDS, Unit::Seconds, "Duration of fetching a picture from a customer's address");
    describe_counter!(HTTP_REQUESTS_TOTAL, "Requests answered, by route, method and status");
    describe_histogram!(HTTP_REQUEST_SECONDS, Unit::Seconds, "Duration of requests, by route");
    describe_gauge!(HTTP_CONNECTIONS, "Connections that are open");
    describe_counter!(HTTP_CONNECTIONS_ENDED_TOTAL, "Connections refused for want of room, or ended for being slow");
    describe_counter!(
        THROTTLED_TOTAL,
        "Requests refused before anything was asked of the database, by whose rate it was"
    );
    describe_counter!(WEBHOOKS_TOTAL, "Webhooks received from RunPod, by outcome");
    describe_counter!(PAYMENT_CALLS_TOTAL, "Calls to Stripe, by operation and outcome");
    describe_histogram!(PAYMENT_CALL_SECONDS, Unit::Seconds, "Duration of calls to Stripe, by operation");
    describe_counter!(PAYMENT_WEBHOOKS_TOTAL, "Webhooks received from Stripe, by outcome");
    describe_counter!(PAYMENT_EVENTS_TOTAL, "Events of Stripe that were followed up, by kind and outcome");
    describe_gauge!(
        PAYMENT_EVENTS_OLDEST_SECONDS,
        Unit::Seconds,
        "How long the oldest event of Stripe has waited to be followed up; 0 when none does"
    );
    describe_counter!(PAYMENT_EVENTS_RECOVERED_TOTAL, "Events that never came and were found by looking");
    describe_counter!(MAILS_TOTAL, "Mails to users that were tried, by outcome");
    describe_histogram!(MAIL_SECONDS, Unit::Seconds, "Duration of handing a mail to the mail server");
    describe_counter!(JWKS_FETCHES_TOTAL, "Readings of the sign-in service's published keys, by outcome");
}
